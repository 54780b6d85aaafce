/** A reason of a condition with its message. */
export interface Refusal<Reason extends string = string> {
  readonly reason: Reason;
  readonly message: string;
}
