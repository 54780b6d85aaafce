import { KernelError } from '../../base/linux/kernel-error.ts';
import type { Kernel } from '../linux/kernel-api.ts';
import type { Operation, Step } from '../model/operation.ts';

/** Does operations, whatever they are done to. */
export type Apply = Pick<Kernel, 'apply'>;

/**
 * Runs the steps in order. At the first failure everything done is undone in reverse, and the
 * failure is thrown; what could not be undone is named in its message. `done` hears of each step, with
 * what of it this kernel cannot do.
 */
export function runSteps(
  kernel: Apply,
  steps: readonly Step[],
  done: (operation: Operation, shortcomings: readonly string[]) => void = () => {},
): void {
  const undos: Operation[] = [];
  for (const { operation, undo } of steps) {
    let shortcomings: readonly string[];
    try {
      shortcomings = kernel.apply(operation);
    } catch (error) {
      throw withFailures(error, undoAll(kernel, undos));
    }
    if (undo !== undefined) undos.push(undo);
    done(operation, shortcomings);
  }
}

/** Undoes in reverse, going on after failures; returns what could not be undone. */
function undoAll(kernel: Apply, undos: readonly Operation[]): string[] {
  const failures: string[] = [];
  for (const undo of undos.toReversed()) {
    try {
      kernel.apply(undo);
    } catch (error) {
      // What a later undo took with it (a link its routes) is undone.
      if (!isAlreadySo(error)) failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  return failures;
}

function withFailures(error: unknown, failures: readonly string[]): unknown {
  if (failures.length === 0 || !(error instanceof Error)) return error;
  const kind = error instanceof KernelError ? error.kind : 'refused';
  return new KernelError(kind, `${error.message}; besides, this could not be undone: ${failures.join('; ')}`, {
    cause: error,
  });
}

/**
 * Runs operations that take things away: what is gone already is no failure. Stops at the first real
 * one, so that what is remembered stays for the next try. Throws {@link KernelError}.
 */
export function runRemoval(kernel: Apply, operations: readonly Operation[]): void {
  for (const operation of operations) {
    try {
      kernel.apply(operation);
    } catch (error) {
      if (!isAlreadySo(error)) throw error;
    }
  }
}

function isAlreadySo(error: unknown): boolean {
  return error instanceof KernelError && (error.kind === 'missing' || error.kind === 'exists');
}
