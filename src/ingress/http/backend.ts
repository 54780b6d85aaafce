import { createHash } from 'node:crypto';
import { type Endpoint, type EndpointFinder, listIdled, serviceKeyOf, usedState } from '../backends/endpoints.ts';
import type {
  Backend,
  BackendRedirect,
  Balance,
  HttpBackend,
  Server,
  StickyCookie,
  VerifiedTls,
} from '../haproxy/model.ts';
import type { CookieDemand, ExchangeDemand, Group } from '../intent/group.ts';
import type { Filters, HeaderChange, Redirect } from '../intent/match.ts';
import type { ServiceShare, ShareTls } from '../intent/service-share.ts';
import type { SiteDemand, SiteOwner } from '../intent/site-request.ts';
import { isHttp2 } from '../objects/service.ts';
import { findMatch, type GroupMatch } from './equal-groups.ts';
import { rewriteOf } from './rewrite.ts';
import { type Termination, terminationOf } from './termination.ts';

/** Defaults for objects that do not set the value. */
export interface HttpDefaults {
  /** ROUTER_LOAD_BALANCE_ALGORITHM */
  readonly balance: Balance;
  /** ROUTER_TCP_BALANCE_SCHEME, for passthrough. */
  readonly tcpBalance: Balance;
  /** ROUTER_COOKIE_NAME */
  readonly cookieName?: string;
  /** Interval between checks of a server, in milliseconds. */
  readonly checkInterval: number;
}

/** Prefix of each termination in logs and statistics, as in OpenShift. */
const prefixes: Readonly<Record<Termination, string>> = {
  none: 'be_http',
  edge: 'be_edge_http',
  reencrypt: 'be_secure',
  passthrough: 'be_tcp',
};

/** Maximum weight of a server in HAProxy. */
const maxWeight = 256;

/** A group of a request, for which a backend is built. */
export interface GroupOfSite {
  readonly owner: SiteOwner;
  readonly demand: SiteDemand;
  readonly group: Group;
  /** Index in the demand. */
  readonly index: number;
  /** Whether the endpoint terminates the TLS of clients. Absent: as the demand requests. */
  readonly isPassthrough?: boolean;
}

/** Returns the name of a backend in logs and statistics: `be_edge_http:shop:cart`. */
function backendIdOf({ owner, demand, group, index, isPassthrough }: GroupOfSite): string {
  const termination = isPassthrough === true ? 'passthrough' : terminationOf(demand, group);
  return `${prefixes[termination]}:${owner.label}${index === 0 ? '' : `:${index}`}`;
}

/**
 * Builds the backend of a group.
 *
 * @param authority name of the certificates that verify servers with TLS
 */
export function makeBackend(
  site: GroupOfSite,
  finder: EndpointFinder,
  defaults: HttpDefaults,
  authority: string | undefined,
): Backend {
  const { owner, demand, group, index } = site;
  const isPassthrough = site.isPassthrough ?? demand.tls?.end === 'endpoint';
  const { serverTimeout, tunnelTimeout, serverConnections } = group;
  const { allowed, denied, limits, answers } = demand.access;
  const timeoutTunnel = tunnelTimeout ?? (isPassthrough ? serverTimeout : undefined);
  const isLimited = limits.concurrentTcp !== undefined || limits.rateTcp !== undefined || limits.rateHttp !== undefined;
  return {
    id: backendIdOf(site),
    owner: owner.meta.uid,
    tenant: owner.meta.namespace,
    services: listServices(group, owner.meta.namespace),
    ...(demand.groups.length === 1 && { isOnly: true }),
    mode: isPassthrough ? 'tcp' : 'http',
    balance: group.balance ?? defaultBalance(group.shares, isPassthrough, defaults),
    servers: demand.closed === undefined ? makeServers(site, finder, isPassthrough) : [],
    checkInterval: group.checkInterval ?? defaults.checkInterval,
    ...(serverConnections !== undefined && { serverMaxconn: serverConnections }),
    ...(serverTimeout !== undefined && !isPassthrough && { timeoutServer: serverTimeout }),
    ...(timeoutTunnel !== undefined && { timeoutTunnel }),
    ...(allowed !== undefined && { allowList: allowed }),
    ...(denied !== undefined && { denyList: denied }),
    ...(answers === true && !isPassthrough && { answersRejected: true }),
    ...(isLimited && {
      limits: {
        ...(limits.concurrentTcp !== undefined && { concurrent: limits.concurrentTcp }),
        ...(limits.rateTcp !== undefined && { connectionRate: limits.rateTcp }),
        ...(limits.rateHttp !== undefined && !isPassthrough && { requestRate: limits.rateHttp }),
      },
    }),
    ...(!isPassthrough && {
      http: {
        ...makeHttp(site, findMatch(demand, index), defaults, authority),
        ...makeSteering(site, finder),
        ...makeMirrors(site, findMatch(demand, index).filters, finder),
      },
    }),
  };
}

