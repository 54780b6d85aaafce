import { certificateFile, certificateList, defaultCertificateFile, listLine, listOf } from './command.ts';
import { renderDefaults } from './common.ts';
import { connectLines, scriptLine } from './exchange.ts';
import { exchangeFile, exchangeScript } from './exchange-script.ts';
import type { Loopback } from './frontend-parts.ts';
import { renderFrontends } from './frontends.ts';
import { clientNumbers, innerFiles, innerNumbers } from './gateway-names.ts';
import { type Place, renderGlobal } from './global.ts';
import { type InForce, listFreeSections } from './layout.ts';
import type { MapName, Maps } from './maps.ts';
import type { HttpState, Settings } from './model.ts';
import { listsOf, networksMap, renderNetworksFile } from './networks.ts';
import { authorityFile, makeSection, renderServer, type Section } from './section.ts';
import { allShards, sectionIndex, shardOf } from './shards.ts';
import { renderUsers, usersFile } from './users.ts';

/**
 * Content of a file, or a function that renders it in pieces while it is written, because files of long lists take
 * time.
 */
export type Content = string | (() => Iterable<string>);

/** Content by path relative to the generation's folder. */
export type Files = Map<string, Content>;

/** Renders the configuration without the files that it refers to. Throws {@link UnfitValue}. */
export function renderConfiguration(
  inForce: InForce,
  place: Place,
  loopback: Loopback,
  generation: string,
): Map<string, string> {
  return new Map([...renderFrame(inForce, place, loopback, generation), ...renderShards(inForce, allShards)]);
}

/** Renders the configuration without the files of backends. */
function renderFrame(
  inForce: InForce,
  place: Place,
  loopback: Loopback,
  generation: string,
): readonly [path: string, content: string][] {
  const { settings } = inForce.state;
  return [
    ['conf/00-global.cfg', renderGlobal(settings, place, generation, inForce.layout.hasScript)],
    ['conf/10-defaults.cfg', renderDefaults(settings, inForce.layout.editedHeaders)],
    ['conf/20-frontends.cfg', renderFrontends(settings, loopback)],
    [usersFile, renderUsers(inForce.layout.users)],
  ];
}

/** Renders all files that a new HAProxy reads. Throws {@link UnfitValue}. */
export function renderFiles(inForce: InForce, maps: Maps, place: Place, loopback: Loopback, generation: string): Files {
  const { state } = inForce;
  const files: Files = new Map([
    ...renderFrame(inForce, place, loopback, generation),
    ...Array.from(allShards, (shard): [string, Content] => {
      return [shardFile(shard), () => renderShards(inForce, new Set([shard])).values()];
    }),
    ...renderCertificateLists(inForce),
    [defaultCertificateFile, state.settings.tls.defaultCertificate],
    ...defaultCertificates(state),
    ...clientAuthorities(state),
    ...settingsFiles(state.settings),
    ...(inForce.layout.hasScript ? ([[exchangeFile, exchangeScript]] as const) : []),
  ]);
  for (const name of maps.keys()) files.set(mapFile(name), () => renderMap(maps, name));
  files.set(networksMap, () => renderNetworksFile(listsOf(state.backends.values())));
  for (const { name, pem } of state.certificates.values()) files.set(certificateFile(name), pem);
  for (const [name, pem] of state.authorities) files.set(authorityFile(name, pem), pem);
  return files;
}

/** Returns the file of a map. */
export function mapFile(name: MapName): string {
  return `maps/${name}.map`;
}

/** Entries of a map that are rendered at a time. */
const entriesPerPiece = 1000;

/** Sorted keys of maps at the last rendering, since few of 10,000 change. */
const sortedKeys = new WeakMap<ReadonlyMap<string, string>, { keys: string[]; readonly known: Set<string> }>();

/**
 * Renders a map in pieces, sorted for human readers. Entries that change meanwhile have their new value, which the next
 * rendering writes again.
 */
export function* renderMap(maps: Maps, name: MapName): Generator<string> {
  const entries = maps.get(name) ?? new Map<string, string>();
  const keys = sortKeys(entries);
  for (let at = 0; at < keys.length; at += entriesPerPiece) {
    yield keys
      .slice(at, at + entriesPerPiece)
      .map((key) => {
        const value = entries.get(key);
        return value === undefined ? '' : `${key} ${value}\n`;
      })
      .join('');
  }
}

function sortKeys(entries: ReadonlyMap<string, string>): readonly string[] {
  const last = sortedKeys.get(entries) ?? { keys: [], known: new Set() };
  sortedKeys.set(entries, last);
  const { known } = last;
  const added: string[] = [];
  for (const key of entries.keys()) if (!known.has(key)) added.push(key);
  if (known.size + added.length > entries.size) {
    last.keys = last.keys.filter((key) => entries.has(key) || !known.delete(key));
  }
  if (added.length > 0) last.keys = mergeSorted(last.keys, added.sort());
  for (const key of added) known.add(key);
  return last.keys;
}

function mergeSorted(one: readonly string[], other: readonly string[]): string[] {
  const merged: string[] = [];
  let at = 0;
  for (const key of other) {
    for (let next = one[at]; next !== undefined && next < key; next = one[++at]) merged.push(next);
    merged.push(key);
  }
  for (let next = one[at]; next !== undefined; next = one[++at]) merged.push(next);
  return merged;
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
function defaultCertificates(state: HttpState): Map<string, string> {
  const { gateways } = state.settings;
  const numbers = gateways === undefined ? [] : innerNumbers(gateways);
  return new Map(numbers.map((number) => [innerFiles(number).certificate, innerDefault(state, number)]));
}

/** Returns the default certificate of an inner frontend. */
export function innerDefault({ settings, gateways }: Pick<HttpState, 'settings' | 'gateways'>, number: number): string {
  return gateways.defaults.get(number) ?? settings.tls.defaultCertificate;
}

/** Returns the authorities of frontends that verify client certificates. An unused one has some authority, too. */
function clientAuthorities({ settings, gateways }: HttpState): Map<string, string> {
  const numbers = settings.gateways === undefined ? [] : clientNumbers(settings.gateways);
  const usual =
    /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/.exec(settings.tls.defaultCertificate)?.[0] ?? '';
  return new Map(numbers.map((number) => [innerFiles(number).authorities, gateways.clients.get(number)?.pem ?? usual]));
}

/** Renders the files of some shards. */
export function renderShards(inForce: InForce, some: ReadonlySet<number>): Map<string, string> {
  const texts = new Map<number, string[]>([...some].map((shard) => [shard, []]));
  for (const [id, section, shard] of sectionIndex.list(inForce.layout.sections, some)) {
    if (id === section || inForce.state.backends.has(id)) texts.get(shard)?.push(renderSection(inForce, section, id));
  }
  for (const [section, shape] of listFreeSections(inForce.layout)) {
    texts.get(shardOf(section))?.push(renderSection(inForce, section, undefined, shape));
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
