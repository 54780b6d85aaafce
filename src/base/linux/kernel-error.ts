/** Why the kernel, or a program that speaks for it, did not do as asked. */
export type KernelErrorKind = 'namespace-gone' | 'busy' | 'exists' | 'missing' | 'refused' | 'no-rule-backend' | 'io';

/** A failure with the action that led to it in its message. */
export class KernelError extends Error {
  readonly kind: KernelErrorKind;

  constructor(kind: KernelErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KernelError';
    this.kind = kind;
  }
}