/** Names the ports of Services of a group, in any order and with any weights. */
function listServices({ shares }: Group, home: string): string {
  return [...new Set(shares.map((share) => `${serviceKeyOf(share, home)}:${share.servicePort ?? ''}`))]
    .sort()
    .join(' ');
}

function defaultBalance(
  shares: readonly ServiceShare[],
  isPassthrough: boolean,
  { balance, tcpBalance }: HttpDefaults,
): Balance {
  // Only round robin preserves the weights between Services.
  if (shares.length > 1 && shares.filter(({ weight }) => weight > 0).length > 1) return 'roundrobin';
  return isPassthrough ? tcpBalance : balance;
}

function makeHttp(
  { owner, demand: { tls, access, closed }, group }: GroupOfSite,
  { path, filters }: GroupMatch,
  defaults: HttpDefaults,
  authority: string | undefined,
): HttpBackend {
  const { forwarded, hsts, adjustsCase, requestHeaders = [], responseHeaders = [] } = filters ?? {};
  const { requestEdits, responseEdits, rewriteHost } = filters ?? {};
  const rewrite = makeRewrite(path, filters);
  const isSecure = tls !== undefined && tls.plain !== 'serve';
  const { forwardedPrefix, redirect, cors } = filters ?? {};
  const { cookie, exchange } = group;
  return {
    ...(cookie !== undefined && {
      cookie: makeCookie(cookie, cookie.name ?? defaults.cookieName ?? defaultCookieName(owner), isSecure),
    }),
    ...(forwardedPrefix !== undefined && { forwardedPrefix }),
    ...(redirect !== undefined && closed === undefined && { redirect: makeRedirect(redirect) }),
    ...(cors !== undefined && { cors }),
    ...(access.bodySize !== undefined && { bodySize: access.bodySize }),
    ...(access.login !== undefined &&
      closed === undefined && { login: { realm: access.login.realm, users: access.login.users } }),
    ...(forwarded !== undefined && { forwarded }),
    ...(rewrite !== undefined && { rewrite }),
    ...(rewriteHost !== undefined && { rewriteHost }),
    ...(requestEdits !== undefined && { requestEdits }),
    ...(responseEdits !== undefined && { responseEdits }),
    ...(hsts !== undefined && tls !== undefined && { hsts }),
    ...(requestHeaders.length > 0 && { requestHeaders: requestHeaders.map(asAction) }),
    ...(responseHeaders.length > 0 && { responseHeaders: responseHeaders.map(asAction) }),
    ...(adjustsCase === true && { adjustCase: true }),
    ...(exchange !== undefined && makeExchange(exchange)),
    ...(group.tls !== undefined && { tls: authority === undefined ? {} : { authority } }),
  };
}

function makeExchange({ whole, attempt, retry }: ExchangeDemand): Pick<HttpBackend, 'limit' | 'retry'> {
  const limit = { ...(whole !== undefined && { whole }), ...(attempt !== undefined && { attempt }) };
  return { ...((whole ?? attempt) !== undefined && { limit }), ...(retry !== undefined && { retry }) };
}

/** Returns the endpoints of mirrors that speak HTTP/1. */
function makeMirrors(
  { owner: { meta } }: GroupOfSite,
  { mirrors }: Partial<Filters> = {},
  finder: EndpointFinder,
): Pick<HttpBackend, 'mirrors'> {
  if (mirrors === undefined) return {};
  return {
    mirrors: mirrors.map(({ share, ...rest }) => {
      const all = finder.find(share, meta.namespace, { protocol: 'tcp' });
      const used = usedState(all);
      const servers = all.filter(({ state, appProtocol }) => state === used && !isHttp2(appProtocol));
      return { servers: servers.map(({ address, port }) => ({ address, port })), ...rest };
    }),
  };
}

function makeCookie({ sameSite, attributes }: CookieDemand, name: string, isSecure: boolean): StickyCookie {
  if (attributes === undefined) return { name, secure: isSecure, ...(isSecure && { sameSite }) };
  const { path, domain, maxAge, isSecure: asked, sameSite: written } = attributes;
  return {
    name,
    secure: asked === true || isSecure,
    ...(asked === undefined && !isSecure && { secureOverTls: true }),
    ...(written !== undefined && { sameSite: written }),
    ...(path !== '/' && { path }),
    ...(domain !== undefined && { domain }),
    ...(maxAge !== undefined && { maxAge }),
  };
}

function makeRedirect({ status, scheme, host, port, path }: Redirect): BackendRedirect {
  const isUsual = port === undefined || port === (scheme === 'http' ? 80 : 443);
  return {
    status,
    ...(scheme !== undefined && { scheme }),
    ...(host !== undefined && { host: isUsual ? host : `${host}:${port}` }),
    ...(path !== undefined && { path: path.value }),
  };
}

