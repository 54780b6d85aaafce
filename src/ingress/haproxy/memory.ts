import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { certificateFile } from './command.ts';
import type { Files } from './files.ts';
import { innerFiles, innerNumbers } from './gateway-names.ts';
import type { InForce, Layout, Tenancy } from './layout.ts';
import type { Backend, Certificate, HttpState, Passthrough, Settings, Site, User } from './model.ts';
import type { ClientAuthorities, TlsName, VirtualHost } from './rule.ts';
import type { ServerLine } from './section.ts';
import { ShardIndex, sectionIndex, shardCount } from './shards.ts';

/**
 * Version of the state files. They describe the applied state next to the files that HAProxy reads, so that a
 * restarted supervisor can resume. The state is distributed over as many files as the sections. If a file is
 * incomplete, or of another version of this program, the supervisor reloads HAProxy instead.
 */
const version = 7;

interface MainFile {
  readonly settings: Omit<Settings, 'tls'> & { readonly tls: Omit<Settings['tls'], 'defaultCertificate'> };
  readonly certificates: readonly Omit<Certificate, 'pem'>[];
  readonly authorities: [name: string, pem: string][];
  readonly spares: [string, readonly string[]][];
  readonly resting: [string, string][];
  readonly leaving: [string, ServerLine][];
  readonly tenancies: [string, Tenancy][];
  readonly known: readonly string[];
  readonly frozen: readonly string[];
  readonly editedHeaders: readonly string[];
  readonly users: readonly [name: string, users: readonly User[]][];
  readonly hasScript: boolean;
  readonly gateways: GatewaysFile;
}

/** {@link Gateways} as lists. Virtual hosts are in the other files. */
interface GatewaysFile {
  readonly tlsNames: readonly TlsName[];
  readonly places: readonly [string, string][];
  readonly ports: readonly [string, string][];
  readonly inner: readonly [string, number][];
  readonly clients: readonly [number, ClientAuthorities][];
  readonly endedNames: readonly TlsName[];
}

interface ShardFile {
  readonly backends: readonly [section: string, backend: Backend][];
  readonly sites: readonly Site[];
  readonly passthrough: readonly Passthrough[];
  readonly hosts: readonly VirtualHost[];
}

/** Renders the file with the common part. */
export function rememberMain({ state, layout }: InForce): Files {
  const { defaultCertificate: _, ...tls } = state.settings.tls;
  const main: MainFile = {
    settings: { ...state.settings, tls },
    certificates: [...state.certificates.values()].map(({ pem: _pem, ...rest }) => rest),
    authorities: [...state.authorities],
    spares: [...layout.spares],
    resting: [...layout.resting],
    leaving: [...layout.leaving],
    tenancies: [...layout.tenancies],
    known: [...layout.authorities],
    frozen: [...layout.frozen],
    editedHeaders: [...layout.editedHeaders],
    users: [...layout.users],
    hasScript: layout.hasScript,
    gateways: {
      tlsNames: [...state.gateways.tlsNames.values()],
      places: [...state.gateways.places],
      ports: [...state.gateways.ports],
      inner: [...state.gateways.inner],
      clients: [...state.gateways.clients],
      endedNames: [...state.gateways.endedNames.values()],
    },
  };
  return new Map([['state/main.json', seal(main)]]);
}

interface Shard {
  readonly backends: [string, Backend][];
  readonly sites: Site[];
  readonly passthrough: Passthrough[];
  readonly hosts: VirtualHost[];
}

const siteIndex = new ShardIndex<Site>(({ host }) => host);
const nameIndex = new ShardIndex<Passthrough>(({ host }) => host);
const hostIndex = new ShardIndex<VirtualHost>(({ key }) => key);

