import { KernelError } from '../../base/linux/kernel-error.ts';
import type { Kernel } from '../linux/kernel-api.ts';
import type { Operation, Step } from '../model/operation.ts';

/** Executes operations. */
export type Apply = Pick<Kernel, 'apply'>;

/**
 * Executes the steps in order. After a failure, the completed steps are undone in reverse and the failure is thrown;
 * its message names what could not be undone. `done` is called for each step with the parts that this kernel does not
 * support.
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

/** Undoes operations in reverse, and continues after failures. Returns what could not be undone. */
function undoAll(kernel: Apply, undos: readonly Operation[]): string[] {
  const failures: string[] = [];
  for (const undo of undos.toReversed()) {
    try {
      kernel.apply(undo);
    } catch (error) {
      // An earlier undo may have removed it, for example a link its routes.
      if (!isAlreadySo(error)) failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  return failures;
}

function withFailures(error: unknown, failures: readonly string[]): unknown {
  if (failures.length === 0 || !(error instanceof Error)) return error;
  const kind = error instanceof KernelError ? error.kind : 'refused';
  return new KernelError(kind, `${error.message}; in addition, this could not be undone: ${failures.join('; ')}`, {
    cause: error,
  });
}

/**
 * Executes removals. Missing objects are not a failure. Stops at the first real failure, so that the state file
 * remains for the next attempt. Throws {@link KernelError}.
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
