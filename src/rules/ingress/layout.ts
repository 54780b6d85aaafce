import { containsAddress, type Family, networkOf, type Prefix } from '../../model/address.ts';
import type { IngressPort, WeightedEndpoint } from '../../model/ingress.ts';
import type { NftChain, NftCollection } from '../nftables/document.ts';
import type { NftElement, NftField } from '../nftables/element.ts';
import { families } from './families.ts';
import { ingressMark } from './frame.ts';
import { describePolicy, type Policy } from './policy.ts';
import { assignSlots, type Slot } from './slots.ts';

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
  readonly policy: Policy | undefined;
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
  | { readonly kind: 'object'; readonly name: string; readonly body: readonly string[] }
  | { readonly kind: 'element'; readonly element: NftElement };

/**
 * Lays a port out. A route costs elements, not chains: a map from protocol and port to a chain for
 * its number of slots, and one map from port and slot to the endpoint. So an update costs what
 * changed, and the kernel never has to look at the rest.
 */
export function layOutPort(port: IngressPort): PortLayout {
  const targets = families.map((family): Targets => {
    const own = port.endpoints.filter(
      ({ address, local }) => address.family === family && (local || port.localOnly !== true),
    );
    return { family, slots: assignSlots(own, port.balance, port.refused?.[family]) };
  });
  return { port, targets, policy: describePolicy(port) };
}

/** The elements that no other port can have. */
export function* listOwnElements({ port, targets, policy }: PortLayout): Generator<NftElement> {
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
    yield { collection: `ports${family}`, key, value: { goto: chainName(port, family, slots.length) } };
  }
  if (port.allowed !== undefined) {
    yield { collection: 'guarded', key };
    for (const prefix of withoutCovered(port.allowed)) {
      yield { collection: `allowed${prefix.address.family}`, key: [...key, { type: 'prefix', prefix }] };
    }
  }
  if (policy !== undefined) yield { collection: 'policies', key, value: { goto: policy.name } };
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
export function* listShared({ port, targets, policy }: PortLayout): Generator<[id: string, thing: SharedThing]> {
  for (const { family, slots } of targets) {
    if (slots.length === 0) continue;
    const word = family === 4 ? 'ip' : 'ip6';
    const map = targetMap(port, family);
    // Only `typeof` can name the type of a slot.
    const head = `typeof ${port.protocol} dport . numgen random mod 65536 : ${word} daddr . ${port.protocol} dport`;
    yield [`collection ${map}`, { kind: 'collection', name: map, collection: emptyMap(head), holdsTargets: true }];
    const chain = describeChain(port, family, slots.length);
    // Sizes of `source` change seldom, and far.
    const near = isBySource(port, slots.length) ? [] : [slots.length - 1, slots.length + 1].filter((size) => size > 0);
    const neighbours = near.map((size) => describeChain(port, family, size));
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
  if (policy === undefined) return;
  yield [`chain ${policy.name}`, { kind: 'chain', name: policy.name, chain: { rules: policy.rules }, neighbours: [] }];
  for (const [name, collection] of policy.collections) {
    yield [`collection ${name}`, { kind: 'collection', name, collection }];
  }
  for (const [name, body] of policy.objects) yield [`object ${name}`, { kind: 'object', name, body }];
}

function emptyMap(head: string): NftCollection {
  return { kind: 'map', head: [head], elements: new Map() };
}

function targetMap({ protocol }: IngressPort, family: Family): string {
  return `${protocol}${family}`;
}

function chainName(port: IngressPort, family: Family, slots: number): string {
  return `${targetMap(port, family)}-${isBySource(port, slots) ? 'source' : 'random'}-${slots}`;
}

/** Of one slot there is nothing to choose. */
function isBySource({ balance }: IngressPort, slots: number): boolean {
  return balance === 'source' && slots > 1;
}

function describeChain(port: IngressPort, family: Family, slots: number): { name: string; chain: NftChain } {
  const word = family === 4 ? 'ip' : 'ip6';
  const pick = isBySource(port, slots)
    ? `jhash ${word} saddr mod ${slots} seed ${hashSeed}`
    : `numgen random mod ${slots}`;
  const rules = [
    `ct mark set ct mark | 0x${ingressMark.toString(16)}`,
    `dnat ${word} to ${port.protocol} dport . ${pick} map @${targetMap(port, family)}`,
  ];
  return { name: chainName(port, family, slots), chain: { rules } };
}

/** Networks without repetition and overlap, which interval sets do not take: what lies within another goes. */
function withoutCovered(prefixes: readonly Prefix[]): Prefix[] {
  const networks = prefixes.map(networkOf);
  return networks.filter(
    (one, index) =>
      !networks.some(
        (other, place) =>
          place !== index &&
          containsAddress(other, one.address) &&
          (other.length < one.length || (other.length === one.length && place < index)),
      ),
  );
}
