import { notApplied, type Pending, type Verdict } from '../intent/plane.ts';

/** Why HAProxy does not serve what was decided. */
export interface Gap {
  /** UIDs of the objects that HAProxy serves as they were. */
  readonly served: ReadonlySet<string>;
  /** For authors. Absent after a short interruption, such as a restart: statuses stay as they are. */
  readonly problem?: string;
}

/** Returns the verdicts, corrected for a gap. Rejected objects stay rejected. */
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
