import { isLabels } from '../../base/read/object-meta.ts';
import type { IngressAnnotations } from './annotation-reader.ts';
import type { IngressSettings, RedirectLocation, RedirectStatus } from './settings.ts';

type Redirects = Pick<
  IngressSettings,
  | 'rewriteTarget'
  | 'usesRegex'
  | 'httpsRedirect'
  | 'redirect'
  | 'appRoot'
  | 'redirectsWww'
  | 'passthrough'
  | 'aliases'
  | 'upstreamHost'
  | 'forwardedPrefix'
>;

/** Characters of a path in a redirect or rewrite, including `$1` of rewrites. */
const pathPattern = /^\/[\x21\x24-\x3e\x40-\x7e]*$/;

/** Reads the annotations about redirects, rewrites and host names. */
export function readRedirects(annotations: IngressAnnotations): Redirects {
  const rewriteTarget = readRewrite(annotations);
  const redirect = readRedirect(annotations);
  const appRoot = readPath(annotations, 'app-root');
  const upstreamHost = readUpstreamHost(annotations);
  const forwardedPrefix = readForwardedPrefix(annotations);
  annotations.refuse('preserve-trailing-slash', 'works', '');
  annotations.refuse('relative-redirects', 'differs', 'redirects contain scheme and host');
  const plain = annotations.flag('ssl-redirect') ?? true;
  return {
    ...(rewriteTarget !== undefined && { rewriteTarget }),
    usesRegex: annotations.flag('use-regex') === true || rewriteTarget !== undefined,
    httpsRedirect: annotations.flag('force-ssl-redirect') === true ? 'always' : plain ? 'tls' : 'never',
    ...(redirect !== undefined && { redirect }),
    ...(appRoot !== undefined && { appRoot }),
    redirectsWww: annotations.flag('from-to-www-redirect') === true,
    passthrough: annotations.flag('ssl-passthrough') === true,
    aliases: readAliases(annotations),
    ...(upstreamHost !== undefined && { upstreamHost }),
    ...(forwardedPrefix !== undefined && { forwardedPrefix }),
  };
}

function readRewrite(annotations: IngressAnnotations): string | undefined {
  const text = annotations.text('rewrite-target');
  if (text === undefined || text === '') return undefined;
  const target = text.startsWith('/') ? text : `/${text}`;
  if (target.length <= 1024 && pathPattern.test(target)) return target;
  annotations.note('rewrite-target', 'closed', 'must be a path of at most 1024 characters without blanks');
  return target;
}

function readPath(annotations: IngressAnnotations, name: string): string | undefined {
  const text = annotations.text(name);
  if (text === undefined) return undefined;
  if (text.length <= 1024 && pathPattern.test(text)) return text;
  annotations.note(name, 'refused', 'must be a path that begins with "/"; it is ignored');
  return undefined;
}

const permanentCodes = [301, 302, 303, 307, 308] as const;

/** A temporal redirect takes precedence, as in ingress-nginx. */
function readRedirect(annotations: IngressAnnotations): IngressSettings['redirect'] {
  const read = (name: string, fallback: RedirectStatus): IngressSettings['redirect'] => {
    const text = annotations.text(name);
    const code = annotations.number(`${name}-code`, 300, 308);
    const status = permanentCodes.find((one) => one === code) ?? fallback;
    if (code !== undefined && status !== code) {
      annotations.note(`${name}-code`, 'refused', `must be 301, 302, 303, 307 or 308; ${fallback} is used`);
    }
    if (text === undefined) return undefined;
    const location = parseLocation(text);
    if (location !== undefined) return { location, status };
    annotations.note(name, 'closed', 'must be a URL such as https://www.example.com/path without nginx variables');
    return undefined;
  };
  const permanent = read('permanent-redirect', 301);
  return read('temporal-redirect', 302) ?? permanent;
}

/** Parses an absolute URL or a path. `$request_uri` at the end keeps the path of the request. */
export function parseLocation(text: string): RedirectLocation | undefined {
  if (text.length > 1024) return undefined;
  const [, scheme, host, port, path = ''] =
    /^(?:(https?):\/\/([A-Za-z0-9.-]+)(?::(\d{1,5}))?)?((?:\/[\x21\x23-\x7e]*|\$request_uri)?)$/.exec(text) ?? [];
  const isEmpty = scheme === undefined && path === '';
  if (isEmpty || (host !== undefined && !isLabels(host)) || Number(port ?? 1) > 65535 || Number(port ?? 1) < 1) {
    return undefined;
  }
  const isKept = path === '$request_uri';
  if (!isKept && path.includes('$')) return undefined;
  return {
    ...(scheme !== undefined && { scheme: scheme as 'http' | 'https' }),
    ...(host !== undefined && { host: host.toLowerCase() }),
    ...(port !== undefined && { port: Number(port) }),
    ...(!isKept && { path: path === '' ? '/' : path }),
  };
}

function readAliases(annotations: IngressAnnotations): readonly string[] {
  const text = annotations.text('server-alias');
  if (text === undefined) return [];
  const words = text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((word) => word !== '');
  const valid = words.filter((word) => isLabels(word.replace(/^\*\./, ''))).slice(0, 32);
  if (valid.length < words.length) {
    annotations.note(
      'server-alias',
      'refused',
      'must be at most 32 host names, not regular expressions; others are ignored',
    );
  }
  return valid;
}

function readUpstreamHost(annotations: IngressAnnotations): string | undefined {
  const text = annotations.text('upstream-vhost');
  if (text === undefined) return undefined;
  const [, host = ''] = /^([A-Za-z0-9._-]+)(?::\d{1,5})?$/.exec(text) ?? [];
  if (isLabels(host)) return text.toLowerCase();
  annotations.note('upstream-vhost', 'closed', 'must be a host name, without nginx variables');
  return undefined;
}

function readForwardedPrefix(annotations: IngressAnnotations): string | undefined {
  const text = annotations.text('x-forwarded-prefix');
  if (text === undefined) return undefined;
  if (text.length <= 1024 && /^\/[\x21\x23\x25-\x7e]*$/.test(text)) return text;
  annotations.note('x-forwarded-prefix', 'refused', 'must be a path without groups such as $1; it is ignored');
  return undefined;
}
