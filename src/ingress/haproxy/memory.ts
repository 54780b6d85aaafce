import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { certificateFile } from './command.ts';
import { type Files, shardCount, shardOf } from './files.ts';
import type { InForce, Layout, Tenancy } from './layout.ts';
import type { Backend, Certificate, HttpState, Passthrough, Settings, Site } from './model.ts';
import type { ServerLine } from './section.ts';

/**
 * Version of the state files. They describe the applied state next to the files that HAProxy reads, so that a
 * restarted supervisor can resume. The state is distributed over as many files as the sections. If a file is
 * incomplete, or of another version of this program, the supervisor reloads HAProxy instead.
 */
const version = 2;

interface MainFile {
  readonly settings: Omit<Settings, 'tls'> & { readonly tls: Omit<Settings['tls'], 'defaultCertificate'> };
  readonly certificates: readonly Omit<Certificate, 'pem'>[];
  readonly authorities: [name: string, pem: string][];
  readonly spares: [string, readonly string[]][];
  readonly resting: [string, string][];
  readonly leaving: [string, ServerLine][];
  readonly tenancies: [string, Tenancy][];
  readonly known: readonly string[];
}

interface ShardFile {
  readonly backends: readonly [section: string, backend: Backend][];
  readonly sites: readonly Site[];
  readonly passthrough: readonly Passthrough[];
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
  };
  return new Map([['state/main.json', seal(main)]]);
}

/** Renders the files of some shards: backends by their section, hosts by their name. */
export function rememberShards({ state, layout }: InForce, shards: ReadonlySet<number>): Files {
  const files = new Map<number, { backends: [string, Backend][]; sites: Site[]; passthrough: Passthrough[] }>();
  for (const shard of shards) files.set(shard, { backends: [], sites: [], passthrough: [] });
  for (const [id, section] of layout.sections) {
    const backend = state.backends.get(id);
    if (backend !== undefined) files.get(shardOf(section))?.backends.push([section, backend]);
  }
  for (const site of state.sites.values()) files.get(shardOf(site.host))?.sites.push(site);
  for (const name of state.passthrough.values()) files.get(shardOf(name.host))?.passthrough.push(name);
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
    };
    const layout: Layout = {
      sections: new Map(placed.map(([section, backend]) => [backend.id, section])),
      spares: new Map(main.spares),
      resting: new Map(main.resting),
      leaving: new Map(main.leaving),
      tenancies: new Map(main.tenancies),
      authorities: new Set(main.known),
    };
    return { state, layout };
  } catch {
    return undefined;
  }
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
