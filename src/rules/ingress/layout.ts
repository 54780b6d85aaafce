import { addressBytes, containsAddress, type Family, networkOf, type Prefix } from '../../model/address.ts';
import type { IngressPort, WeightedEndpoint } from '../../model/ingress.ts';
import type { NftChain, NftCollection } from '../nftables/document.ts';
import type { NftElement, NftField } from '../nftables/element.ts';
import { families } from './families.ts';
import { writeMark } from './marks.ts';
import { assignSlots, interleave, type Slot } from './slots.ts';

/** A seed of our own, the same on every node, so that a client finds its endpoint by whichever it comes. */
const hashSeed = '0x65677265';

/** Where a port leads in one family. */
interface Targets {
  readonly family: Family;
  /** Empty: nowhere. */
  readonly slots: readonly Slot[];
}

/** One port, laid out: everything that it needs of the table. */
export interface PortLayout {
  readonly port: IngressPort;
  readonly targets: readonly Targets[];
  readonly context: LayoutContext;
}

/** What a port's layout depends on beside the port. */
export interface LayoutContext {
  /** The agent's name. */
  readonly name: string;
  /** Whether the port has a counter of its own for turns. */
  readonly hasTurns: boolean;
}

/** What ports can share; equal ids mean equal things. */
export type SharedThing =
  | {
      readonly kind: 'chain';
      readonly name: string;
      readonly chain: NftChain;
      /** Chains that the ports will need when an endpoint comes or goes. */
      readonly neighbours: readonly { readonly name: string; readonly chain: NftChain }[];
    }
  | {
      readonly kind: 'collection';
      readonly name: string;
      readonly collection: NftCollection;
      /** Whether it has an element for each slot: very many. */
      readonly holdsTargets?: true;
    }
  | { readonly kind: 'element'; readonly element: NftElement };

/**
 * Lays a port out. A route costs elements, not chains: a map from protocol and port to a chain for
 * its number of slots, and one map from port and slot to the endpoint. So an update costs what
 * changed, and the kernel never has to look at the rest.
 */
export function layOutPort(port: IngressPort, context: LayoutContext): PortLayout {
  const targets = families.map((family): Targets => {
    const own = port.endpoints.filter(
      ({ address, local }) => address.family === family && (local || port.localOnly !== true),
    );
    const slots = assignSlots(own, port.balance, port.refused?.[family]);
    return { family, slots: context.hasTurns ? interleave(slots) : slots };
  });
  return { port, targets, context };
}

/** The elements that no other port can have. */
export function* listOwnElements({ port, targets, context }: PortLayout): Generator<NftElement> {
  const key: readonly NftField[] = [
    { type: 'inet_proto', protocol: port.protocol },
    { type: 'inet_service', port: port.port },
  ];
  for (const { family, slots } of targets) {
    if (slots.length === 0) {
      yield { collection: `refused${family}`, key };
      continue;
    }
    const collection = targetMap(port, family);
    const service: NftField = { type: 'inet_service', port: port.port };
    const values = new Map<WeightedEndpoint, readonly NftField[]>();
    for (const [slot, endpoint] of slots.entries()) {
      // Without an element a connection comes to the node itself, which has no listener there and refuses it.
      if (endpoint === undefined) continue;
      const value = values.get(endpoint) ?? listFields(endpoint);
      values.set(endpoint, value);
      yield { collection, key: [service, { type: 'slot', slot }], value };
    }
    yield { collection: `ports${family}`, key, value: { goto: chainName(port, family, slots.length, context) } };
  }
  if (port.allowed !== undefined) {
    yield { collection: 'guarded', key };
    for (const prefix of withoutCovered(port.allowed)) {
      yield { collection: `allowed${prefix.address.family}`, key: [...key, { type: 'prefix', prefix }] };
    }
  }
}

function listFields({ address, port }: WeightedEndpoint): readonly NftField[] {
  return [
    { type: 'addr', address },
    { type: 'inet_service', port },
  ];
}

