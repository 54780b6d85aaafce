import * as z from 'zod/mini';
import type { Parsed, Problem } from '../model/problem.ts';
import { isHostName, isLabelName, type ObjectMeta, readMeta } from './object-meta.ts';
import { ProblemList } from './problem-list.ts';
import { asksForPort, type RouteAnnotations, readRouteAnnotations, readRouterName } from './route-annotations.ts';
import { isRecord, type Readable, readShape } from './shape.ts';
import { text } from './text.ts';

/** A Service that takes a share of a Route's connections. */
export interface RouteBackend {
  readonly service: string;
  /** The Service's namespace; absent: the Route's. */
  readonly namespace?: string;
  /** Port of the Service, not of its endpoints (Gateway API); absent: the Route's target port decides. */
  readonly servicePort?: number;
  /** Of another namespace that has not granted it: its share of connections is refused. */
  readonly isForbidden?: true;
  /** Relative to the Route's other backends; 0 gets nothing. Of a Route 0–256. */
  readonly weight: number;
}

/** What a Route wants of the router. */
export interface RouteDemand extends RouteAnnotations {
  /** The first is `spec.to`. */
  readonly backends: readonly RouteBackend[];
  /** Name or number of the endpoints' port; absent: every port of the Service. */
  readonly targetPort?: string | number;
  /** Who ends TLS: nobody, the endpoint (`passthrough`), or a router that can (`edge`, `reencrypt`). */
  readonly termination?: 'passthrough' | 'edge' | 'reencrypt';
}

/** A Route (route.openshift.io/v1) that asks for a port. */
export interface Route {
  readonly meta: ObjectMeta;
  /** `spec.host`, in lower case. */
  readonly host?: string;
  /** The router that the Route is for, as its annotation says. */
  readonly routerName?: string;
  /** Name of the listener, when it stands for one of a Gateway. */
  readonly listener?: string;
  /** What it wants, or everything that is wrong with it. */
  readonly demand: Parsed<RouteDemand>;
}

/** What {@link parseRoute} makes of an object. */
export type RouteReading =
  | { readonly kind: 'route'; readonly route: Route }
  /** Asks for no port: HTTP, and another router's. */
  | { readonly kind: 'other' }
  /** Cannot even be told from other Routes. */
  | { readonly kind: 'unreadable'; readonly problems: readonly Problem[] };

/** The annotation that the TCP router of old read to know its own Routes. */
export const defaultRouterNameKey = 'haproxy.router.openshift.io/wzh-router-name';

const weightCure = 'must be a weight from 0 to 256';

const backendSchema = z.object(
  {
    kind: z.nullish(text('must be "Service"')),
    name: text('must be the name of a Service'),
    weight: z.nullish(z.number(weightCure).check(z.int(weightCure), z.gte(0, weightCure), z.lte(256, weightCure))),
  },
  'must be an object with kind and name',
);

const targetPortCure = 'must be the name of a port, or its number from 1 to 65535';

const specSchema = z.object(
  {
    host: z.nullish(text('must be a host name')),
    to: backendSchema,
    alternateBackends: z.nullish(z.array(backendSchema, 'must be a list of Services')),
    port: z.nullish(
      z.object({ targetPort: z.union([z.number(), text(targetPortCure)], targetPortCure) }, 'must have a targetPort'),
    ),
    tls: z.nullish(z.object({ termination: z.nullish(text('must be "passthrough"')) }, 'must have a termination')),
  },
  'must be the spec of a Route',
);

type WrittenSpec = Readable<z.output<typeof specSchema>>;

/** More alternatives than this OpenShift does not take either. */
const maxAlternates = 3;

/**
 * Reads a Route. Mistakes in what it asks for are part of the value, since its author is told in its
 * status; a Route without a usable name is `unreadable`.
 */
export function parseRoute(input: unknown, routerNameKey = defaultRouterNameKey): RouteReading {
  const metadata = isRecord(input) && isRecord(input.metadata) ? input.metadata : {};
  const annotations = Object.hasOwn(metadata, 'annotations') ? metadata.annotations : undefined;
  const identity = new ProblemList();
  const meta = readMeta(input, identity);
  const named = identity.finish(() => meta);
  if (!named.ok) return { kind: 'unreadable', problems: named.problems };
  if (meta === undefined || !asksForPort(annotations)) return { kind: 'other' };
  const problems = new ProblemList();
  const spec = readShape(specSchema, (input as Record<string, unknown>).spec, 'spec', problems) ?? {};
  const host = readHost(spec.host, problems);
  const routerName = readRouterName(annotations, routerNameKey);
  const demand = readDemand(spec, readRouteAnnotations(annotations, routerNameKey, problems), problems);
  return {
    kind: 'route',
    route: {
      meta,
      ...(host !== undefined && { host }),
      ...(routerName !== undefined && { routerName }),
      demand: problems.finish(() => demand),
    },
  };
}

function readHost(written: string | undefined, problems: ProblemList): string | undefined {
  if (written === undefined || written === '') return undefined;
  if (isHostName(written)) return written.toLowerCase();
  problems.add('spec.host', written, 'must be a host name');
  return undefined;
}

function readDemand(spec: WrittenSpec, annotations: RouteAnnotations, problems: ProblemList): RouteDemand {
  const backends = readBackends(spec, problems);
  const targetPort = readTargetPort(spec.port?.targetPort, problems);
  const termination = readTermination(spec.tls, problems);
  return {
    ...annotations,
    backends,
    ...(targetPort !== undefined && { targetPort }),
    ...(termination !== undefined && { termination }),
  };
}

function readBackends(spec: WrittenSpec, problems: ProblemList): readonly RouteBackend[] {
  const alternates = spec.alternateBackends ?? [];
  if (alternates.length > maxAlternates) {
    problems.add('spec.alternateBackends', alternates, `must be at most ${maxAlternates}`);
  }
  const backends = new Map<string, RouteBackend>();
  for (const [index, written] of [spec.to, ...alternates.slice(0, maxAlternates)].entries()) {
    const path = index === 0 ? 'spec.to' : `spec.alternateBackends[${index - 1}]`;
    if (written?.name === undefined) continue;
    if ((written.kind || 'Service') !== 'Service') problems.add(`${path}.kind`, written.kind, 'must be "Service"');
    if (!isLabelName(written.name)) problems.add(`${path}.name`, written.name, 'must be the name of a Service');
    if (backends.has(written.name)) problems.add(`${path}.name`, written.name, 'must not be named twice');
    backends.set(written.name, { service: written.name, weight: written.weight ?? 1 });
  }
  return [...backends.values()];
}

function readTargetPort(written: string | number | undefined, problems: ProblemList): string | number | undefined {
  // A number of 0 or an empty name is what Go writes for "not set".
  if (written === undefined || written === 0 || written === '') return undefined;
  if (typeof written === 'number') {
    if (Number.isInteger(written) && written >= 1 && written <= 65535) return written;
  } else if (isLabelName(written)) return written;
  problems.add('spec.port.targetPort', written, targetPortCure);
  return undefined;
}

function readTermination(tls: WrittenSpec['tls'], problems: ProblemList): RouteDemand['termination'] {
  const written = tls?.termination;
  if (written === undefined || written === '') return undefined;
  if (written === 'passthrough' || written === 'edge' || written === 'reencrypt') return written;
  problems.add('spec.tls.termination', written, 'must be "passthrough", or tls absent');
  return undefined;
}
