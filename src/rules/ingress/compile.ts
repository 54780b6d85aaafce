import { containsAddress, type Family, formatPrefix, networkOf, type Prefix } from '../../model/address.ts';
import type { IngressPort, IngressRules } from '../../model/ingress.ts';
import type { NftChain, NftCollection, NftDocument } from '../nftables/document.ts';
import { describePolicy } from './policy.ts';
import { assignSlots } from './slots.ts';

/** The bit of connection marks that says: this connection came in by an open port of ours. */
export const ingressMark = 0x20000000;

/** Every table of an agent begins so, followed by the agent's name. */
const tablePrefix = 'ingress-agent-';

/** A seed of our own, the same on every node, so that a client finds its endpoint by whichever it comes. */
const hashSeed = '0x65677265';

const families = [4, 6] as const;

/** What one port adds to the table. Ports may share chains, objects, sets and elements; equal names mean equal things. */
export interface PortParts {
  readonly elements: readonly (readonly [collection: string, key: string, value: string])[];
  readonly chains: ReadonlyMap<string, NftChain>;
  readonly objects: ReadonlyMap<string, readonly string[]>;
  readonly collections: ReadonlyMap<string, NftCollection>;
}

/**
 * Lays an ingress node's ports out as one nftables table. A route costs elements, not chains: a map
 * from protocol and port to a chain for its number of slots, and one map from port and slot to the
 * endpoint. So an update costs what changed, and the kernel never has to look at the rest.
 *
 * On a packet's way: allow-lists and refusals, limits and timeouts (filter, before NAT); the
 * endpoint (NAT); the node's own address as source where the endpoint could not answer otherwise.
 */
export function compileIngress(rules: IngressRules): NftDocument {
  const frame = compileFrame(rules);
  const objects = new Map<string, readonly string[]>();
  const chains = new Map<string, NftChain>();
  const collections = new Map(
    Array.from(frame.collections, ([name, one]) => [name, { ...one, elements: new Map(one.elements) }]),
  );
  for (const parts of rules.ports.map(compilePort)) {
    for (const [name, object] of parts.objects) objects.set(name, object);
    for (const [name, chain] of parts.chains) chains.set(name, chain);
    for (const [name, one] of parts.collections) {
      if (!collections.has(name)) collections.set(name, { ...one, elements: new Map() });
    }
    for (const [name, key, value] of parts.elements) collections.get(name)?.elements.set(key, value);
  }
  return { ...frame, objects, collections, chains: new Map([...frame.chains].toSpliced(1, 0, ...chains)) };
}

/** The table without any port: what is there as long as the agent is. */
export function compileFrame({ name, addresses }: IngressRules): NftDocument {
  const collections = new Map<string, NftCollection>();
  const declare = (one: string, kind: 'map' | 'set', ...head: string[]): void => {
    collections.set(one, { kind, head, elements: new Map() });
  };
  for (const family of families) {
    const address = `ipv${family}_addr`;
    declare(`ports${family}`, 'map', 'type inet_proto . inet_service : verdict');
    declare(`refused${family}`, 'set', 'type inet_proto . inet_service');
    declare(`allowed${family}`, 'set', `type inet_proto . inet_service . ${address}`, 'flags interval');
    declare(`remote${family}`, 'set', `type ${address} . inet_proto . inet_service`);
    declare(`hairpin${family}`, 'set', `type ${address} . ${address}`);
    if (addresses === undefined) continue;
    const served = addresses.filter((one) => one.family === family).map((one) => [one.text, ''] as const);
    collections.set(`served${family}`, { kind: 'set', head: [`type ${address}`], elements: new Map(served) });
  }
  declare('guarded', 'set', 'type inet_proto . inet_service');
  declare('policies', 'map', 'type inet_proto . inet_service : verdict');
  return {
    table: `inet ${tablePrefix}${name}`,
    comment: `ingress-agent ${name}`,
    objects: new Map(),
    collections,
    chains: new Map([
      ['refuse', { rules: ['meta l4proto tcp reject with tcp reset', 'reject with icmpx port-unreachable'] }],
      ...writeBases(addresses !== undefined),
    ]),
  };
}

/** What one port adds to the table. */
export function compilePort(port: IngressPort): PortParts {
  const key = `${port.protocol} . ${port.port}`;
  const targets = families.map((family) => compileTargets(port, family, key));
  const elements = targets.flatMap((one) => one.elements);
  if (port.allowed !== undefined) {
    elements.push(['guarded', key, '']);
    for (const prefix of withoutCovered(port.allowed)) {
      elements.push([`allowed${prefix.address.family}`, `${key} . ${formatPrefix(prefix)}`, '']);
    }
  }
  const chains = new Map(targets.flatMap((one) => [...one.chains]));
  const collections = new Map(targets.flatMap((one) => [...one.collections]));
  const policy = describePolicy(port);
  if (policy === undefined) return { elements, chains, collections, objects: new Map() };
  elements.push(['policies', key, `goto ${policy.name}`]);
  chains.set(policy.name, { rules: policy.rules });
  for (const [name, one] of policy.collections) collections.set(name, one);
  return { elements, chains, collections, objects: policy.objects };
}