/** Renders the files of some shards: backends by their section, hosts by their name. */
export function rememberShards({ state, layout }: InForce, shards: ReadonlySet<number>): Files {
  const files = new Map<number, Shard>();
  for (const shard of shards) files.set(shard, { backends: [], sites: [], passthrough: [], hosts: [] });
  for (const [id, section, shard] of sectionIndex.list(layout.sections, shards)) {
    const backend = state.backends.get(id);
    if (backend !== undefined) files.get(shard)?.backends.push([section, backend]);
  }
  for (const [, site, shard] of siteIndex.list(state.sites, shards)) files.get(shard)?.sites.push(site);
  for (const [, name, shard] of nameIndex.list(state.passthrough, shards)) files.get(shard)?.passthrough.push(name);
  for (const [, host, shard] of hostIndex.list(state.gateways.hosts, shards)) files.get(shard)?.hosts.push(host);
  return new Map([...files].map(([shard, content]) => [`state/${shard}.json`, () => [seal(content)]]));
}

/** Reads the state in the folder of a generation. Returns undefined if it is incomplete. */
export async function recall(folder: string): Promise<InForce | undefined> {
  try {
    const names = await readdir(join(folder, 'state'));
    if (names.includes('changing')) return undefined;
    const main: MainFile = open(await readFile(join(folder, 'state/main.json'), 'utf8'));
    const shards = await Promise.all(
      Array.from(
        { length: shardCount },
        async (_, shard): Promise<ShardFile> => open(await readFile(join(folder, `state/${shard}.json`), 'utf8')),
      ),
    );
    const pem = async (path: string): Promise<string> => await readFile(join(folder, path), 'utf8');
    const certificates = new Map<string, Certificate>();
    for (const each of main.certificates) {
      certificates.set(each.name, { ...each, pem: await pem(certificateFile(each.name)) });
    }
    const defaultCertificate = await pem('certs/default.pem');
    const placed = shards.flatMap(({ backends }) => backends);
    const state: HttpState = {
      settings: { ...main.settings, tls: { ...main.settings.tls, defaultCertificate } },
      sites: new Map(shards.flatMap(({ sites }) => sites).map((site) => [site.host, site])),
      passthrough: new Map(shards.flatMap(({ passthrough }) => passthrough).map((name) => [name.host, name])),
      backends: new Map(placed.map(([, backend]) => [backend.id, backend])),
      certificates,
      authorities: new Map(main.authorities),
      gateways: {
        hosts: new Map(shards.flatMap(({ hosts }) => hosts).map((host) => [host.key, host])),
        tlsNames: new Map(main.gateways.tlsNames.map((name) => [name.key, name])),
        places: new Map(main.gateways.places),
        ports: new Map(main.gateways.ports),
        inner: new Map(main.gateways.inner),
        clients: new Map(main.gateways.clients),
        // Only desired states need them.
        owners: new Map(),
        endedNames: new Map(main.gateways.endedNames.map((name) => [name.key, name])),
        defaults: await recallDefaults(main.settings, pem, defaultCertificate),
      },
    };
    const layout: Layout = {
      sections: new Map(placed.map(([section, backend]) => [backend.id, section])),
      spares: new Map(main.spares),
      resting: new Map(main.resting),
      leaving: new Map(main.leaving),
      tenancies: new Map(main.tenancies),
      authorities: new Set(main.known),
      frozen: new Set(main.frozen),
      editedHeaders: new Set(main.editedHeaders),
      users: new Map(main.users),
      hasScript: main.hasScript,
    };
    return { state, layout };
  } catch {
    return undefined;
  }
}

/** Reads the default certificates of inner frontends. */
async function recallDefaults(
  { gateways }: Pick<Settings, 'gateways'>,
  read: (path: string) => Promise<string>,
  usual: string,
): Promise<ReadonlyMap<number, string>> {
  const found = new Map<number, string>();
  for (const number of gateways === undefined ? [] : innerNumbers(gateways)) {
    const pem = await read(innerFiles(number).certificate);
    if (pem !== usual) found.set(number, pem);
  }
  return found;
}

function seal(content: unknown): string {
  const body = JSON.stringify(content);
  return `${version} ${createHash('sha256').update(body).digest('hex')}\n${body}`;
}

/** Throws if the content does not match its checksum. */
function open<T>(text: string): T {
  const end = text.indexOf('\n');
  const content: T = JSON.parse(text.slice(end + 1));
  if (text !== seal(content)) throw new Error('The checksum does not match');
  return content;
}
