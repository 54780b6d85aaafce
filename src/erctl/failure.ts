/** A command that failed. The message says why, and how to fix it. */
export class ErctlError extends Error {
  override readonly name = 'ErctlError';
}

/** Exit codes: healthy, problems found, or not examined. */
export const exitCodes = { healthy: 0, problems: 1, cannotLook: 2 } as const;

/** One of the {@link exitCodes}. */
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
