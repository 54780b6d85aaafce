import { createHash } from 'node:crypto';
import { type Endpoint, type EndpointFinder, listIdled, usedState } from '../backends/endpoints.ts';
import type { Backend, Balance, HttpBackend, Server } from '../haproxy/model.ts';
import type { RouteBackend } from '../route/backend.ts';
import type { HttpDemand, Termination } from '../route/http-demand.ts';
import type { Route } from '../route/route.ts';
import { rewriteOf } from './rewrite.ts';

/** Defaults for Routes without the annotation. */
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

/** Prefix of each termination's Routes in logs and statistics, as in OpenShift. */
const prefixes: Readonly<Record<Termination, string>> = {
  none: 'be_http',
  edge: 'be_edge_http',
  reencrypt: 'be_secure',
  passthrough: 'be_tcp',
};

/** Maximum weight of a server in HAProxy. */
const maxWeight = 256;

/** Returns the name of a Route's backend in logs and statistics: `be_edge_http:shop:cart`. */
function backendIdOf({ meta }: Route, termination: Termination): string {
  return `${prefixes[termination]}:${meta.namespace}:${meta.name}`;
}

/**
 * Builds the backend of a Route from its annotations and servers.
 *
 * @param authority name of the certificates that verify the servers of a re-encrypt Route
 */
export function makeBackend(
  route: Route,
  demand: HttpDemand,
  finder: EndpointFinder,
  defaults: HttpDefaults,
  authority: string | undefined,
): Backend {
  const { annotations, tls } = demand;
  const termination = tls?.termination ?? 'none';
  const isPassthrough = termination === 'passthrough';
  const { limits, serverTimeout, tunnelTimeout, serverConnections, allowed } = annotations;
  const timeoutTunnel = tunnelTimeout ?? (isPassthrough ? serverTimeout : undefined);
  const servers = makeServers(route, demand, finder, isPassthrough);
  const isLimited = limits.concurrentTcp !== undefined || limits.rateTcp !== undefined || limits.rateHttp !== undefined;
  return {
    id: backendIdOf(route, termination),
    owner: route.meta.uid,
    tenant: route.meta.namespace,
    mode: isPassthrough ? 'tcp' : 'http',
    balance: annotations.balance ?? defaultBalance(demand.backends, isPassthrough, defaults),
    servers,
    checkInterval: annotations.checkInterval ?? defaults.checkInterval,
    ...(serverConnections !== undefined && { serverMaxconn: serverConnections }),
    ...(serverTimeout !== undefined && !isPassthrough && { timeoutServer: serverTimeout }),
    ...(timeoutTunnel !== undefined && { timeoutTunnel }),
    ...(allowed !== undefined && { allowList: allowed }),
    ...(isLimited && {
      limits: {
        ...(limits.concurrentTcp !== undefined && { concurrent: limits.concurrentTcp }),
        ...(limits.rateTcp !== undefined && { connectionRate: limits.rateTcp }),
        ...(limits.rateHttp !== undefined && !isPassthrough && { requestRate: limits.rateHttp }),
      },
    }),
    ...(!isPassthrough && { http: makeHttp(route, demand, defaults, authority) }),
  };
}

function defaultBalance(
  backends: readonly RouteBackend[],
  isPassthrough: boolean,
  { balance, tcpBalance }: HttpDefaults,
): Balance {
  // Only round robin preserves the weights between Services.
  if (backends.filter(({ weight }) => weight > 0).length > 1) return 'roundrobin';
  return isPassthrough ? tcpBalance : balance;
}

