import { setTimeout as sleep } from 'node:timers/promises';

/** Waits; resolves early when the signal aborts, and leaves no listener on it. Never rejects. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  // An aborted pause is the end, which the caller sees by the signal.
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}
