import * as z from 'zod/mini';
import type { Parsed } from '../model/problem.ts';
import { type ObjectMeta, readMeta } from './object-meta.ts';
import { ProblemList } from './problem-list.ts';
import { isRecord, readShape } from './shape.ts';
import { text } from './text.ts';

/** A Service (v1), as far as it decides where connections go; the endpoints are in its EndpointSlices. */
export interface Service {
  readonly meta: ObjectMeta;
  /** An alias of a name elsewhere: it has no endpoints. */
  readonly isExternalName: boolean;
  /** `externalTrafficPolicy: Local`: only endpoints of the node that the client reached. */
  readonly localOnly: boolean;
}

const specSchema = z.object(
  {
    type: z.nullish(text('must be the type of the Service, such as "ClusterIP"')),
    externalTrafficPolicy: z.nullish(text('must be "Cluster" or "Local"')),
  },
  'must be the spec of a Service',
);

/** Reads a Service. Keys that do not concern an ingress node are not looked at. */
export function parseService(input: unknown): Parsed<Service> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const spec = readShape(z.nullish(specSchema), isRecord(input) ? input.spec : undefined, 'spec', problems);
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    isExternalName: spec?.type === 'ExternalName',
    localOnly: spec?.externalTrafficPolicy === 'Local',
  }));
}
