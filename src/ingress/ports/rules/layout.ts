import { addressBytes, type Family, type Prefix } from '../../../base/model/address.ts';
import type { NftChain, NftCollection } from '../../../base/rules/nftables/document.ts';
import type { NftElement, NftField } from '../../../base/rules/nftables/element.ts';
import type { IngressPort, WeightedEndpoint } from '../model.ts';
import { describeClients } from './client-list.ts';
import { atSuffix, families } from './families.ts';
import { listFields, type Targets } from './groups.ts';
import { writeMark } from './marks.ts';
import { assignSlots, interleave, type Slot } from './slots.ts';

/** A fixed seed, identical on every node, so that a client gets the same endpoint through each of them. */
const hashSeed = '0x65677265';

/** The layout of one port: everything that it needs in the table. */
export interface PortLayout {
  readonly port: IngressPort;
  readonly targets: readonly MappedTargets[];
  readonly context: LayoutContext;
}

/** Targets with their map, if other ports share it. */
interface MappedTargets extends Targets {
  readonly map: string | undefined;
}

/** Everything else that a port's layout depends on. */
export interface LayoutContext {
  /** Name of the agent. */
  readonly name: string;
  /** Whether the port has its own counter for round robin. */
  readonly hasTurns: boolean;
  /** Returns the map of shared targets. Absent: each port has its own elements. */
  readonly mapOf?: (targets: Targets) => string | undefined;
}

/** Structure that ports can share. Equal IDs mean equal content. */
export type SharedThing =
  | {
      readonly kind: 'chain';
      readonly name: string;
      readonly chain: NftChain;
      /** Chains that the ports will need when an endpoint is added or removed. */
      readonly neighbours: readonly { readonly name: string; readonly chain: NftChain }[];
    }
  | {
      readonly kind: 'collection';
      readonly name: string;
      readonly collection: NftCollection;
      /** Whether it has an element per slot, which are very many. */
      readonly holdsTargets?: true;
    }
  | { readonly kind: 'element'; readonly element: NftElement };

/**
 * Computes the layout of a port. A Route costs elements, not chains: one map from protocol and port to a chain per
 * number of slots, and one map from port and slot to the endpoint. The cost of an update therefore depends only on
 * the change, and the kernel never has to inspect the rest.
 */
export function layOutPort(port: IngressPort, context: LayoutContext): PortLayout {
  const targets = familiesOf(port).map((family) => spreadTargets(port, family, context.hasTurns));
  return { port, context, targets: targets.map((one) => ({ ...one, map: context.mapOf?.(one) })) };
}

/** Returns the families in which a port is served. */
export function familiesOf({ address }: IngressPort): readonly Family[] {
  return address === undefined ? families : [address.family];
}

/** Slots by their endpoints and their distribution. */
const spread = new WeakMap<readonly WeightedEndpoint[], Map<string, Targets>>();

/**
 * Returns the targets of a port: the same value for ports that share their endpoints, because distributing 1,000 is
 * slow.
 */
export function spreadTargets(port: IngressPort, family: Family, hasTurns: boolean): Targets {
  const { endpoints, protocol, balance, localOnly, refused } = port;
  const key = [protocol, family, balance === 'source', localOnly, refused?.[family], hasTurns].join(' ');
  let known = spread.get(endpoints);
  if (known === undefined) {
    known = new Map();
    spread.set(endpoints, known);
  }
  let targets = known.get(key);
  if (targets === undefined) {
    const own = endpoints.filter(({ address, local }) => address.family === family && (local || localOnly !== true));
    const slots = assignSlots(own, balance, refused?.[family]);
    targets = { family, slots: hasTurns ? interleave(slots) : slots };
    known.set(key, targets);
  }
  return targets;
}

/** Yields the elements that belong to this port only. */
export function* listOwnElements({ port, targets, context }: PortLayout): Generator<NftElement> {
  const key = writePortKey(port);
  const suffix = port.address === undefined ? '' : atSuffix;
  for (const { family, slots, map } of targets) {
    if (slots.length === 0) {
      yield { collection: `refused${family}${suffix}`, key };
      continue;
    }
    const value = { goto: chainName(port, family, sizeOf(slots), context, map) };
    yield { collection: `ports${family}${suffix}`, key, value };
    if (map !== undefined) continue;
    const collection = targetMap(port, family);
    const place: readonly NftField[] = [...listAddress(port), { type: 'inet_service', port: port.port }];
    const values = new Map<WeightedEndpoint, readonly NftField[]>();
    for (const [slot, endpoint] of slots.entries()) {
      // Without an element the connection reaches the node itself, which has no listener there and rejects it.
      if (endpoint === undefined) continue;
      const value = values.get(endpoint) ?? listFields(endpoint);
      values.set(endpoint, value);
      yield { collection, key: [...place, { type: 'slot', slot }], value };
    }
  }
  if (port.allowed === undefined) return;
  const { networks, own } = describeClients(port.allowed);
  if (own !== undefined) {
    yield { collection: 'lists', key, value: { goto: own.name } };
    return;
  }
  yield { collection: 'guarded', key };
  for (const prefix of networks) {
    yield { collection: `allowed${prefix.address.family}`, key: [...key, { type: 'prefix', prefix }] };
  }
}

/** Returns the key of a port in sets and maps: protocol and port, and for a virtual address the address. */
export function writePortKey(port: IngressPort): readonly NftField[] {
  return [
    { type: 'inet_proto', protocol: port.protocol },
    { type: 'inet_service', port: port.port },
    ...listAddress(port),
  ];
}

function listAddress({ address }: IngressPort): readonly NftField[] {
  return address === undefined ? [] : [{ type: 'addr', address }];
}