/** How many elements the port has in a map of targets, by the map's name. */
export function* countTargets({ port, targets }: PortLayout): Generator<[collection: string, count: number]> {
  for (const { family, slots } of targets) yield [targetMap(port, family), slots.length];
}

/** What the port needs and others may need too, by id. */
export function* listShared({ port, targets, context }: PortLayout): Generator<[id: string, thing: SharedThing]> {
  for (const { family, slots } of targets) {
    if (slots.length === 0) continue;
    const word = family === 4 ? 'ip' : 'ip6';
    const map = targetMap(port, family);
    // Only `typeof` can name the type of a slot.
    const head = `typeof ${port.protocol} dport . numgen random mod 65536 : ${word} daddr . ${port.protocol} dport`;
    yield [`collection ${map}`, { kind: 'collection', name: map, collection: emptyMap(head), holdsTargets: true }];
    const chain = describeChain(port, family, slots.length, context);
    // Sizes of `source` change seldom, and far; a chain for turns is one port's alone.
    const isAlone = isBySource(port, slots.length) || (context.hasTurns && slots.length > 1);
    const near = isAlone ? [] : [slots.length - 1, slots.length + 1].filter((size) => size > 0);
    const neighbours = near.map((size) => describeChain(port, family, size, { ...context, hasTurns: false }));
    yield [`chain ${chain.name}`, { kind: 'chain', ...chain, neighbours }];
    for (const { address, local } of port.endpoints) {
      if (!local || address.family !== family) continue;
      const field: NftField = { type: 'addr', address };
      const here: NftElement = { collection: `local${family}`, key: [field] };
      const self: NftElement = { collection: `hairpin${family}`, key: [field, field] };
      yield [`local ${address.text}`, { kind: 'element', element: here }];
      yield [`hairpin ${address.text}`, { kind: 'element', element: self }];
    }
  }
}

function emptyMap(head: string): NftCollection {
  return { kind: 'map', head: [head], elements: new Map() };
}

function targetMap({ protocol }: IngressPort, family: Family): string {
  return `${protocol}${family}`;
}

function chainName(port: IngressPort, family: Family, slots: number, { hasTurns }: LayoutContext): string {
  const how = isBySource(port, slots) ? 'source' : hasTurns && slots > 1 ? `turn-${port.port}` : 'random';
  return `${targetMap(port, family)}-${how}-${slots}`;
}

/** Of one slot there is nothing to choose. */
function isBySource({ balance }: IngressPort, slots: number): boolean {
  return balance === 'source' && slots > 1;
}

function describeChain(
  port: IngressPort,
  family: Family,
  slots: number,
  context: LayoutContext,
): { name: string; chain: NftChain } {
  const word = family === 4 ? 'ip' : 'ip6';
  const turns = context.hasTurns && slots > 1 ? 'inc' : 'random';
  const pick = isBySource(port, slots)
    ? `jhash ${word} saddr mod ${slots} seed ${hashSeed}`
    : `numgen ${turns} mod ${slots}`;
  const rules = [
    writeMark(context.name).set,
    `dnat ${word} to ${port.protocol} dport . ${pick} map @${targetMap(port, family)}`,
  ];
  return { name: chainName(port, family, slots, context), chain: { rules } };
}

/**
 * Networks without repetition and overlap, which interval sets do not take: what lies within another goes.
 * Networks are nested or apart, so in the order of their first addresses, the larger first, each one's
 * last cover is the only one to look at.
 */
function withoutCovered(prefixes: readonly Prefix[]): Prefix[] {
  const sorted = prefixes
    .map(networkOf)
    .map((prefix) => ({ prefix, bytes: Buffer.from(addressBytes(prefix.address)) }))
    .sort((one, other) => Buffer.compare(one.bytes, other.bytes) || one.prefix.length - other.prefix.length);
  const kept: Prefix[] = [];
  for (const family of families) {
    let cover: Prefix | undefined;
    for (const { prefix } of sorted) {
      if (prefix.address.family !== family) continue;
      if (cover !== undefined && containsAddress(cover, prefix.address)) continue;
      cover = prefix;
      kept.push(prefix);
    }
  }
  return kept;
}