interface MutableParts {
  readonly elements: [string, string, string][];
  readonly chains: Map<string, NftChain>;
  readonly collections: Map<string, NftCollection>;
}

/** Where a port leads, in one family. */
function compileTargets(port: IngressPort, family: Family, key: string): MutableParts {
  const own = port.endpoints.filter(
    ({ address, local }) => address.family === family && (local || port.localOnly !== true),
  );
  const slots = assignSlots(own, port.balance);
  const none = { chains: new Map(), collections: new Map() };
  if (slots.length === 0) return { ...none, elements: [[`refused${family}`, key, '']] };
  const targets = `${port.protocol}${family}`;
  const word = family === 4 ? 'ip' : 'ip6';
  const chain = `${targets}-${port.balance === 'source' ? 'source' : 'random'}-${slots.length}`;
  const pick =
    port.balance === 'source'
      ? `jhash ${word} saddr mod ${slots.length} seed ${hashSeed}`
      : `numgen random mod ${slots.length}`;
  const rules = [
    `ct mark set ct mark | 0x${ingressMark.toString(16)}`,
    `dnat ${word} to ${port.protocol} dport . ${pick} map @${targets}`,
  ];
  // Only `typeof` can name the type of a slot.
  const head = `typeof ${port.protocol} dport . numgen random mod 65536 : ${word} daddr . ${port.protocol} dport`;
  const elements: [string, string, string][] = [[`ports${family}`, key, `goto ${chain}`]];
  for (const [slot, { address, port: target }] of slots.entries()) {
    elements.push([targets, `${port.port} . ${slot}`, `${address.text} . ${target}`]);
  }
  // An endpoint elsewhere answers to the node; one here to the client, unless that is itself.
  for (const { address, port: target, local } of new Set(slots)) {
    if (local) elements.push([`hairpin${family}`, `${address.text} . ${address.text}`, '']);
    else elements.push([`remote${family}`, `${address.text} . ${port.protocol} . ${target}`, '']);
  }
  return {
    elements,
    chains: new Map([[chain, { rules }]]),
    collections: new Map([[targets, { kind: 'map', head: [head], elements: new Map() }]]),
  };
}

/** The base chains: the same whatever ports are open. */
function writeBases(restricted: boolean): [string, NftChain][] {
  const wanted = (family: Family): string => {
    const served = restricted ? `${family === 4 ? 'ip' : 'ip6'} daddr @served${family}` : 'fib daddr type local';
    return `meta nfproto ipv${family} ${served}`;
  };
  const each = (write: (family: Family) => string[]): string[] => families.flatMap(write);
  const port = 'meta l4proto . th dport';
  const open = each((family) => [`${wanted(family)} ${port} vmap @ports${family}`]);
  const saddr = (family: Family): string => `${family === 4 ? 'ip' : 'ip6'} saddr`;
  return [
    [
      'filter-prerouting',
      {
        // Behind the kernel's look-up of the connection, before NAT.
        base: 'type filter hook prerouting priority -110',
        rules: [
          'ct state != new accept',
          ...each((family) => [
            `${wanted(family)} ${port} @guarded ${port} . ${saddr(family)} != @allowed${family} drop`,
            `${wanted(family)} ${port} @refused${family} jump refuse`,
            `${wanted(family)} ${port} vmap @policies`,
          ]),
        ],
      },
    ],
    ['nat-prerouting', { base: 'type nat hook prerouting priority -100', rules: open }],
    // The node's own connections to its own addresses; loopback is not served.
    [
      'nat-output',
      {
        base: 'type nat hook output priority -100',
        rules: ['ip daddr 127.0.0.0/8 accept', 'ip6 daddr ::1 accept', ...open],
      },
    ],
    [
      'nat-postrouting',
      {
        base: 'type nat hook postrouting priority 100',
        rules: [
          `ct mark & 0x${ingressMark.toString(16)} != 0x${ingressMark.toString(16)} accept`,
          ...each((family) => {
            const word = family === 4 ? 'ip' : 'ip6';
            return [
              `${word} daddr . meta l4proto . th dport @remote${family} masquerade fully-random`,
              `${word} saddr . ${word} daddr @hairpin${family} masquerade`,
            ];
          }),
        ],
      },
    ],
  ];
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