function makeRewrite(path: string, { rewriteTarget, rewritePath }: Partial<Filters> = {}): HttpBackend['rewrite'] {
  if (rewriteTarget !== undefined) return rewriteOf(path, rewriteTarget);
  if (rewritePath === undefined) return undefined;
  const { type, value } = rewritePath;
  if (type === 'full') return { prefix: '', target: value === '' ? '/' : value, dropRest: true };
  return { prefix: path.replace(/\/+$/, ''), target: value.replace(/\/+$/, '') || '/' };
}

function asAction({ name, value }: HeaderChange) {
  return value === undefined ? { action: 'delete' as const, name } : { action: 'set' as const, name, value };
}

/** Named as in OpenShift, so that clients keep their sessions when the router is replaced. */
function defaultCookieName({ label }: SiteOwner): string {
  return createHash('md5').update(` ${label}`).digest('hex');
}

function makeServers(
  { owner: { meta }, group: { shares, targetPort, tls, isH2c } }: GroupOfSite,
  finder: EndpointFinder,
  isPassthrough: boolean,
): readonly Server[] {
  const choice = { protocol: 'tcp' as const, ...(targetPort !== undefined && { targetPort }) };
  const found = shares.map((share) => {
    const there = finder.find(share, meta.namespace, choice);
    const all = there.length > 0 ? there : listIdled(finder, share, meta.namespace, choice);
    const used = usedState(all);
    return { share, endpoints: all.filter(({ state }) => state === used) };
  });
  const active = found.filter(({ share, endpoints }) => share.weight > 0 && endpoints.length > 0);
  const checked = active.reduce((sum, { endpoints }) => sum + endpoints.length, 0) > 1;
  const largest = Math.max(0, ...active.map(({ share, endpoints }) => share.weight / endpoints.length));
  // The object's own authority takes precedence; otherwise the service CA signs for the Service's name.
  const verifiesService = tls !== undefined && tls.authorities === undefined && tls.isUnverified !== true;
  const speaksHttp = !isPassthrough && tls === undefined;
  const servers = new Map<string, Server>();
  for (const { share, endpoints } of found) {
    // HTTP keeps servers without a share, for clients whose cookie names them.
    if (share.weight === 0 && isPassthrough) continue;
    const part = (share.weight / endpoints.length / largest) * maxWeight;
    const scaled = active.length > 1 ? Math.max(1, Math.trunc(part)) : 1;
    const weight = share.weight === 0 ? 0 : scaled;
    for (const endpoint of endpoints) {
      const id = serverIdOf(share, endpoint);
      const { address, port, appProtocol } = endpoint;
      const ownTls = share.tls === undefined ? {} : { tls: makeTls(share.tls) };
      const verifyHost = verifiesService ? `${share.service}.${meta.namespace}.svc` : undefined;
      servers.set(id, {
        id,
        address,
        port,
        weight,
        checked: checked && weight > 0 && endpoint.isIdled !== true,
        ...ownTls,
        ...(speaksHttp && share.tls === undefined && (isH2c === true || isHttp2(appProtocol)) && { h2c: true }),
        ...(verifyHost !== undefined && { verifyHost }),
      });
    }
  }
  return [...servers.values()];
}

function makeTls({ name, authority, certificate }: ShareTls): VerifiedTls {
  return {
    name,
    authority: authority.name,
    ...(certificate !== undefined && { certificate: certificate.name }),
  };
}

/** Returns the certificates that the shares of a demand name, by name. */
export function listShareCertificates({ groups }: SiteDemand): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { tls } of groups.flatMap(({ shares }) => shares)) {
    for (const one of [tls?.authority, tls?.certificate]) if (one !== undefined) found.set(one.name, one.pem);
  }
  return found;
}

/** Returns the servers of the share to which a client can assign requests, and the others. */
function makeSteering({ owner, group }: GroupOfSite, finder: EndpointFinder): Pick<HttpBackend, 'steering'> {
  const { steering, shares, targetPort } = group;
  if (steering === undefined) return {};
  const choice = { protocol: 'tcp' as const, ...(targetPort !== undefined && { targetPort }) };
  const idsOf = (share: ServiceShare): readonly string[] => {
    const all = finder.find(share, owner.meta.namespace, choice);
    const used = usedState(all);
    return all.filter(({ state }) => state === used).map((endpoint) => serverIdOf(share, endpoint));
  };
  const { share, header, cookie } = steering;
  const chosen = shares.flatMap((one, index) => (index === share ? idsOf(one) : []));
  const others = shares.flatMap((one, index) => (index === share ? [] : idsOf(one)));
  return {
    steering: { ...(header !== undefined && { header }), ...(cookie !== undefined && { cookie }), chosen, others },
  };
}

/** Identical to the server names of OpenShift's router, because the value of a client's cookie is derived from it. */
function serverIdOf({ service }: ServiceShare, { target, portName, address, port }: Endpoint): string {
  const place = `${service}:${portName}:${address.text}:${port}`;
  return target?.startsWith('pod:') ? `${target}:${place}` : `ept:${place}`;
}
