import { readFileSync, writeFileSync } from 'node:fs';
import manifest from '../package.json' with { type: 'json' };

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
}

/** Packages whose code is in an executable though they only build it: Bun is the runtime. */
const runtime = 'bun';

/**
 * What the executables hold, from the lock file: SPDX 2.3, JSON. Packages that only build and test are not in
 * it, but for the runtime.
 */
export function makeSbom(lock: { readonly packages: Readonly<Record<string, LockedPackage>> }): object {
  const packages = Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== '' && (dev !== true || path === `node_modules/${runtime}`))
    .map(([path, locked]) => describe(path.slice(path.lastIndexOf('node_modules/') + 13), locked))
    .toSorted((one, other) => (one.SPDXID < other.SPDXID ? -1 : 1));
  const root = 'SPDXRef-egress-router';
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `egress-router-${manifest.version}`,
    documentNamespace: `https://egress-router.io/spdx/${manifest.version}`,
    // The same sources make the same document.
    creationInfo: { created: '2026-01-01T00:00:00Z', creators: ['Tool: hack/sbom-tool.ts'] },
    packages: [
      {
        SPDXID: root,
        name: manifest.name,
        versionInfo: manifest.version,
        downloadLocation: 'NOASSERTION',
        licenseDeclared: manifest.license,
      },
      ...packages,
    ],
    relationships: [
      { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: root },
      ...packages.map(({ SPDXID }) => ({
        spdxElementId: root,
        relationshipType: 'CONTAINS',
        relatedSpdxElement: SPDXID,
      })),
    ],
  };
}

function describe(name: string, { version = '', resolved, integrity, license }: LockedPackage) {
  const digest = integrity?.startsWith('sha512-')
    ? Buffer.from(integrity.slice(7), 'base64').toString('hex')
    : undefined;
  return {
    SPDXID: `SPDXRef-npm-${name.replaceAll(/[^a-zA-Z0-9.-]/g, '-')}-${version}`,
    name,
    versionInfo: version,
    downloadLocation: resolved ?? 'NOASSERTION',
    licenseDeclared: license ?? 'NOASSERTION',
    ...(digest !== undefined && { checksums: [{ algorithm: 'SHA512', checksumValue: digest }] }),
    externalRefs: [
      {
        referenceCategory: 'PACKAGE-MANAGER',
        referenceType: 'purl',
        referenceLocator: `pkg:npm/${name.replace('@', '%40')}@${version}`,
      },
    ],
  };
}

if (import.meta.main) {
  const [path = 'dist/sbom.spdx.json'] = process.argv.slice(2);
  const sbom = makeSbom(JSON.parse(readFileSync('package-lock.json', 'utf8')));
  writeFileSync(path, `${JSON.stringify(sbom, undefined, 2)}\n`);
}
