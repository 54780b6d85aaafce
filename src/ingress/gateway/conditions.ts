import type { ConditionDraft } from '../../base/kubernetes/conditions.ts';

export type { ConditionDraft };

/** A condition that holds. */
export function yes(type: string, reason: string, message: string): ConditionDraft {
  return { type, status: 'True', reason, message };
}

/** A condition that does not hold. */
export function no(type: string, reason: string, message: string): ConditionDraft {
  return { type, status: 'False', reason, message };
}
