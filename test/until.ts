import assert from 'node:assert/strict';

/** Waits until a condition holds. Fails after `longest` milliseconds with a description. */
export async function until(isSo: () => boolean, describe: () => unknown, longest = 3000): Promise<void> {
  const start = performance.now();
  while (!isSo()) {
    if (performance.now() - start > longest) assert.fail(`not after ${longest} ms: ${JSON.stringify(describe())}`);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}