/** Yields the number of the port's elements in each map of targets, by the map's name. */
export function* countTargets({ port, targets }: PortLayout): Generator<[collection: string, count: number]> {
  for (const { family, slots, map } of targets) if (map === undefined) yield [targetMap(port, family), slots.length];
}

/** Yields the structure that the port needs and others may share, by ID. */
export function* listShared({ port, targets, context }: PortLayout): Generator<[id: string, thing: SharedThing]> {
  if (port.allowed !== undefined) yield* listSharedClients(port.allowed);
  for (const { family, slots, map } of targets) {
    if (slots.length === 0) continue;
    const word = family === 4 ? 'ip' : 'ip6';
    const name = map ?? targetMap(port, family);
    // Only `typeof` can declare the type of a slot.
    const key = `${map === undefined ? writePlace(port, word) : ''}numgen random mod 65536`;
    const collection = emptyMap(`typeof ${key} : ${word} daddr . ${port.protocol} dport`);
    const thing = { kind: 'collection', name, collection } as const;
    yield [`collection ${name}`, map === undefined ? { ...thing, holdsTargets: true } : thing];
    const size = sizeOf(slots);
    const chain = describeChain(port, family, size, context, map);
    // Sizes of `source` change rarely and by large steps; a chain for round robin belongs to one port.
    const isAlone = map !== undefined || isBySource(port, slots.length) || (context.hasTurns && slots.length > 1);
    const near = isAlone ? [] : [slots.length - 1, slots.length + 1].filter((count) => count > 0);
    const neighbours = near.map((count) =>
      describeChain(port, family, { ...size, count }, { ...context, hasTurns: false }, undefined),
    );
    yield [`chain ${chain.name}`, { kind: 'chain', ...chain, neighbours }];
  }
}

function* listSharedClients(allowed: readonly Prefix[]): Generator<[id: string, thing: SharedThing]> {
  const { own } = describeClients(allowed);
  if (own === undefined) return;
  for (const [name, collection] of own.sets) yield [`collection ${name}`, { kind: 'collection', name, collection }];
  yield [`chain ${own.name}`, { kind: 'chain', name: own.name, chain: own.chain, neighbours: [] }];
}

/** Yields what endpoints on this node need: their clients' source addresses are kept, except their own. */
export function* listPlaces(endpoints: readonly WeightedEndpoint[]): Generator<[id: string, thing: SharedThing]> {
  for (const { address, local } of endpoints) {
    if (!local) continue;
    const field: NftField = { type: 'addr', address };
    const here: NftElement = { collection: `local${address.family}`, key: [field] };
    const self: NftElement = { collection: `hairpin${address.family}`, key: [field, field] };
    yield [`local ${address.text}`, { kind: 'element', element: here }];
    yield [`hairpin ${address.text}`, { kind: 'element', element: self }];
  }
}

function emptyMap(head: string): NftCollection {
  return { kind: 'map', head: [head], elements: new Map() };
}

function targetMap({ protocol, address }: IngressPort, family: Family): string {
  return `${protocol}${family}${address === undefined ? '' : atSuffix}`;
}

/** Renders the first fields of the key in a map of targets that is not shared. */
function writePlace({ protocol, address }: IngressPort, word: string): string {
  return `${address === undefined ? '' : `${word} daddr . `}${protocol} dport . `;
}

/** Number of slots, and whether some of them reject connections. */
interface SlotCount {
  readonly count: number;
  readonly hasRefused: boolean;
}

function sizeOf(slots: readonly Slot[]): SlotCount {
  return { count: slots.length, hasRefused: slots.includes(undefined) };
}

function chainName(
  port: IngressPort,
  family: Family,
  { count, hasRefused }: SlotCount,
  { hasTurns }: LayoutContext,
  map = targetMap(port, family),
): string {
  const how = isBySource(port, count) ? 'source' : hasTurns && count > 1 ? `turn-${nameOf(port)}` : 'random';
  return `${map}-${how}-${count}${hasRefused ? '-refused' : ''}`;
}

/** Returns the port, and the address in hexadecimal digits, because names in nft contain no colons. */
function nameOf({ port, address }: IngressPort): string {
  return address === undefined ? `${port}` : `${port}-${Buffer.from(addressBytes(address)).toString('hex')}`;
}

/** A single slot leaves no choice. */
function isBySource({ balance }: IngressPort, slots: number): boolean {
  return balance === 'source' && slots > 1;
}

function describeChain(
  port: IngressPort,
  family: Family,
  size: SlotCount,
  context: LayoutContext,
  map: string | undefined,
): { name: string; chain: NftChain } {
  const { count, hasRefused } = size;
  const word = family === 4 ? 'ip' : 'ip6';
  const turns = context.hasTurns && count > 1 ? 'inc' : 'random';
  const pick = isBySource(port, count)
    ? `jhash ${word} saddr mod ${count} seed ${hashSeed}`
    : `numgen ${turns} mod ${count}`;
  const translate = (choice: string): string =>
    map === undefined
      ? `dnat ${word} to ${writePlace(port, word)}${choice} map @${targetMap(port, family)}`
      : `meta l4proto ${port.protocol} dnat ${word} to ${choice} map @${map}`;
  // A transaction that removes an endpoint deletes the last slot for all processors at once, also for packets that are
  // still evaluated by the larger chain. They find the first slot, unless a missing one is there to reject connections.
  const isSafe = count === 1 || hasRefused;
  const rules = [writeMark(context.name).set, translate(pick), ...(isSafe ? [] : [translate('numgen random mod 1')])];
  return { name: chainName(port, family, size, context, map), chain: { rules } };
}
