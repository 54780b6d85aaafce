import assert from 'node:assert/strict';

/**
 * Waits until a condition holds. Fails after `longest` milliseconds with a description; the default is long, because
 * a compiled program takes seconds to start on a busy machine.
 */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  describe: () => unknown,
  longest = 10_000,
): Promise<void> {
  const start = performance.now();
  while (!(await isSo())) {
    if (performance.now() - start > longest) assert.fail(`not after ${longest} ms: ${JSON.stringify(describe())}`);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}
