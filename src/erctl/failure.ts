/** A command that cannot do what it was asked to; the message says why, and what would help. */
export class ErctlError extends Error {
  override readonly name = 'ErctlError';
}

/** How a command ends: all is well, something is wrong, or nothing could be seen. */
export const exitCodes = { healthy: 0, problems: 1, cannotLook: 2 } as const;

/** One of them. */
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
