import type { Parsed } from '../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';

/** A Namespace (v1) with its labels. */
export interface Namespace {
  readonly meta: ObjectMeta;
}

/** Parses a Namespace, or OpenShift's Project, which has the same labels. */
export function parseNamespace(input: unknown): Parsed<Namespace> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems, 'cluster');
  return problems.finish(() => ({ meta: meta as ObjectMeta }));
}
