import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'mocha';

interface Rule {
  readonly from: { readonly path?: string };
  readonly to: { readonly path?: string };
}

const path: string = '../../../.dependency-cruiser.mjs';
const { allowed } = (await import(path)).default as { readonly allowed: readonly Rule[] };

/** The folders that each folder of src may import. */
const allowances = new Map(
  allowed.flatMap(({ from, to }) => {
    const [, folder] = /^\^src\/([^(]+)\/$/.exec(from.path ?? '') ?? [];
    const [, words = ''] = /^\^src\/\((.+)\)\/$/.exec(to.path ?? '') ?? [];
    return folder === undefined ? [] : [[folder, words.split('|').filter((one) => one !== folder)] as const];
  }),
);
const folderOf = (file: string): string | undefined =>
  [...allowances.keys()].filter((folder) => file.startsWith(`src/${folder}/`)).sort((a, b) => b.length - a.length)[0];

describe('the allowed imports', () => {
  it('are those that the sources use', () => {
    assert.ok(allowances.size > 30);
    const unused = new Set([...allowances].flatMap(([folder, others]) => others.map((one) => `${folder} → ${one}`)));
    for (const file of globSync('src/**/*.ts')) {
      for (const [, imported = ''] of readFileSync(file, 'utf8').matchAll(/(?:from|import\() ?'(\.[^']+)'/g))
        unused.delete(`${folderOf(file)} → ${folderOf(normalize(join(dirname(file), imported)))}`);
    }
    assert.deepEqual([...unused], []);
  });

  it('are those that the READMEs list', () => {
    let count = 0;
    for (const [folder, others] of allowances) {
      const readme = `src/${folder}/README.md`;
      const [line] = (existsSync(readme) && /May import: .*?`\.(?= |$)/m.exec(readFileSync(readme, 'utf8'))) || [];
      if (line === undefined) continue;
      count++;
      const listed = new Set(Array.from(line.matchAll(/`([^`]+)`/g), ([, one]) => one));
      assert.deepEqual(listed, new Set(others), readme);
    }
    assert.ok(count > 15);
  });
});
