/** Kinds of failures of the kernel or a rule tool. */
export type KernelErrorKind = 'namespace-gone' | 'busy' | 'exists' | 'missing' | 'refused' | 'no-rule-backend' | 'io';

/** A failure whose message begins with the failed action. */
export class KernelError extends Error {
  readonly kind: KernelErrorKind;

  constructor(kind: KernelErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KernelError';
    this.kind = kind;
  }
}
