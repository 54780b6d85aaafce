import type { ConditionDraft } from '../../base/kubernetes/conditions.ts';

export type { ConditionDraft };

/** What to do about parameters of a class or Gateway. */
export const parametersCure = 'must be absent, because this controller has no parameters';

/** Returns a condition that is true. */
export function yes(type: string, reason: string, message: string): ConditionDraft {
  return { type, status: 'True', reason, message };
}

/** Returns a condition that is false. */
export function no(type: string, reason: string, message: string): ConditionDraft {
  return { type, status: 'False', reason, message };
}
