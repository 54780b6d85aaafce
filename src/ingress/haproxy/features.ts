import type { Backend, ForwardedMode, StickyCookie } from './model.ts';
import { listIdOf } from './networks.ts';
import { checkMapValue, checkToken, UnfitValue } from './quote.ts';

/**
 * What a backend does beyond passing requests on, as values of maps, so that it can change while HAProxy
 * runs. The answer of a host's map is a *route*: `SECTION|COOKIE|ATTRIBUTES`, and only where something
 * unusual is to be done `|!` and letters that say which rules look further. An ordinary request pays for none.
 * The route of a spare section has a fifth field, the number of its use ({@link Tenancy}), which the section
 * compares with `tenancies.map` before anything else.
 */

/** Maps by section; the letter of a route says that a rule should look into it. */
export const featureMaps = [
  'allow',
  'limits',
  'timeout-server',
  'timeout-tunnel',
  'rewrite-prefix',
  'rewrite-target',
  'hsts',
] as const;
export type FeatureMap = (typeof featureMaps)[number];

export const letters = {
  redirect: 'r',
  allowList: 'a',
  limits: 'l',
  timeoutServer: 't',
  timeoutTunnel: 'u',
  rewrite: 'w',
  rewriteOnly: 'o',
  rewriteRoot: 'z',
  hsts: 'h',
  noCookie: 'n',
  headers: 'x',
  forwarded: { append: 'A', replace: 'R', 'if-none': 'I', never: 'N' } satisfies Record<ForwardedMode, string>,
} as const;

/** Set-Cookie's attributes by their code in a route; the same in every configuration. */
export const cookieAttributes: ReadonlyMap<string, string> = new Map(
  (
    [
      [false, ''],
      [true, 'S'],
    ] as const
  ).flatMap(([secure, code]) =>
    (['', 'Lax', 'Strict', 'None'] as const).map((site): [string, string] => [
      `c${code}${site}`,
      `; HttpOnly${secure ? '; Secure' : ''}${site === '' ? '' : `; SameSite=${site}`}`,
    ]),
  ),
);

function attributesCode({ secure, sameSite }: StickyCookie): string {
  return `c${secure ? 'S' : ''}${sameSite ?? ''}`;
}

/** Of a client that came without the cookie of the server that answers: it gets it. */
export const withoutCookie = '!{ srv_name,strcmp(txn.server) eq 0 }';

/** What a client gets that has no cookie of a plain backend's server, as a format of HAProxy. */
export function cookieFormat(cookie: StickyCookie): string {
  return `${cookie.name}=%[srv_name]; path=/${cookieAttributes.get(attributesCode(cookie)) ?? ''}`;
}

/** The route of a backend in a section. Throws {@link UnfitValue}. */
export function makeRoute(
  backend: Backend,
  section: string,
  forwarded: ForwardedMode,
  { redirect = false, tenancy }: { readonly redirect?: boolean; readonly tenancy?: number | undefined } = {},
): string {
  const cookie = backend.mode === 'http' && !redirect ? backend.http?.cookie : undefined;
  const name = cookie === undefined ? '' : checkToken('cookie', cookie.name);
  if (name.includes('|')) throw new UnfitValue(`cookie ${JSON.stringify(name)}: holds "|"`);
  const attributes = cookie === undefined ? '' : attributesCode(cookie);
  const flags = flagsOf(backend, forwarded, redirect);
  const letters = flags === '' ? '' : `!${flags}`;
  if (tenancy !== undefined) return `${section}|${name}|${attributes}|${letters}|${tenancy}`;
  return `${section}|${name}|${attributes}${letters === '' ? '' : `|${letters}`}`;
}

/** Whether requests of a backend meet no rule that only some need; its sticky cookie's name stands for itself in a rule. */
export function isPlain(backend: Backend): boolean {
  if (backend.mode !== 'http' || backend.http?.forwarded !== undefined) return false;
  return /^[\w.-]+$/.test(backend.http?.cookie?.name ?? '') && flagsOf(backend, 'append', false) === '';
}

function flagsOf(backend: Backend, forwarded: ForwardedMode, redirect: boolean): string {
  // Who may not come is not redirected; a redirect has nothing else of its backend.
  if (redirect) return `${letters.redirect}${backend.allowList === undefined ? '' : letters.allowList}`;
  const http = backend.mode === 'http' ? (backend.http ?? {}) : {};
  const rewrite = http.rewrite;
  const flags = [
    backend.allowList !== undefined && letters.allowList,
    backend.limits !== undefined && letters.limits,
    backend.mode === 'http' && backend.timeoutServer !== undefined && letters.timeoutServer,
    backend.mode === 'http' && backend.timeoutTunnel !== undefined && letters.timeoutTunnel,
    rewrite !== undefined && letters.rewrite,
    rewrite?.dropRest === true && letters.rewriteOnly,
    rewrite?.target === '/' && letters.rewriteRoot,
    http.hsts !== undefined && letters.hsts,
    backend.mode === 'http' && http.cookie === undefined && letters.noCookie,
    (http.requestHeaders ?? []).length + (http.responseHeaders ?? []).length > 0 && letters.headers,
    http.forwarded !== undefined && http.forwarded !== forwarded && letters.forwarded[http.forwarded],
  ].filter((flag): flag is string => flag !== false);
  if (flags.length === 0) return '';
  // The rules for unusual requests look at the mode's letter alone.
  if (backend.mode === 'http' && (http.forwarded ?? forwarded) === forwarded) flags.push(letters.forwarded[forwarded]);
  return flags.join('');
}

/** What the maps hold for a backend in a section. Throws {@link UnfitValue}. */
export function featureEntries(backend: Backend, section: string): Map<FeatureMap, Map<string, string>> {
  const entries = new Map<FeatureMap, Map<string, string>>();
  const add = (map: FeatureMap, value: string | undefined): void => {
    if (value !== undefined) entries.set(map, new Map([[section, checkMapValue(map, value)]]));
  };
  add('allow', backend.allowList && listIdOf(backend.allowList));
  add('limits', backend.limits && limitsValue(backend));
  if (backend.mode === 'tcp') return entries;
  add('timeout-server', backend.timeoutServer?.toFixed(0));
  add('timeout-tunnel', backend.timeoutTunnel?.toFixed(0));
  const { rewrite, hsts } = backend.http ?? {};
  if (rewrite?.prefix !== '') add('rewrite-prefix', rewrite?.prefix);
  add('rewrite-target', rewrite?.target);
  add('hsts', hsts);
  return entries;
}

/** A limit that is never reached; used where none is set. */
const unlimited = 2_000_000_000;

function limitsValue(backend: Backend): string {
  const { concurrent, connectionRate, requestRate } = backend.limits ?? {};
  return [concurrent, connectionRate, backend.mode === 'http' ? requestRate : undefined]
    .map((limit) => Math.min(limit ?? unlimited, unlimited))
    .join('|');
}
