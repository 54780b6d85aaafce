import { limitsOf } from './exchange.ts';
import { editEntries } from './header-edits.ts';
import { letters } from './letters.ts';
import { mirrorsValue } from './mirrors.ts';
import type {
  Backend,
  BackendRedirect,
  Cors,
  ForwardedMode,
  PathGuard,
  ServerSteering,
  StickyCookie,
} from './model.ts';
import { listIdOf } from './networks.ts';
import { noRules } from './paths.ts';
import { checkAuthority, checkHost, checkMapValue, checkToken, UnfitValue } from './quote.ts';
import { serverName } from './server-name.ts';
import { loginValue } from './users.ts';

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
  'deny',
  'guard',
  'login',
  'body-size',
  'forwarded-prefix',
  'redirect-base',
  'redirect-path',
  'cors',
  'cors-origins',
  'cors-wildcards',
  'mirrors',
  'deadline',
  'steering',
  'steered',
  'rewrite-host',
  'request-edits',
  'response-edits',
  'edit-values',
] as const;
export type FeatureMap = (typeof featureMaps)[number];

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

/** Returns whether a cookie has attributes that no code stands for. Its section is then the code. */
function hasOwnAttributes({ path, domain, maxAge }: StickyCookie): boolean {
  return path !== undefined || domain !== undefined || maxAge !== undefined;
}

/** Returns the attributes of a backend's cookie in `cookie-attributes.map`, behind `path=/`, if no code stands for them. */
export function ownAttributes({ http }: Backend): string | undefined {
  const cookie = http?.cookie;
  if (cookie === undefined || !hasOwnAttributes(cookie)) return undefined;
  const { path = '/', domain, maxAge } = cookie;
  const age = maxAge === undefined ? '' : `; Max-Age=${maxAge}`;
  const rest = cookieAttributes.get(attributesCode(cookie)) ?? '';
  return checkMapValue('cookie', `${path.slice(1)}${domain === undefined ? '' : `; Domain=${domain}`}${age}${rest}`);
}

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
  {
    redirect = false,
    tenancy,
  }: { readonly redirect?: boolean | 308 | undefined; readonly tenancy?: number | undefined } = {},
): string {
  const cookie = backend.mode === 'http' && redirect === false ? backend.http?.cookie : undefined;
  const name = cookie === undefined ? '' : checkToken('cookie', cookie.name);
  if (name.includes('|')) throw new UnfitValue(`cookie ${JSON.stringify(name)}: contains "|"`);
  const attributes = cookie === undefined ? '' : hasOwnAttributes(cookie) ? section : attributesCode(cookie);
  const flags = flagsOf(backend, forwarded, redirect);
  const letters = flags === '' ? '' : `!${flags}`;
  if (tenancy !== undefined) return `${section}|${name}|${attributes}|${letters}|${tenancy}`;
  return `${section}|${name}|${attributes}${letters === '' ? '' : `|${letters}`}`;
}

/** Returns whether a backend needs none of the optional rules. The name of its sticky cookie is part of its section. */
export function isPlain(backend: Backend): boolean {
  if (backend.mode !== 'http' || backend.http?.forwarded !== undefined) return false;
  if (ownAttributes(backend) !== undefined) return false;
  return /^[\w.-]+$/.test(backend.http?.cookie?.name ?? '') && flagsOf(backend, 'append', false) === '';
}

/** Returns whether a backend needs none of the optional rules, and has no sticky cookie either. */
export function isBare(backend: Backend): boolean {
  if (backend.mode !== 'http' || backend.http?.forwarded !== undefined || backend.http?.cookie !== undefined)
    return false;
  const flags = flagsOf(backend, 'append', false);
  return flags === `${letters.noCookie}${letters.forwarded.append}`;
}

