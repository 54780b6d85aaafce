/** A condition without its time (Kubernetes, `metav1.Condition`). */
export interface ConditionDraft {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

/** A condition that holds. */
export function yes(type: string, reason: string, message: string): ConditionDraft {
  return { type, status: 'True', reason, message };
}

/** A condition that does not hold. */
export function no(type: string, reason: string, message: string): ConditionDraft {
  return { type, status: 'False', reason, message };
}
