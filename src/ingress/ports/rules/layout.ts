import type { Family, Prefix } from '../../../base/model/address.ts';
import type { NftChain, NftCollection } from '../../../base/rules/nftables/document.ts';
import type { NftElement, NftField } from '../../../base/rules/nftables/element.ts';
import type { IngressPort, WeightedEndpoint } from '../model.ts';
import { describeClients } from './client-list.ts';
import { families } from './families.ts';
import { listFields, type Targets } from './groups.ts';
import { writeMark } from './marks.ts';
import { assignSlots, interleave } from './slots.ts';

/** A seed of our own, the same on every node, so that a client finds its endpoint by whichever it comes. */
const hashSeed = '0x65677265';

/** One port, laid out: everything that it needs of the table. */
export interface PortLayout {
  readonly port: IngressPort;
  readonly targets: readonly MappedTargets[];
  readonly context: LayoutContext;
}

/** Targets with the map that they are in, where others have it too. */
interface MappedTargets extends Targets {
  readonly map: string | undefined;
}

/** What a port's layout depends on beside the port. */
export interface LayoutContext {
  /** The agent's name. */
  readonly name: string;
  /** Whether the port has a counter of its own for turns. */
  readonly hasTurns: boolean;
  /** The map that targets of the port are in, where it shares them; absent: each port has elements of its own. */
  readonly mapOf?: (targets: Targets) => string | undefined;
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
  const targets = families.map((family) => spreadTargets(port, family, context.hasTurns));
  return { port, context, targets: targets.map((one) => ({ ...one, map: context.mapOf?.(one) })) };
}

/** Slots by the endpoints that they are of, and by how those are spread. */
const spread = new WeakMap<readonly WeightedEndpoint[], Map<string, Targets>>();

/** Where a port leads: the same value for ports that share their endpoints, since to spread 1,000 takes long. */
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

/** The elements that no other port can have. */
export function* listOwnElements({ port, targets, context }: PortLayout): Generator<NftElement> {
  const key: readonly NftField[] = [
    { type: 'inet_proto', protocol: port.protocol },
    { type: 'inet_service', port: port.port },
  ];
  for (const { family, slots, map } of targets) {
    if (slots.length === 0) {
      yield { collection: `refused${family}`, key };
      continue;
    }
    yield { collection: `ports${family}`, key, value: { goto: chainName(port, family, slots.length, context, map) } };
    if (map !== undefined) continue;
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

/** How many elements the port has in a map of targets, by the map's name. */
export function* countTargets({ port, targets }: PortLayout): Generator<[collection: string, count: number]> {
  for (const { family, slots, map } of targets) if (map === undefined) yield [targetMap(port, family), slots.length];
}

/** What the port needs and others may need too, by id. */
export function* listShared({ port, targets, context }: PortLayout): Generator<[id: string, thing: SharedThing]> {
  if (port.allowed !== undefined) yield* listSharedClients(port.allowed);
  for (const { family, slots, map } of targets) {
    if (slots.length === 0) continue;
    const word = family === 4 ? 'ip' : 'ip6';
    const name = map ?? targetMap(port, family);
    // Only `typeof` can name the type of a slot.
    const key = `${map === undefined ? `${port.protocol} dport . ` : ''}numgen random mod 65536`;
    const collection = emptyMap(`typeof ${key} : ${word} daddr . ${port.protocol} dport`);
    const thing = { kind: 'collection', name, collection } as const;
    yield [`collection ${name}`, map === undefined ? { ...thing, holdsTargets: true } : thing];
    const chain = describeChain(port, family, slots.length, context, map);
    // Sizes of `source` change seldom, and far; a chain for turns is one port's alone.
    const isAlone = map !== undefined || isBySource(port, slots.length) || (context.hasTurns && slots.length > 1);
    const near = isAlone ? [] : [slots.length - 1, slots.length + 1].filter((size) => size > 0);
    const neighbours = near.map((size) =>
      describeChain(port, family, size, { ...context, hasTurns: false }, undefined),
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

/** What the endpoints on this node need: their clients' sources can stay, but for their own. */
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

function targetMap({ protocol }: IngressPort, family: Family): string {
  return `${protocol}${family}`;
}

function chainName(
  port: IngressPort,
  family: Family,
  slots: number,
  { hasTurns }: LayoutContext,
  map = targetMap(port, family),
): string {
  const how = isBySource(port, slots) ? 'source' : hasTurns && slots > 1 ? `turn-${port.port}` : 'random';
  return `${map}-${how}-${slots}`;
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
  map: string | undefined,
): { name: string; chain: NftChain } {
  const word = family === 4 ? 'ip' : 'ip6';
  const turns = context.hasTurns && slots > 1 ? 'inc' : 'random';
  const pick = isBySource(port, slots)
    ? `jhash ${word} saddr mod ${slots} seed ${hashSeed}`
    : `numgen ${turns} mod ${slots}`;
  const rules = [
    writeMark(context.name).set,
    map === undefined
      ? `dnat ${word} to ${port.protocol} dport . ${pick} map @${targetMap(port, family)}`
      : `meta l4proto ${port.protocol} dnat ${word} to ${pick} map @${map}`,
  ];
  return { name: chainName(port, family, slots, context, map), chain: { rules } };
}