function flagsOf(backend: Backend, forwarded: ForwardedMode, redirect: boolean | 308): string {
  const access = [
    backend.allowList !== undefined && letters.allowList,
    backend.denyList !== undefined && letters.denyList,
    backend.answersRejected === true &&
      (backend.allowList ?? backend.denyList ?? backend.limits) !== undefined &&
      letters.answers,
  ];
  // A rejected client is not redirected; a redirect uses no other feature of its backend.
  if (redirect !== false) {
    const permanent = redirect === 308 ? letters.permanent : '';
    return `${letters.redirect}${permanent}${access.filter((flag) => flag !== false).join('')}`;
  }
  const http = backend.mode === 'http' ? (backend.http ?? {}) : {};
  const rewrite = http.rewrite;
  const flags = [
    ...access,
    backend.limits !== undefined && letters.limits,
    backend.mode === 'http' && silenceOf(backend) !== undefined && letters.timeoutServer,
    backend.mode === 'http' && backend.timeoutTunnel !== undefined && letters.timeoutTunnel,
    rewrite !== undefined && letters.rewrite,
    rewrite?.dropRest === true && letters.rewriteOnly,
    rewrite?.target === '/' && letters.rewriteRoot,
    http.guard !== undefined && letters.guard,
    http.login !== undefined && letters.login,
    http.cookie?.secureOverTls === true && letters.secureOverTls,
    http.hsts !== undefined && letters.hsts,
    http.bodySize !== undefined && letters.bodySize,
    http.forwardedPrefix !== undefined && letters.forwardedPrefix,
    http.cors !== undefined && letters.cors,
    http.cors?.byFetch === true && letters.corsByFetch,
    http.mirrors !== undefined && letters.mirrors,
    limitsOf(http) !== undefined && letters.deadline,
    http.steering !== undefined && letters.steering,
    http.redirect !== undefined && `${letters.answerRedirect}${letters.redirectStatus[http.redirect.status]}`,
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

/** Returns how long a server may be silent. */
function silenceOf({ timeoutServer, http = {} }: Backend): number | undefined {
  const silence = limitsOf(http)?.silence;
  if (timeoutServer === undefined || silence === undefined) return timeoutServer ?? silence;
  return Math.min(timeoutServer, silence);
}

/** Returns the map entries of a backend in a section. Throws {@link UnfitValue}. */
export function featureEntries(backend: Backend, section: string): Map<FeatureMap, Map<string, string>> {
  const entries = new Map<FeatureMap, Map<string, string>>();
  const add = (map: FeatureMap, value: string | undefined): void => {
    if (value !== undefined) entries.set(map, new Map([[section, checkMapValue(map, value)]]));
  };
  add('allow', backend.allowList && listIdOf(backend.allowList));
  add('limits', backend.limits && limitsValue(backend));
  add('deny', backend.denyList && listIdOf(backend.denyList));
  if (backend.mode === 'tcp') return entries;
  add('timeout-server', silenceOf(backend)?.toFixed(0));
  add('deadline', limitsOf(backend.http ?? {})?.whole.toFixed(0));
  add('timeout-tunnel', backend.timeoutTunnel?.toFixed(0));
  const { rewrite, hsts, rewriteHost, requestEdits, responseEdits } = backend.http ?? {};
  if (rewrite?.prefix !== '') add('rewrite-prefix', rewrite?.prefix);
  add('rewrite-target', rewrite?.target);
  add('hsts', hsts);
  const { bodySize, forwardedPrefix, redirect, cors, steering, mirrors, guard, login } = backend.http ?? {};
  add('mirrors', mirrors && mirrorsValue(mirrors, backend.tenant));
  add('guard', guard && guardValue(guard));
  add('login', login && loginValue(login, backend.tenant));
  if (steering !== undefined) {
    add('steering', steeringValue(steering));
    entries.set('steered', steeredEntries(steering, section));
  }
  add('body-size', bodySize?.toFixed(0));
  add('forwarded-prefix', forwardedPrefix);
  add('redirect-base', redirect && redirectBase(redirect));
  add('redirect-path', redirect?.path);
  if (cors !== undefined) {
    add('cors', corsValue(cors));
    const { origins, wildcards } = sortOrigins(cors);
    if (origins.length > 0)
      entries.set('cors-origins', new Map(origins.map((origin) => [`${section}|${origin}`, origin])));
    add('cors-wildcards', wildcards);
  }
  add('rewrite-host', rewriteHost && checkAuthority(rewriteHost));
  const request = editEntries(section, requestEdits, 'request');
  const response = editEntries(section, responseEdits, 'response');
  add('request-edits', request.list);
  add('response-edits', response.list);
  const values = new Map([...request.values, ...response.values]);
  if (values.size > 0) entries.set('edit-values', values);
  return entries;
}

/** Returns whether case counts, the rules and the host. */
function guardValue({ host, isCaseless, rules = noRules }: PathGuard): string {
  if (host !== '*') checkHost(host);
  if (!/^[\w-]+$/.test(rules)) throw new UnfitValue(`access rules ${JSON.stringify(rules)}: not a name`);
  return `${isCaseless ? 'i' : 'c'}|${rules}|${host}`;
}

/** Returns scheme and host of a redirect. One that begins with `://` gets the scheme of the request. */
function redirectBase({ scheme, host }: BackendRedirect): string | undefined {
  return host === undefined ? scheme && `${scheme}:` : `${scheme ?? ''}://${host}`;
}

/** Maximum length of the wildcards of one list of origins: they are compared as one text. */
const longestWildcards = 8192;

/** Returns origins that are keys, and wildcards of any number of labels as `,ORIGIN,ORIGIN,`. */
function sortOrigins({ origins, byFetch }: Cors): {
  readonly origins: readonly string[];
  readonly wildcards?: string;
} {
  const all = origins.map((origin) => checkOrigin(origin).toLowerCase());
  const wild = byFetch === true ? all.filter((origin) => origin !== '*' && origin.includes('*')) : [];
  if (wild.length === 0) return { origins: all };
  const wildcards = `,${wild.join(',')},`;
  if (wildcards.length > longestWildcards)
    throw new UnfitValue(`origins with wildcards of ${wildcards.length} characters: longer than ${longestWildcards}`);
  return { origins: all.filter((origin) => !wild.includes(origin)), wildcards };
}

/** Returns the headers of cross-origin responses: methods, headers, age, credentials, exposed headers. */
function corsValue({ methods, headers, exposed = '', credentials, maxAge }: Cors): string {
  const parts = [methods, headers, maxAge.toFixed(0), credentials ? 'true' : '', exposed];
  const bad = parts.find((part) => part.includes('|'));
  if (bad !== undefined) throw new UnfitValue(`cors ${JSON.stringify(bad)}: contains "|"`);
  return parts.join('|');
}

/** Returns the conditions for servers: header, its value, cookie, and the numbers of servers. */
function steeringValue({ header, cookie, chosen, others }: ServerSteering): string {
  const parts = [
    header === undefined ? '' : checkToken('header', header.name).toLowerCase(),
    header?.value ?? 'always',
    cookie === undefined ? '' : checkToken('cookie', cookie),
  ];
  const bad = parts.find((part) => part.includes('|'));
  if (bad !== undefined) throw new UnfitValue(`header or cookie ${JSON.stringify(bad)}: contains "|"`);
  // A value is never empty, because the map's value must not begin with a blank.
  return `|${parts.join('|')}|${chosen.length}|${others.length}`;
}

function steeredEntries({ chosen, others }: ServerSteering, section: string): Map<string, string> {
  const entries = new Map<string, string>();
  for (const [index, id] of chosen.entries()) entries.set(`${section}|c${index}`, serverName(id));
  for (const [index, id] of others.entries()) entries.set(`${section}|o${index}`, serverName(id));
  return entries;
}

/** Returns an origin as part of a map key. */
function checkOrigin(origin: string): string {
  if (/^(?:\*|https?:\/\/(?:\*|(?:\*\.)?[A-Za-z0-9_.-]+)(?::\d{1,5})?)$/.test(origin)) return origin;
  throw new UnfitValue(`origin ${JSON.stringify(origin)}: must be "*", or scheme and host`);
}

/** A limit that is never reached, used if none is configured. */
const unlimited = 2_000_000_000;

function limitsValue(backend: Backend): string {
  const { concurrent, connectionRate, requestRate } = backend.limits ?? {};
  return [concurrent, connectionRate, backend.mode === 'http' ? requestRate : undefined]
    .map((limit) => Math.min(limit ?? unlimited, unlimited))
    .join('|');
}
