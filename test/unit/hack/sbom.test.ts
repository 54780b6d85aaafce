import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { makeSbom } from '../../../hack/sbom-tool.ts';
import manifest from '../../../package.json' with { type: 'json' };

interface Sbom {
  readonly packages: readonly { readonly SPDXID: string; readonly name: string; readonly checksums?: unknown }[];
}

describe('makeSbom', () => {
  const sbom = makeSbom(JSON.parse(readFileSync('package-lock.json', 'utf8'))) as Sbom;

  it('names every dependency of the programs and the runtime, and nothing that only tests', () => {
    const names = new Set(sbom.packages.map(({ name }) => name));
    for (const name of [...Object.keys(manifest.dependencies), 'bun']) assert.ok(names.has(name), name);
    for (const name of ['mocha', 'typescript', '@biomejs/biome']) assert.ok(!names.has(name), name);
  });

  it('has each package once, with the digest that the lock file has', () => {
    const ids = sbom.packages.map(({ SPDXID }) => SPDXID);
    assert.equal(new Set(ids).size, ids.length);
    const [, ...packages] = sbom.packages;
    assert.ok(packages.every(({ checksums }) => Array.isArray(checksums)));
  });
});
