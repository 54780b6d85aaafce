import type { Parsed, Problem } from '../../base/model/problem.ts';
import { isHostName, type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord, readShape } from '../../base/read/shape.ts';
import type { PortDemand, PortRequest } from '../intent/port-request.ts';
import { type HttpDemand, readHttpDemand } from './http-demand.ts';
import { asksForPort, readPortAnnotations, readRouterName } from './port-annotations.ts';
import { type RouteParts, readBackends, readTargetPort, routeSpecSchema, type WrittenRouteSpec } from './spec.ts';

/** A Route (route.openshift.io/v1). */
export interface Route {
  readonly meta: ObjectMeta;
  /** `spec.host`, in lower case; one that is no host name is as it was written. */
  readonly host?: string;
  /** First labels of the host, where the host is left to the router (`spec.subdomain`). */
  readonly subdomain?: string;
  /** The router that the Route is for, as its annotation says. */
  readonly routerName?: string;
  /** Fields of the spec as they are written, for field selectors. */
  readonly fields?: Readonly<Partial<Record<'spec.host' | 'spec.path' | 'spec.to.name', string>>>;
  /** Its wish for ports of the node; absent where it has none. */
  readonly ports?: PortRequest;
  /** What it wants for its host and path, or everything that is wrong with that. */
  readonly http: Parsed<HttpDemand>;
}

/** The annotation that the TCP router of old read to know its own Routes. */
export const defaultRouterNameKey = 'haproxy.router.openshift.io/wzh-router-name';

/**
 * Reads a Route. Mistakes in what it wants are part of the value, since its author is told in its
 * status; a Route that cannot be told from others fails.
 *
 * @param routerNameKey the annotation that names the router a Route is for
 */
export function parseRoute(input: unknown, routerNameKey = defaultRouterNameKey): Parsed<Route> {
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
  const ports = asksForPort(annotations) ? readPorts(named.value, host, parts, common.list) : undefined;
  const problems = new ProblemList(common.list);
  const http = readHttpDemand(parts, problems);
  return {
    ok: true,
    value: {
      meta: named.value,
      ...(host !== undefined && { host }),
      ...(spec.subdomain && { subdomain: spec.subdomain.toLowerCase() }),
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

function readPorts(
  meta: ObjectMeta,
  host: string | undefined,
  { spec, annotations, routerNameKey, backends, targetPort }: RouteParts,
  faults: readonly Problem[],
): PortRequest {
  const problems = new ProblemList(faults);
  if (host !== undefined && !isHostName(host)) problems.add('spec.host', spec.host, 'must be a host name');
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

function readTermination({ tls }: WrittenRouteSpec, problems: ProblemList): PortDemand['termination'] {
  const written = tls?.termination;
  if (written === undefined || written === '') return undefined;
  if (written === 'passthrough' || written === 'edge' || written === 'reencrypt') return written;
  problems.add('spec.tls.termination', written, 'must be "passthrough", or tls absent');
  return undefined;
}
