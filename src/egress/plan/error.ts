/** Why a configuration cannot be carried out on this node or in this pod. */
export type PlanErrorKind = 'configuration' | 'environment' | 'exists';

/** A plan that cannot be made; the message names the field or thing, what was seen, and the cure. */
export class PlanError extends Error {
  readonly kind: PlanErrorKind;

  constructor(kind: PlanErrorKind, message: string) {
    super(message);
    this.name = 'PlanError';
    this.kind = kind;
  }
}
