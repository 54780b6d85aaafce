import { statSync } from 'node:fs';
import { KernelError } from './kernel-error.ts';
import { NamespaceLock } from './lock.ts';
import { runTool } from './rule-tools.ts';

/**
 * Runs nft in the current network namespace, after any nft that a killed agent has left running: that process could
 * otherwise replace the table that we just read. The process holds the lock, so the next agent waits for it. Throws
 * {@link KernelError}.
 */
export function runNft(args: readonly string[], input?: string): string {
  const lock = acquire();
  try {
    return runTool('nft', args, input);
  } finally {
    lock?.release();
  }
}

/** Returns undefined if locks cannot be created: serving ports matters more than waiting. */
function acquire(): NamespaceLock | undefined {
  try {
    return new NamespaceLock(statSync('/proc/thread-self/ns/net').ino, 'of the node');
  } catch (error) {
    if (error instanceof KernelError && error.kind === 'io') return undefined;
    throw error;
  }
}
