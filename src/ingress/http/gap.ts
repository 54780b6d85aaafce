import { notApplied, type Pending, type Verdict } from '../intent/plane.ts';

/** Difference between the verdicts and what HAProxy serves. */
export interface Gap {
  /** UIDs of the objects whose previous version HAProxy still serves. */
  readonly served: ReadonlySet<string>;
  /** Message for authors. Absent during a short interruption, such as a restart, which leaves statuses unchanged. */
  readonly problem?: string;
}

/** Returns verdicts that account for a gap. Rejected objects stay rejected. */
export function correctVerdicts(verdicts: readonly Verdict[], gap: Gap | undefined): readonly Verdict[] {
  if (gap === undefined) return verdicts;
  const { served, problem } = gap;
  return verdicts.map((verdict): Verdict => {
    if (verdict.reason !== undefined) return verdict;
    const isServed = served.has(verdict.meta.uid);
    const pending: Pending = { what: isServed ? 'change' : 'all', ...(problem !== undefined && { problem }) };
    if (problem === undefined) return { ...verdict, pending };
    if (isServed) return { ...verdict, pending, notes: [...verdict.notes, problem] };
    return { ...verdict, pending, reason: notApplied, message: problem, notes: [] };
  });
}