function makeHttp(
  route: Route,
  { annotations, path, tls, headers }: HttpDemand,
  defaults: HttpDefaults,
  authority: string | undefined,
): HttpBackend {
  const { hasCookies, cookieName, sameSite, forwarded, rewriteTarget, hsts, adjustsCase } = annotations;
  const isSecure = tls !== undefined && tls.insecure !== 'Allow';
  return {
    ...(hasCookies && {
      cookie: {
        name: cookieName ?? defaults.cookieName ?? defaultCookieName(route),
        secure: isSecure,
        ...(isSecure && { sameSite }),
      },
    }),
    ...(forwarded !== undefined && { forwarded }),
    ...(rewriteTarget !== undefined && { rewrite: rewriteOf(path, rewriteTarget) }),
    ...(hsts !== undefined && tls !== undefined && { hsts }),
    ...(headers.request.length > 0 && { requestHeaders: headers.request.map(asAction) }),
    ...(headers.response.length > 0 && { responseHeaders: headers.response.map(asAction) }),
    ...(adjustsCase && { adjustCase: true }),
    ...(tls?.termination === 'reencrypt' && { tls: authority === undefined ? {} : { authority } }),
  };
}

function asAction({ name, value }: { readonly name: string; readonly value?: string }) {
  return value === undefined ? { action: 'delete' as const, name } : { action: 'set' as const, name, value };
}

/** Named as in OpenShift, so that clients keep their sessions when the router is replaced. */
function defaultCookieName({ meta }: Route): string {
  return createHash('md5').update(` ${meta.namespace}:${meta.name}`).digest('hex');
}

function makeServers(
  { meta }: Route,
  { backends, targetPort, tls }: HttpDemand,
  finder: EndpointFinder,
  isPassthrough: boolean,
): readonly Server[] {
  const choice = { protocol: 'tcp' as const, ...(targetPort !== undefined && { targetPort }) };
  const found = backends.map((backend) => {
    const there = finder.find(backend, meta.namespace, choice);
    const all = there.length > 0 ? there : listIdled(finder, backend, meta.namespace, choice);
    const used = usedState(all);
    return { backend, endpoints: all.filter(({ state }) => state === used) };
  });
  const active = found.filter(({ backend, endpoints }) => backend.weight > 0 && endpoints.length > 0);
  const checked = active.reduce((sum, { endpoints }) => sum + endpoints.length, 0) > 1;
  const largest = Math.max(0, ...active.map(({ backend, endpoints }) => backend.weight / endpoints.length));
  // A Route's own authority takes precedence; otherwise the service CA signs for the Service's name.
  const verifiesService = tls?.termination === 'reencrypt' && tls.destinationCaCertificate === undefined;
  const speaksPlainHttp = !isPassthrough && tls?.termination !== 'reencrypt';
  const servers = new Map<string, Server>();
  for (const { backend, endpoints } of found) {
    // HTTP keeps servers without a share, for clients whose cookie names them.
    if (backend.weight === 0 && isPassthrough) continue;
    const share = (backend.weight / endpoints.length / largest) * maxWeight;
    const scaled = active.length > 1 ? Math.max(1, Math.trunc(share)) : 1;
    const weight = backend.weight === 0 ? 0 : scaled;
    for (const endpoint of endpoints) {
      const id = serverIdOf(backend, endpoint);
      const { address, port, appProtocol } = endpoint;
      const verifyHost = verifiesService ? `${backend.service}.${meta.namespace}.svc` : undefined;
      servers.set(id, {
        id,
        address,
        port,
        weight,
        checked: checked && weight > 0 && endpoint.isIdled !== true,
        ...(speaksPlainHttp && isHttp2(appProtocol) && { h2c: true }),
        ...(verifyHost !== undefined && { verifyHost }),
      });
    }
  }
  return [...servers.values()];
}

function isHttp2(appProtocol: string | undefined): boolean {
  return appProtocol === 'h2c' || appProtocol === 'kubernetes.io/h2c';
}

/** Identical to the server names of OpenShift's router, because the value of a client's cookie is derived from it. */
function serverIdOf({ service }: RouteBackend, { target, portName, address, port }: Endpoint): string {
  const place = `${service}:${portName}:${address.text}:${port}`;
  return target?.startsWith('pod:') ? `${target}:${place}` : `ept:${place}`;
}
