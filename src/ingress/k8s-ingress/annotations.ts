import { lazily } from '../../base/read/lazily.ts';
import { readAccess } from './access-annotations.ts';
import { IngressAnnotations, nginxPrefix } from './annotation-reader.ts';
import { isForeign, judgeForeign } from './foreign.ts';
import { readMirror } from './mirror-annotations.ts';
import { readRedirects } from './redirect-annotations.ts';
import type { Finding, IngressSettings } from './settings.ts';
import { readTraffic } from './traffic-annotations.ts';

/** Settings of an Ingress, and how far each annotation is honored. */
export interface ReadAnnotations {
  readonly settings: IngressSettings;
  readonly findings: readonly Finding[];
}

/** Annotations that tune nginx and have no meaning for HAProxy. */
const tuning: Readonly<Record<string, string>> = {
  'client-body-buffer-size': 'bodies are not buffered',
  'connection-proxy-header': 'connections to servers are kept alive',
  'enable-access-log': 'the access log is configured for the whole router',
  'enable-rewrite-log': 'the access log is configured for the whole router',
  'enable-opentelemetry': 'this router has no tracing',
  'enable-opentracing': 'this router has no tracing',
  'http2-push-preload': 'browsers no longer support server push',
  'opentelemetry-operation-name': 'this router has no tracing',
  'opentelemetry-trust-incoming-span': 'trace headers of clients are passed on',
  'opentracing-trust-incoming-span': 'trace headers of clients are passed on',
  'proxy-buffer-size': 'the buffers are configured for the whole router',
  'proxy-buffering': 'responses are not buffered',
  'proxy-buffers-number': 'the buffers are configured for the whole router',
  'proxy-busy-buffers-size': 'the buffers are configured for the whole router',
  'proxy-http-version': 'the protocol follows from backend-protocol',
  'proxy-max-temp-file-size': 'responses are not buffered',
  'proxy-next-upstream-timeout': 'retries are configured for the whole router',
  'proxy-next-upstream-tries': 'retries are configured for the whole router',
  'proxy-request-buffering': 'requests are not buffered',
  'secure-backends': 'ingress-nginx does not read it either; write backend-protocol',
  'service-upstream': 'requests go to the endpoints of the Service',
  'ssl-ciphers': 'the ciphers are configured for the whole router',
  'ssl-prefer-server-ciphers': 'the ciphers are configured for the whole router',
};

/** Missing functions. Their absence changes responses, but admits no additional client. */
const missing: Readonly<Record<string, string>> = {
  'custom-headers': 'responses get no additional headers',
  'custom-http-errors': 'error answers of servers are passed on',
  'default-backend': 'a Service without endpoints answers 503',
  'disable-proxy-intercept-errors': 'error answers of servers are passed on',
  'proxy-cookie-domain': 'cookies of servers are passed on unchanged',
  'proxy-cookie-path': 'cookies of servers are passed on unchanged',
  'proxy-next-upstream': 'only failed connections are retried',
  'proxy-redirect-from': 'Location of servers is passed on unchanged',
  'proxy-redirect-to': 'Location of servers is passed on unchanged',
};

const getDefaults = lazily((): ReadAnnotations => readAll({}, ''));

/**
 * Reads the annotations of ingress-nginx.
 *
 * @param namespace of the Ingress
 */
export function readIngressAnnotations(written: Readonly<Record<string, string>>, namespace: string): ReadAnnotations {
  // Most Ingresses have none, or only those of other programs such as cert-manager.
  for (const key in written) if (key.startsWith(nginxPrefix) || isForeign(key)) return readAll(written, namespace);
  return getDefaults();
}

function readAll(written: Readonly<Record<string, string>>, namespace: string): ReadAnnotations {
  const annotations = new IngressAnnotations(written);
  const settings: IngressSettings = {
    ...readRedirects(annotations),
    ...readAccess(annotations, namespace),
    ...readTraffic(annotations),
    ...readMirror(annotations, namespace),
  };
  for (const [name, message] of Object.entries(tuning)) annotations.refuse(name, 'ignored', message);
  for (const [name, message] of Object.entries(missing)) {
    // `off` is nginx's word for the default.
    const isOff = annotations.text(name) === 'off';
    annotations.refuse(name, isOff ? 'works' : 'refused', isOff ? '' : message);
  }
  return { settings, findings: [...annotations.list(), ...judgeForeign(written)] };
}
