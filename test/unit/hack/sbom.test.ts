import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'mocha';
import { makeSbom } from '../../../hack/sbom-tool.ts';
import manifest from '../../../package.json' with { type: 'json' };

interface Sbom {
  readonly packages: readonly { readonly SPDXID: string; readonly name: string; readonly checksums?: unknown }[];
}

describe('makeSbom', () => {
  const sbom = makeSbom(JSON.parse(readFileSync('package-lock.json', 'utf8'))) as Sbom;

  it('lists every runtime dependency of the programs, and no development dependency', () => {
    const names = new Set(sbom.packages.map(({ name }) => name));
    for (const name of [...Object.keys(manifest.dependencies), 'bun']) assert.ok(names.has(name), name);
    for (const name of ['mocha', 'typescript', '@biomejs/biome']) assert.ok(!names.has(name), name);
  });

  it('lists each package once, with the digest of the lock file', () => {
    const ids = sbom.packages.map(({ SPDXID }) => SPDXID);
    assert.equal(new Set(ids).size, ids.length);
    const [, ...packages] = sbom.packages;
    assert.ok(packages.every(({ checksums }) => Array.isArray(checksums)));
  });

  it('lists the installed packages of the base image with versions and architectures', () => {
    const status = [
      'Package: libstdc++6\nStatus: install ok installed\nArchitecture: amd64\nSource: gcc-12 (12.2.0-14)\nVersion: 12.2.0-14+deb12u1\nDescription: x\n Package: no\n',
      'Package: nftables\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:1.0.6-2~x',
      'Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1',
      '',
    ].join('\n\n');
    const { packages, relationships } = makeSbom({ packages: {} }, status) as {
      packages: readonly { name: string; SPDXID: string; externalRefs?: readonly { referenceLocator: string }[] }[];
      relationships: readonly { relatedSpdxElement: string }[];
    };
    const [, ...debian] = packages;
    assert.deepEqual(
      debian.map(({ name, externalRefs }) => [name, externalRefs?.[0]?.referenceLocator]),
      [
        ['libstdc++6', 'pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64'],
        ['nftables', 'pkg:deb/debian/nftables@1%3A1.0.6-2~x?arch=amd64'],
      ],
    );
    for (const { SPDXID } of debian) {
      assert.match(SPDXID, /^SPDXRef-[a-zA-Z0-9.-]+$/);
      assert.ok(relationships.some(({ relatedSpdxElement }) => relatedSpdxElement === SPDXID));
    }
  });

  it('includes the packages of a base image whose files are given', () => {
    const path = join(mkdtempSync(join(tmpdir(), 'sbom-')), 'sbom.json');
    // This machine is a base, too.
    execFileSync(process.execPath, ['hack/sbom-tool.ts', path, '/']);
    const { packages } = JSON.parse(readFileSync(path, 'utf8')) as Sbom;
    rmSync(dirname(path), { recursive: true });
    const names = packages.map(({ name }) => name);
    for (const name of ['libc6', 'nftables', 'haproxy', 'pino']) assert.ok(names.includes(name), name);
    assert.equal(new Set(packages.map(({ SPDXID }) => SPDXID)).size, packages.length);
  });
});
