/** Why a configuration cannot be applied on this node or in this pod. */
export type PlanErrorKind = 'configuration' | 'environment' | 'exists';

/** Thrown if no plan is possible; the message names the field or object, the observed value and the cure. */
export class PlanError extends Error {
  readonly kind: PlanErrorKind;

  constructor(kind: PlanErrorKind, message: string) {
    super(message);
    this.name = 'PlanError';
    this.kind = kind;
  }
}
