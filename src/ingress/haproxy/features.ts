import { editEntries } from './header-edits.ts';
import type { Backend, ForwardedMode, StickyCookie } from './model.ts';
import { listIdOf } from './networks.ts';
import { checkHost, checkMapValue, checkToken, UnfitValue } from './quote.ts';

/**
 * The features of a backend as map values, so that they can change at run time. The value of a host's entry is a
 * *route*: `SECTION|COOKIE|ATTRIBUTES`, and for unusual features `|!` and letters that select further rules. Ordinary
 * requests evaluate none of these rules. The route of a spare section has a fifth field, the number of its use
 * ({@link Tenancy}), which the section first compares with `tenancies.map`.
 */

/** Maps by section. A letter in a route selects the rule that looks up the map. */
export const featureMaps = [
  'allow',
  'limits',
  'timeout-server',
  'timeout-tunnel',
  'rewrite-prefix',
  'rewrite-target',
  'hsts',
  'rewrite-host',
  'request-edits',
  'response-edits',
  'edit-values',
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
  rewriteHost: 'v',
  requestEdits: 'q',
  responseEdits: 'p',
  forwarded: { append: 'A', replace: 'R', 'if-none': 'I', never: 'N' } satisfies Record<ForwardedMode, string>,
} as const;

/** Attributes of Set-Cookie by their code in a route. Identical in every configuration. */
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

/** Matches a client with the cookie of the answering server. */
export const withCookie = '{ srv_name,strcmp(txn.server) eq 0 }';

/** Matches a client without it; the response sets it. */
export const withoutCookie = `!${withCookie}`;

/** Returns the Set-Cookie value for a plain backend, in HAProxy's log format. */
export function cookieFormat(cookie: StickyCookie): string {
  return `${cookie.name}=%[srv_name]; path=/${cookieAttributes.get(attributesCode(cookie)) ?? ''}`;
}

/** Returns the route of a backend in a section. Throws {@link UnfitValue}. */
export function makeRoute(
  backend: Backend,
  section: string,
  forwarded: ForwardedMode,
  { redirect = false, tenancy }: { readonly redirect?: boolean; readonly tenancy?: number | undefined } = {},
): string {
  const cookie = backend.mode === 'http' && !redirect ? backend.http?.cookie : undefined;
  const name = cookie === undefined ? '' : checkToken('cookie', cookie.name);
  if (name.includes('|')) throw new UnfitValue(`cookie ${JSON.stringify(name)}: contains "|"`);
  const attributes = cookie === undefined ? '' : attributesCode(cookie);
  const flags = flagsOf(backend, forwarded, redirect);
  const letters = flags === '' ? '' : `!${flags}`;
  if (tenancy !== undefined) return `${section}|${name}|${attributes}|${letters}|${tenancy}`;
  return `${section}|${name}|${attributes}${letters === '' ? '' : `|${letters}`}`;
}

/** Returns whether a backend needs none of the optional rules. The name of its sticky cookie is part of its section. */
export function isPlain(backend: Backend): boolean {
  if (backend.mode !== 'http' || backend.http?.forwarded !== undefined) return false;
  return /^[\w.-]+$/.test(backend.http?.cookie?.name ?? '') && flagsOf(backend, 'append', false) === '';
}

/** Returns whether a backend needs none of the optional rules, and has no sticky cookie either. */
export function isBare(backend: Backend): boolean {
  if (backend.mode !== 'http' || backend.http?.forwarded !== undefined || backend.http?.cookie !== undefined)
    return false;
  const flags = flagsOf(backend, 'append', false);
  return flags === `${letters.noCookie}${letters.forwarded.append}`;
}

function flagsOf(backend: Backend, forwarded: ForwardedMode, redirect: boolean): string {
  // A rejected client is not redirected; a redirect uses no other feature of its backend.
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
    http.rewriteHost !== undefined && letters.rewriteHost,
    http.requestEdits !== undefined && letters.requestEdits,
    http.responseEdits !== undefined && letters.responseEdits,
    http.forwarded !== undefined && http.forwarded !== forwarded && letters.forwarded[http.forwarded],
  ].filter((flag): flag is string => flag !== false);
  if (flags.length === 0) return '';
  // The rules for unusual requests check only the letter of the mode.
  if (backend.mode === 'http' && (http.forwarded ?? forwarded) === forwarded) flags.push(letters.forwarded[forwarded]);
  return flags.join('');
}

/** Returns the map entries of a backend in a section. Throws {@link UnfitValue}. */
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
  const { rewrite, hsts, rewriteHost, requestEdits, responseEdits } = backend.http ?? {};
  if (rewrite?.prefix !== '') add('rewrite-prefix', rewrite?.prefix);
  add('rewrite-target', rewrite?.target);
  add('hsts', hsts);
  add('rewrite-host', rewriteHost && checkHost(rewriteHost));
  const request = editEntries(section, requestEdits, 'request');
  const response = editEntries(section, responseEdits, 'response');
  add('request-edits', request.list);
  add('response-edits', response.list);
  const values = new Map([...request.values, ...response.values]);
  if (values.size > 0) entries.set('edit-values', values);
  return entries;
}

/** A limit that is never reached, used if none is configured. */
const unlimited = 2_000_000_000;

function limitsValue(backend: Backend): string {
  const { concurrent, connectionRate, requestRate } = backend.limits ?? {};
  return [concurrent, connectionRate, backend.mode === 'http' ? requestRate : undefined]
    .map((limit) => Math.min(limit ?? unlimited, unlimited))
    .join('|');
}
