import type { Parsed } from '../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';

/** A Namespace (v1) with its labels. */
export interface Namespace {
  readonly meta: ObjectMeta;
  /** Whether it is being deleted with all its objects. */
  readonly isTerminating: boolean;
}

/** Parses a Namespace, or OpenShift's Project, which has the same labels. */
export function parseNamespace(input: unknown): Parsed<Namespace> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems, 'cluster');
  const { deletionTimestamp } = isRecord(input) && isRecord(input.metadata) ? input.metadata : {};
  return problems.finish(() => ({ meta: meta as ObjectMeta, isTerminating: typeof deletionTimestamp === 'string' }));
}
