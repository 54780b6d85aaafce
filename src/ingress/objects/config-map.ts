import type { Parsed } from '../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';

/** The part of a ConfigMap (v1) that contains CA certificates. */
export interface ConfigMap {
  readonly meta: ObjectMeta;
  /** Value of `ca.crt`. Absent if there is none. */
  readonly authorities?: string;
}

/** Parses a ConfigMap. */
export function parseConfigMap(input: unknown): Parsed<ConfigMap> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const data = isRecord(input) && isRecord(input.data) ? input.data : {};
  const written = data['ca.crt'];
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    ...(typeof written === 'string' && { authorities: written }),
  }));
}
