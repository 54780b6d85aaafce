import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import manifest from '../package.json' with { type: 'json' };

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
}

/** A development dependency whose code is in the executables: Bun is the runtime. */
const runtime = 'bun';

/**
 * Renders an SBOM (SPDX 2.3, JSON) of the executables' packages in the lock file and of the packages of the image's
 * base in dpkg's list. Packages for building and testing are excluded, except the runtime.
 *
 * @param status text of dpkg's `status` file; empty: the base is unknown
 */
export function makeSbom(lock: { readonly packages: Readonly<Record<string, LockedPackage>> }, status = ''): object {
  const locked = Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== '' && (dev !== true || path === `node_modules/${runtime}`))
    .map(([path, one]) => describe(path.slice(path.lastIndexOf('node_modules/') + 13), one));
  const packages = [...locked, ...readDebianPackages(status).map(describeDebian)].toSorted((one, other) =>
    one.SPDXID < other.SPDXID ? -1 : 1,
  );
  const root = 'SPDXRef-egress-router';
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: `egress-router-${manifest.version}`,
    documentNamespace: `https://egress-router.io/spdx/${manifest.version}`,
    // Fixed, so that equal sources produce an equal document.
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

/** An installed Debian package. */
interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Name of the source package, and its version if it differs. */
  readonly source: string;
}

/** Returns the installed packages in dpkg's `status` (deb-control(5)). */
function readDebianPackages(status: string): DebianPackage[] {
  return status.split(/\n{2,}/).flatMap((paragraph) => {
    const fields = Object.fromEntries(
      paragraph.split('\n').flatMap((line) => {
        const [, key, value] = /^([\w-]+): (.*)$/.exec(line) ?? [];
        return key === undefined ? [] : [[key, value ?? '']];
      }),
    );
    const {
      Package: name = '',
      Version: version = '',
      Architecture: architecture = '',
      Source: source = name,
    } = fields;
    // Distroless images have one file per package, without states.
    const isInstalled = (fields.Status ?? 'install ok installed').endsWith(' installed');
    return name === '' || version === '' || !isInstalled ? [] : [{ name, version, architecture, source }];
  });
}

function describeDebian({ name, version, architecture, source }: DebianPackage) {
  const purl = `pkg:deb/debian/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`;
  return {
    SPDXID: `SPDXRef-deb-${[name, version, architecture].join('-').replaceAll(/[^a-zA-Z0-9.-]/g, '-')}`,
    name,
    versionInfo: version,
    downloadLocation: 'NOASSERTION',
    licenseDeclared: 'NOASSERTION',
    sourceInfo: `built from: ${source}`,
    externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
  };
}

/** Returns dpkg's lists below the root of an image's files, or an empty string if there are none. */
function readStatus(root: string): string {
  const folder = join(root, 'var/lib/dpkg');
  const parts = join(folder, 'status.d');
  const files = [
    join(folder, 'status'),
    ...(existsSync(parts) ? readdirSync(parts).filter((name) => !name.endsWith('.md5sums')) : []).map((name) =>
      join(parts, name),
    ),
  ];
  return files.flatMap((file) => (existsSync(file) ? [readFileSync(file, 'utf8')] : [])).join('\n\n');
}

if (import.meta.main) {
  const [path = 'dist/sbom.spdx.json', root] = process.argv.slice(2);
  const status = root === undefined ? '' : readStatus(root);
  const sbom = makeSbom(JSON.parse(readFileSync('package-lock.json', 'utf8')), status);
  writeFileSync(path, `${JSON.stringify(sbom, undefined, 2)}\n`);
}
