import * as z from 'zod/mini';
import { isLabelName } from '../../base/read/object-meta.ts';
import type { ProblemList } from '../../base/read/problem-list.ts';
import type { Readable } from '../../base/read/shape.ts';
import { text } from '../../base/read/text.ts';
import type { ServiceShare } from '../intent/service-share.ts';

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

/** Certificates may be long: up to the size of a whole object (etcd's request limit, 1.5 MiB). */
const maxPem = 1_572_864;

const pem = z.nullish(
  z.string('must be PEM text').check(z.maxLength(maxPem, `must be PEM text of at most ${maxPem} characters`)),
);

export const routeSpecSchema = z.object(
  {
    host: z.nullish(text('must be a host name')),
    subdomain: z.nullish(text('must be the first labels of a host name')),
    path: z.nullish(text('must be a path that begins with "/"')),
    wildcardPolicy: z.nullish(text('must be None or Subdomain')),
    to: backendSchema,
    alternateBackends: z.nullish(z.array(backendSchema, 'must be a list of Services')),
    port: z.nullish(
      z.object({ targetPort: z.union([z.number(), text(targetPortCure)], targetPortCure) }, 'must have a targetPort'),
    ),
    tls: z.nullish(
      z.object(
        {
          termination: z.nullish(text('must be edge, reencrypt or passthrough')),
          insecureEdgeTerminationPolicy: z.nullish(text('must be None, Allow or Redirect')),
          certificate: pem,
          key: pem,
          caCertificate: pem,
          destinationCACertificate: pem,
          externalCertificate: z.nullish(
            z.object({ name: z.nullish(text('must be the name of a Secret')) }, 'must have a name'),
          ),
        },
        'must be an object with termination',
      ),
    ),
  },
  'must be the spec of a Route',
);

/** The spec of a Route with validated types. */
export type WrittenRouteSpec = Readable<z.output<typeof routeSpecSchema>>;

/** Input of the parsers of a Route's requests. */
export interface RouteParts {
  readonly spec: WrittenRouteSpec;
  /** `spec.httpHeaders` as received. */
  readonly httpHeaders: unknown;
  /** `metadata.annotations` as received. */
  readonly annotations: unknown;
  /** The annotation that names a Route's router. */
  readonly routerNameKey: string;
  readonly backends: readonly ServiceShare[];
  readonly targetPort: string | number | undefined;
}

/** Weight of a Service without one. */
const defaultWeight = 100;

/** Maximum number of alternatives, as in OpenShift. */
const maxAlternates = 3;

/** Returns the Services of a Route, `spec.to` first. The default weight is 100, as in OpenShift's API server. */
export function readBackends(spec: WrittenRouteSpec, problems: ProblemList): readonly ServiceShare[] {
  const alternates = spec.alternateBackends ?? [];
  if (alternates.length > maxAlternates) {
    problems.add('spec.alternateBackends', alternates, `must be at most ${maxAlternates}`);
  }
  const backends = new Map<string, ServiceShare>();
  for (const [index, written] of [spec.to, ...alternates.slice(0, maxAlternates)].entries()) {
    const path = index === 0 ? 'spec.to' : `spec.alternateBackends[${index - 1}]`;
    if (written?.name === undefined) continue;
    if ((written.kind || 'Service') !== 'Service') problems.add(`${path}.kind`, written.kind, 'must be "Service"');
    if (!isLabelName(written.name)) problems.add(`${path}.name`, written.name, 'must be the name of a Service');
    if (backends.has(written.name)) problems.add(`${path}.name`, written.name, 'must not appear twice');
    backends.set(written.name, { service: written.name, weight: written.weight ?? defaultWeight });
  }
  return [...backends.values()];
}

const terminations = ['edge', 'reencrypt', 'passthrough'] as const;

/** Returns `spec.tls.termination`, or undefined if it is absent, empty or invalid, which is recorded. */
export function readTermination(
  { tls }: WrittenRouteSpec,
  problems: ProblemList,
): (typeof terminations)[number] | undefined {
  const written = tls?.termination;
  if (written === undefined || written === '') return undefined;
  const known = terminations.find((one) => one === written.toLowerCase());
  if (known === written) return known;
  const cure = known === undefined ? 'must be edge, reencrypt or passthrough' : `must be "${known}", in lower case`;
  problems.add('spec.tls.termination', written, cure);
  return undefined;
}

/** Returns the endpoints' port by name or number, or undefined for every port of the Service. */
export function readTargetPort({ port }: WrittenRouteSpec, problems: ProblemList): string | number | undefined {
  const written = port?.targetPort;
  // Go writes 0 or an empty name for "not set".
  if (written === undefined || written === 0 || written === '') return undefined;
  if (typeof written === 'number') {
    if (Number.isInteger(written) && written >= 1 && written <= 65535) return written;
  } else if (isLabelName(written)) return written;
  problems.add('spec.port.targetPort', written, targetPortCure);
  return undefined;
}
