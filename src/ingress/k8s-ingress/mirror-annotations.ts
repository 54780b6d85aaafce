import { isLabelName, isLabels } from '../../base/read/object-meta.ts';
import type { Mirror } from '../intent/match.ts';
import type { IngressAnnotations } from './annotation-reader.ts';
import type { IngressSettings } from './settings.ts';

const name = 'mirror-target';

/** Host, port and the rest of a URL. */
const url = /^http:\/\/([^/:$?#]+)(?::(\d{1,5}))?(\/?\$request_uri)?$/;

/**
 * Reads the Service that receives copies of requests. Any other target would let authors send requests of the router to
 * addresses that they cannot reach themselves.
 */
export function readMirror(annotations: IngressAnnotations, namespace: string): Pick<IngressSettings, 'mirror'> {
  const text = annotations.text(name);
  const body = annotations.text('mirror-request-body');
  const written = annotations.text('mirror-host');
  if (text === undefined) {
    for (const other of ['mirror-request-body', 'mirror-host']) {
      annotations.refuse(other, 'ignored', `has no effect without ${name}`);
    }
    return {};
  }
  const example = `http://SERVICE.${namespace}.svc.cluster.local$request_uri`;
  const [, host, port = '80', path] = url.exec(text) ?? [];
  const service = host === undefined ? undefined : findService(host.toLowerCase(), namespace);
  const number = Number(port);
  if (host === undefined || service === undefined || number < 1 || number > 65_535 || path === undefined) {
    annotations.note(
      name,
      'refused',
      'must be the URL of a Service of the namespace, with http and $request_uri; requests are not mirrored',
      `write ${example}`,
    );
    return {};
  }
  return { mirror: makeMirror(service, number, readHost(annotations, written) ?? host, body === 'off') };
}

function makeMirror(service: string, servicePort: number, host: string, isBodiless: boolean): Mirror {
  return {
    share: { service, servicePort, weight: 1 },
    numerator: 1,
    denominator: 1,
    host,
    isOriginal: true,
    ...(isBodiless && { isBodiless }),
  };
}

/** Returns the Service of a name such as `SERVICE` or `SERVICE.NAMESPACE.svc.cluster.local`. */
function findService(host: string, namespace: string): string | undefined {
  const [service = '', owner = namespace, kind = 'svc'] = host.split('.');
  // A name with two labels may be one outside of the cluster.
  const isShort = host.split('.').length === 2;
  return isLabelName(service) && owner === namespace && kind === 'svc' && !isShort && isLabels(host)
    ? service
    : undefined;
}

function readHost(annotations: IngressAnnotations, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (isLabels(text.replace(/:\d{1,5}$/, ''))) return text.toLowerCase();
  annotations.note(
    'mirror-host',
    'refused',
    'must be a host name, without nginx variables; that of mirror-target is used',
  );
  return undefined;
}
