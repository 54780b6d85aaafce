import * as z from 'zod/mini';
import type { Parsed } from '../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord, readShape } from '../../base/read/shape.ts';
import { text } from '../../base/read/text.ts';
import { isAbsent } from './parts.ts';

/** A GatewayClass (gateway.networking.k8s.io), which assigns Gateways to a controller. */
export interface GatewayClass {
  readonly meta: ObjectMeta;
  /** The controller that serves Gateways of the class. */
  readonly controllerName: string;
  /** Whether it sets `parametersRef`, which this controller does not support. */
  readonly hasParameters: boolean;
}

const specSchema = z.object(
  { controllerName: text('must be the name of a controller') },
  'must be the spec of a GatewayClass',
);

/** Parses a GatewayClass. */
export function parseGatewayClass(input: unknown): Parsed<GatewayClass> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems, 'cluster');
  const written = isRecord(input) ? input.spec : undefined;
  const spec = readShape(specSchema, written, 'spec', problems);
  const hasParameters = isRecord(written) && !isAbsent(written.parametersRef);
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    controllerName: spec?.controllerName ?? '',
    hasParameters,
  }));
}
