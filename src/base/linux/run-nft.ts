import { statSync } from 'node:fs';
import { KernelError } from './kernel-error.ts';
import { NamespaceLock } from './lock.ts';
import { runTool } from './rule-tools.ts';

/**
 * Runs nft in the namespace that the thread is in, after one that an agent started which was killed
 * meanwhile: it would put its table in the place of the one that we have just read to be in force. What
 * runs holds the lock, so that the next agent waits for it. Throws {@link KernelError}.
 */
export function runNft(args: readonly string[], input?: string): string {
  const lock = acquire();
  try {
    return runTool('nft', args, input);
  } finally {
    lock?.release();
  }
}

/** Undefined where there is no place for locks: ports are worth more than the wait. */
function acquire(): NamespaceLock | undefined {
  try {
    return new NamespaceLock(statSync('/proc/thread-self/ns/net').ino, 'of the node');
  } catch (error) {
    if (error instanceof KernelError && error.kind === 'io') return undefined;
    throw error;
  }
}
