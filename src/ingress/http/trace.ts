import { parentOf } from '../claims/host.ts';
import type { DesiredSites } from './desired.ts';
import type { RequestTrace } from './request-trace-document.ts';
import type { ServedRoute } from './served-route.ts';

/** A request to trace. */
export interface TracedRequest {
  /** As in the Host header. */
  readonly host: string;
  /** Begins with `/`. */
  readonly path: string;
  readonly tls: boolean;
}

/**
 * Returns the Route that answers a request, its endpoints, and why no other Route answers, by the same rules as
 * HAProxy's maps.
 */
export function traceRequest(
  desired: DesiredSites,
  request: TracedRequest,
  ports: RequestTrace['ports'],
): RequestTrace {
  const host = request.host.toLowerCase().replace(/:\d+$/, '').replace(/\.$/, '');
  const parent = parentOf(host);
  const ofHost = desired.served.filter((one) => !one.demand.isWildcard && one.host === host);
  const ofParent = desired.served.filter((one) => one.demand.isWildcard && parentOf(one.host) === parent);
  const all = [...ofHost, ...ofParent];
  const make = (outcome: RequestTrace['outcome'], explanation: string, route?: ServedRoute): RequestTrace => ({
    schema: 'ingress-agent.trace/v1',
    ...request,
    ports,
    outcome,
    explanation,
    ...(route !== undefined && { route: nameOf(route) }),
    endpoints: outcome === 'redirect' ? [] : listEndpoints(route),
    others: [
      ...all.filter((one) => one !== route).map((one) => ({ ...nameOf(one), why: explainOther(one, route, request) })),
      ...listUnserved(desired, host),
    ],
  });
  if (request.tls) {
    const passed = [...ofHost, ...(ofHost.some(endsTls) ? [] : ofParent)].find(
      ({ demand }) => demand.tls?.termination === 'passthrough',
    );
    if (passed !== undefined) return make('passthrough', 'the endpoint terminates TLS', passed);
    const found =
      findLongest(ofHost.filter(endsTls), request.path) ?? findLongest(ofParent.filter(endsTls), request.path);
    if (found === undefined) return make('error', 'no Route terminates TLS for this host and path: 503');
    return make('served', describeEndpoints(found), found);
  }
  // The longest path of all Routes decides about the redirect, then the longest path that is served without TLS.
  let isDecided = false;
  for (const routes of [ofHost, ofParent]) {
    const decider = findLongest(routes, request.path);
    if (!isDecided && decider?.demand.tls?.insecure === 'Redirect') {
      return make('redirect', `302 to https://${host}${request.path}`, decider);
    }
    isDecided ||= decider !== undefined;
    const found = findLongest(routes.filter(isPlain), request.path);
    if (found !== undefined) return make('served', describeEndpoints(found), found);
  }
  return make('error', 'no Route answers plain HTTP for this host and path: 503');
}

function endsTls({ demand }: ServedRoute): boolean {
  return demand.tls?.termination === 'edge' || demand.tls?.termination === 'reencrypt';
}

function isPlain({ demand }: ServedRoute): boolean {
  return demand.tls === undefined || demand.tls.insecure === 'Allow';
}

/** Returns the Route with the longest path that matches a request's path. */
function findLongest(routes: readonly ServedRoute[], path: string): ServedRoute | undefined {
  const fitting = routes.filter(({ demand }) => isBelow(path, demand.path));
  return fitting.toSorted((one, other) => other.demand.path.length - one.demand.path.length)[0];
}

function isBelow(path: string, prefix: string): boolean {
  if (/^\/*$/.test(prefix)) return true;
  if (prefix.endsWith('/')) return path.startsWith(prefix);
  return path === prefix || path.startsWith(`${prefix}/`);
}

function explainOther(route: ServedRoute, chosen: ServedRoute | undefined, { path, tls }: TracedRequest): string {
  const { demand } = route;
  if (!isBelow(path, demand.path)) return `its path ${demand.path} does not match`;
  if (tls && demand.tls === undefined) return 'it serves no TLS';
  if (!tls && !isPlain(route)) return `insecureEdgeTerminationPolicy is ${demand.tls?.insecure}`;
  if (chosen?.demand.isWildcard === false && demand.isWildcard) return 'a host takes precedence over a wildcard';
  return 'another Route has a longer path';
}

function listUnserved({ unfit, refused }: DesiredSites, host: string): RequestTrace['others'] {
  return [
    ...unfit.filter((one) => one.host === host).map((one) => ({ ...nameOf(one), why: one.refusal.message })),
    ...refused
      .filter((one) => one.host === host)
      .map(({ route, message }) => ({
        namespace: route.meta.namespace,
        name: route.meta.name,
        host,
        path: route.http.ok ? route.http.value.path : '',
        why: message,
      })),
  ];
}

function nameOf({ route, host, demand }: Pick<ServedRoute, 'route' | 'host' | 'demand'>) {
  return { namespace: route.meta.namespace, name: route.meta.name, host, path: demand.path };
}

function listEndpoints(route: ServedRoute | undefined): RequestTrace['endpoints'] {
  return (route?.backend.servers ?? []).map(({ id, address, port, weight }) => ({
    id,
    address: address.text,
    port,
    weight,
  }));
}

function describeEndpoints({ backend }: ServedRoute): string {
  const many = backend.servers.filter(({ weight }) => weight > 0).length;
  if (many === 0) return 'the Route has no endpoint: 503';
  return `one of ${many} ${many === 1 ? 'endpoint' : 'endpoints'} answers (${backend.balance})`;
}
