import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Compares text with a file of `test/testdata`. UPDATE_GOLDEN=1 rewrites the file, for review
 * in the commit. A missing file is a failure.
 */
export function assertGolden(name: string, text: string): void {
  const path = fileURLToPath(new URL(`./testdata/${name}`, import.meta.url));
  if (process.env.UPDATE_GOLDEN === '1') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  assert.ok(existsSync(path), `${path} is missing; write it with UPDATE_GOLDEN=1`);
  assert.equal(text, readFileSync(path, 'utf8'));
}
