import { certificateFile, certificateList, defaultCertificateFile, listLine, listOf } from './command.ts';
import { renderDefaults } from './common.ts';
import { connectLines, scriptLine } from './exchange.ts';
import { exchangeFile, exchangeScript } from './exchange-script.ts';
import type { Loopback } from './frontend-parts.ts';
import { renderFrontends } from './frontends.ts';
import { innerFiles, innerNumbers } from './gateway-names.ts';
import { type Place, renderGlobal } from './global.ts';
import { type InForce, spareSections } from './layout.ts';
import type { MapName, Maps } from './maps.ts';
import type { HttpState, Settings } from './model.ts';
import { listsOf, networksMap, renderNetworksFile } from './networks.ts';
import { authorityFile, makeSection, renderServer, type Section } from './section.ts';

/**
 * Content of a file, or a function that renders it in pieces while it is written, because files of long lists take
 * time.
 */
export type Content = string | (() => Iterable<string>);

/** Content by path relative to the generation's folder. */
export type Files = Map<string, Content>;

/** Number of files for sections, large enough that a change rewrites few of them. */
export const shardCount = 64;

/** Renders the configuration without the files that it refers to. Throws {@link UnfitValue}. */
export function renderConfiguration(
  inForce: InForce,
  place: Place,
  loopback: Loopback,
  generation: string,
): Map<string, string> {
  const { settings } = inForce.state;
  return new Map([
    ['conf/00-global.cfg', renderGlobal(settings, place, generation, inForce.layout.hasScript)],
    ['conf/10-defaults.cfg', renderDefaults(settings, inForce.layout.editedHeaders)],
    ['conf/20-frontends.cfg', renderFrontends(settings, loopback)],
    ...renderShards(inForce, new Set(Array.from({ length: shardCount }, (_, shard) => shard))),
  ]);
}

/** Renders all files that a new HAProxy reads. Throws {@link UnfitValue}. */
export function renderFiles(inForce: InForce, maps: Maps, place: Place, loopback: Loopback, generation: string): Files {
  const { state } = inForce;
  const files: Files = new Map([
    ...renderConfiguration(inForce, place, loopback, generation),
    ...renderCertificateLists(inForce),
    [defaultCertificateFile, state.settings.tls.defaultCertificate],
    ...defaultCertificates(state),
    ...settingsFiles(state.settings),
    ...(inForce.layout.hasScript ? ([[exchangeFile, exchangeScript]] as const) : []),
  ]);
  for (const name of maps.keys()) files.set(mapFile(name), renderMap(maps, name));
  files.set(networksMap, () => renderNetworksFile(listsOf(state.backends.values())));
  for (const { name, pem } of state.certificates.values()) files.set(certificateFile(name), pem);
  for (const [name, pem] of state.authorities) files.set(authorityFile(name, pem), pem);
  return files;
}

/** Returns the file of a map. */
export function mapFile(name: MapName): string {
  return `maps/${name}.map`;
}

/** Renders a map, sorted for human readers. */
export function renderMap(maps: Maps, name: MapName): string {
  const entries = maps.get(name) ?? new Map<string, string>();
  return [...entries.keys()]
    .sort()
    .map((key) => `${key} ${entries.get(key)}\n`)
    .join('');
}

/** Renders the lists of certificates that are selected by name, of the default listener and of inner frontends. */
export function renderCertificateLists({ state }: InForce): Map<string, string> {
  const { gateways } = state.settings;
  const lists = new Map<string, string[]>([[certificateList, []]]);
  for (const number of gateways === undefined ? [] : innerNumbers(gateways)) lists.set(innerFiles(number).list, []);
  for (const certificate of state.certificates.values()) {
    lists.get(listOf(certificate))?.push(`${listLine(certificate)}\n`);
  }
  return new Map([...lists].map(([path, lines]) => [path, lines.sort().join('')]));
}

/** Returns the default certificates of inner frontends by file. */
export function defaultCertificates({ settings, gateways }: HttpState): Map<string, string> {
  const numbers = settings.gateways === undefined ? [] : innerNumbers(settings.gateways);
  return new Map(
    numbers.map((number) => [
      innerFiles(number).certificate,
      gateways.defaults.get(number) ?? settings.tls.defaultCertificate,
    ]),
  );
}

/** A cache, because all 10,000 names are needed whenever files are written. */
const shards = new Map<string, number>();

/** Returns the number of the file that contains a section. */
export function shardOf(section: string): number {
  const known = shards.get(section);
  if (known !== undefined) return known;
  let hash = 0x811c9dc5;
  for (let i = 0; i < section.length; i++) hash = Math.imul(hash ^ section.charCodeAt(i), 0x01000193);
  const shard = (hash >>> 0) % shardCount;
  if (shards.size > 200_000) shards.clear();
  shards.set(section, shard);
  return shard;
}

/** Renders the files of some shards. */
export function renderShards(inForce: InForce, some: ReadonlySet<number>): Map<string, string> {
  const texts = new Map<number, string[]>([...some].map((shard) => [shard, []]));
  for (const [id, section] of inForce.layout.sections) {
    if (id === section) texts.get(shardOf(section))?.push(renderSection(inForce, section, id));
  }
  for (const [section, { shape, backend }] of spareSections(inForce)) {
    texts.get(shardOf(section))?.push(renderSection(inForce, section, backend, shape));
  }
  return new Map([...texts].map(([shard, sections]) => [shardFile(shard), sections.sort().join('\n')]));
}

function shardFile(shard: number): string {
  return `conf/30-backends-${String(shard).padStart(2, '0')}.cfg`;
}

function renderSection(inForce: InForce, section: string, id: string | undefined, spareShape = ''): string {
  const backend = id === undefined ? undefined : inForce.state.backends.get(id);
  const { from, shape, servers }: Section =
    backend === undefined
      ? { from: section.startsWith('spare-tcp') ? 'passthrough' : 'http', shape: spareShape, servers: new Map() }
      : makeSection(backend, inForce.state.authorities, id === section);
  const comment = id === undefined || id === section ? '' : ` # ${id}`;
  const { settings } = inForce.state;
  const own = [
    // Beside other filters, HAProxy wants this one to be written.
    ...(settings.compression !== undefined && shape.includes(scriptLine) ? ['filter compression'] : []),
    ...(backend !== undefined && id === section ? connectLines(backend, settings) : []),
  ];
  const more = own.map((line) => `  ${line}\n`).join('');
  const lines = [...servers.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).map(renderServer);
  return `backend ${section} from ${from}${comment}\n${more}${shape}${lines.map((line) => `${line}\n`).join('')}`;
}

function settingsFiles(settings: Settings): [string, string][] {
  const files: [string, string][] = [];
  const { clientTls, errorPages } = settings;
  if (clientTls !== undefined) files.push(['ca/clients.pem', clientTls.authorities]);
  if (clientTls?.revocations !== undefined) files.push(['ca/revoked.pem', clientTls.revocations]);
  if (errorPages[503] !== undefined) files.push(['pages/503.http', errorPages[503]]);
  if (errorPages[404] !== undefined) files.push(['pages/404.http', errorPages[404]]);
  return files;
}
