import type { CookieDemand, Group } from '../intent/group.ts';
import type { Filters, HeaderChange, PathRewrite, Redirect } from '../intent/match.ts';
import type { ServiceShare } from '../intent/service-share.ts';
import type { IngressBackend } from './ingress.ts';
import type { Canary } from './peers.ts';
import type { IngressSettings, RedirectLocation, RedirectStatus } from './settings.ts';

/** Inputs of the filters of a path. */
interface FilterParts {
  readonly redirect?: RedirectLocation & { readonly status: RedirectStatus };
  readonly rewrite?: PathRewrite;
  readonly settings?: IngressSettings;
}

/** Returns the filters of a path. */
export function makeFilters({ redirect, rewrite, settings }: FilterParts): Filters {
  const { forwardedPrefix, upstreamHost, cors, mirror, clients } = settings ?? {};
  return {
    requestHeaders: clients === 'off' ? unverified : [],
    responseHeaders: [],
    ...(forwardedPrefix !== undefined && { forwardedPrefix }),
    ...(redirect !== undefined && { redirect: makeRedirect(redirect) }),
    ...(cors !== undefined && { cors }),
    ...(mirror !== undefined && { mirrors: [mirror] }),
    ...(upstreamHost !== undefined && { rewriteHost: upstreamHost }),
    ...(rewrite !== undefined && { rewritePath: rewrite }),
    adjustsCase: false,
  };
}

/** Without verification, clients must not claim a result of it. Servers that follow CGI treat "_" as "-". */
const unverified: readonly HeaderChange[] = [
  ...['verify', 'subject-dn', 'issuer-dn', 'cert'].flatMap((name) => spell(`ssl-client-${name}`)),
  { name: 'ssl-client-verify', value: 'NONE' },
];

/** Returns removals of a header with each mixture of "-" and "_". */
function spell(name: string): readonly HeaderChange[] {
  const [first = '', ...rest] = name.split('-');
  const spellings = rest.reduce<readonly string[]>(
    (all, word) => all.flatMap((one) => [`${one}-${word}`, `${one}_${word}`]),
    [first],
  );
  return spellings.map((spelling) => ({ name: spelling }));
}

function makeRedirect({ path, ...rest }: NonNullable<FilterParts['redirect']>): Redirect {
  return { ...rest, ...(path !== undefined && { path: { type: 'full', value: path } }) };
}

/** Returns the group of a path. A backend that is not a Service has no servers. */
export function makeGroup(backend: IngressBackend, settings: IngressSettings, canary: Canary | undefined): Group {
  const { balance, serverTimeout, protocol } = settings;
  const cookie = makeCookie(settings);
  return {
    shares: makeShares(backend, canary),
    ...(balance !== undefined && { balance }),
    ...(cookie !== undefined && { cookie }),
    ...(serverTimeout !== undefined && { serverTimeout }),
    ...((protocol === 'https' || protocol === 'grpcs') && { tls: { isUnverified: true as const } }),
    ...(protocol === 'grpc' && { isH2c: true }),
    ...makeSteering(canary),
  };
}

/** The canary is the second share. */
function makeSteering(canary: Canary | undefined): Pick<Group, 'steering'> {
  const { header, cookie } = canary?.settings ?? {};
  if (header === undefined && cookie === undefined) return {};
  return {
    steering: { share: 1, ...(header !== undefined && { header }), ...(cookie !== undefined && { cookie }) },
  };
}

/** Maximum weight of a share. */
const maxWeight = 256;

function makeShares(backend: IngressBackend, canary: Canary | undefined): readonly ServiceShare[] {
  const isSteered = canary?.settings.header !== undefined || canary?.settings.cookie !== undefined;
  const weight = canary === undefined ? 0 : canary.settings.weight;
  const total = canary === undefined ? 1 : canary.settings.total;
  const scale = Math.min(1, maxWeight / total);
  const part = weight === 0 ? 0 : Math.max(1, Math.round(weight * scale));
  const rest = weight >= total ? 0 : Math.max(1, Math.round((total - weight) * scale));
  const main = makeShare(backend, rest);
  // A server of weight 0 only gets requests whose header or cookie selects it.
  const other = canary === undefined || (part === 0 && !isSteered) ? [] : makeShare(canary.backend, part);
  return [...main, ...other];
}

function makeShare(backend: IngressBackend, weight: number): readonly ServiceShare[] {
  return backend.kind === 'service' ? [{ service: backend.service, servicePort: backend.port, weight }] : [];
}

function makeCookie({ cookie }: IngressSettings): CookieDemand | undefined {
  if (cookie === undefined) return undefined;
  const { name, path = '/', domain, maxAge, secure, sameSite } = cookie;
  return {
    name,
    sameSite: sameSite ?? 'None',
    attributes: {
      path,
      ...(domain !== undefined && { domain }),
      ...(maxAge !== undefined && { maxAge }),
      ...(secure !== undefined && { isSecure: secure }),
      ...(sameSite !== undefined && { sameSite }),
    },
  };
}
