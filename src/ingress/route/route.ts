import type { Parsed, Problem } from '../../base/model/problem.ts';
import { isLabels, type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord, readShape } from '../../base/read/shape.ts';
import type { PortDemand, PortRequest } from '../intent/port-request.ts';
import { type HttpDemand, readHttpDemand } from './http-demand.ts';
import { asksForPort, readPortAnnotations, readRouterName } from './port-annotations.ts';
import { type RouteParts, readBackends, readTargetPort, readTermination, routeSpecSchema } from './spec.ts';

/** A Route (route.openshift.io/v1). */
export interface Route {
  readonly meta: ObjectMeta;
  /** `spec.host` in lower case, or as written if it is not a host name. */
  readonly host?: string;
  /** First labels of the host if the router completes it (`spec.subdomain`). */
  readonly subdomain?: string;
  /** Name of the Ingress from which OpenShift made the Route. */
  readonly ingress?: string;
  /** The router that the Route's annotation names. */
  readonly routerName?: string;
  /** Fields of the spec as written, for field selectors. */
  readonly fields?: Readonly<Partial<Record<'spec.host' | 'spec.path' | 'spec.to.name', string>>>;
  /** Its request for ports of the node, if any. */
  readonly ports?: PortRequest;
  /** What it requests for its host and path, or all problems of that. */
  readonly http: Parsed<HttpDemand>;
}

/** The annotation that the previous TCP router used to select its Routes. */
export const defaultRouterNameKey = 'haproxy.router.openshift.io/wzh-router-name';

/**
 * Parses a Route. Problems of its requests are part of the value, because the status reports them to its author.
 * Fails only if the Route cannot be identified.
 *
 * @param routerNameKey the annotation that names a Route's router
 * @param ignoresPorts whether requests for ports are ignored
 */
export function parseRoute(input: unknown, routerNameKey = defaultRouterNameKey, ignoresPorts = false): Parsed<Route> {
  const metadata = isRecord(input) && isRecord(input.metadata) ? input.metadata : {};
  const annotations = Object.hasOwn(metadata, 'annotations') ? metadata.annotations : undefined;
  const identity = new ProblemList();
  const meta = readMeta(input, identity);
  const named = identity.finish(() => meta as ObjectMeta);
  if (!named.ok) return named;
  const common = new ProblemList();
  const written = (input as Record<string, unknown>).spec;
  const spec = readShape(routeSpecSchema, written, 'spec', common) ?? {};
  const host = spec.host ? spec.host.toLowerCase() : undefined;
  const routerName = readRouterName(annotations, routerNameKey);
  const parts: RouteParts = {
    spec,
    httpHeaders: isRecord(written) ? written.httpHeaders : undefined,
    annotations,
    routerNameKey,
    backends: readBackends(spec, common),
    targetPort: readTargetPort(spec, common),
  };
  const ports =
    asksForPort(annotations) && !ignoresPorts ? readPorts(named.value, host, parts, common.list) : undefined;
  const problems = new ProblemList(common.list);
  const http = readHttpDemand(parts, problems);
  return {
    ok: true,
    value: {
      meta: named.value,
      ...(host !== undefined && { host }),
      ...(spec.subdomain && { subdomain: spec.subdomain.toLowerCase() }),
      ...readSource(metadata),
      ...(routerName !== undefined && { routerName }),
      fields: {
        ...(spec.host && { 'spec.host': spec.host }),
        ...(spec.path && { 'spec.path': spec.path }),
        ...(spec.to?.name !== undefined && { 'spec.to.name': spec.to.name }),
      },
      ...(ports !== undefined && { ports }),
      http: problems.finish(() => http),
    },
  };
}

/** OpenShift's ingress-to-route controller names the Ingress as the controlling owner. */
function readSource({ ownerReferences }: Record<string, unknown>): Pick<Route, 'ingress'> {
  const found = (Array.isArray(ownerReferences) ? ownerReferences : []).find(
    (one: unknown) => isRecord(one) && one.kind === 'Ingress' && one.controller === true,
  );
  return isRecord(found) && typeof found.name === 'string' ? { ingress: found.name } : {};
}

function readPorts(
  meta: ObjectMeta,
  host: string | undefined,
  { spec, annotations, routerNameKey, backends, targetPort }: RouteParts,
  faults: readonly Problem[],
): PortRequest {
  const problems = new ProblemList(faults);
  if (host !== undefined && !isLabels(host)) problems.add('spec.host', spec.host, 'must be a host name');
  const asked = readPortAnnotations(annotations, routerNameKey, problems);
  const termination = readTermination(spec, problems);
  const demand: PortDemand = {
    ...asked,
    backends,
    ...(targetPort !== undefined && { targetPort }),
    ...(termination !== undefined && { termination }),
  };
  return { meta, ...(host !== undefined && { host }), demand: problems.finish(() => demand) };
}
