import { containsAddress, type Family, formatPrefix, networkOf, type Prefix } from '../../model/address.ts';
import type { IngressPort, IngressRules, WeightedEndpoint } from '../../model/ingress.ts';
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

/**
 * Lays an ingress node's ports out as one nftables table. A route costs elements, not chains: a map
 * from protocol and port to a chain for its number of slots, and one map from port and slot to the
 * endpoint. So an update costs what changed, and the kernel never has to look at the rest.
 *
 * On a packet's way: allow-lists and refusals, limits and timeouts (filter, before NAT); the
 * endpoint (NAT); the node's own address as source where the endpoint could not answer otherwise.
 */
export function compileIngress(rules: IngressRules): NftDocument {
  const table = new TableBuilder(rules);
  for (const port of rules.ports) table.addPort(port);
  return table.finish();
}

class TableBuilder {
  readonly #rules: IngressRules;
  readonly #collections = new Map<string, Mutable>();
  readonly #chains = new Map<string, NftChain>();
  readonly #objects = new Map<string, readonly string[]>();

  constructor(rules: IngressRules) {
    this.#rules = rules;
    for (const family of families) {
      const address = `ipv${family}_addr`;
      this.#declare(`ports${family}`, 'map', ['type inet_proto . inet_service : verdict']);
      this.#declare(`refused${family}`, 'set', ['type inet_proto . inet_service']);
      this.#declare(`allowed${family}`, 'set', [`type inet_proto . inet_service . ${address}`, 'flags interval']);
      this.#declare(`remote${family}`, 'set', [`type ${address} . inet_proto . inet_service`]);
      this.#declare(`hairpin${family}`, 'set', [`type ${address} . ${address}`]);
    }
    this.#declare('guarded', 'set', ['type inet_proto . inet_service']);
    this.#declare('policies', 'map', ['type inet_proto . inet_service : verdict']);
  }

  addPort(port: IngressPort): void {
    const key = `${port.protocol} . ${port.port}`;
    for (const family of families) this.#addTargets(port, family, key);
    if (port.allowed !== undefined) {
      this.#put('guarded', key, '');
      for (const prefix of withoutCovered(port.allowed))
        this.#put(`allowed${prefix.address.family}`, `${key} . ${formatPrefix(prefix)}`, '');
    }
    const policy = describePolicy(port);
    if (policy === undefined) return;
    this.#put('policies', key, `goto ${policy.name}`);
    this.#chains.set(policy.name, { rules: policy.rules });
    for (const [name, object] of policy.objects) this.#objects.set(name, object);
    for (const [name, { kind, head }] of policy.collections) this.#declare(name, kind, head);
  }

  #addTargets(port: IngressPort, family: Family, key: string): void {
    const own = port.endpoints.filter(
      ({ address, local }) => address.family === family && (local || port.localOnly !== true),
    );
    const slots = assignSlots(own, port.balance);
    if (slots.length === 0) {
      this.#put(`refused${family}`, key, '');
      return;
    }
    const targets = `${port.protocol}${family}`;
    const word = family === 4 ? 'ip' : 'ip6';
    this.#declare(targets, 'map', [
      // Only `typeof` can name the type of a slot.
      `typeof ${port.protocol} dport . numgen random mod 65536 : ${word} daddr . ${port.protocol} dport`,
    ]);
    const chain = `${targets}-${port.balance === 'source' ? 'source' : 'random'}-${slots.length}`;
    const pick =
      port.balance === 'source'
        ? `jhash ${word} saddr mod ${slots.length} seed ${hashSeed}`
        : `numgen random mod ${slots.length}`;
    this.#chains.set(chain, {
      rules: [
        `ct mark set ct mark | 0x${ingressMark.toString(16)}`,
        `dnat ${word} to ${port.protocol} dport . ${pick} map @${targets}`,
      ],
    });
    this.#put(`ports${family}`, key, `goto ${chain}`);
    for (const [slot, endpoint] of slots.entries()) {
      this.#put(targets, `${port.port} . ${slot}`, `${endpoint.address.text} . ${endpoint.port}`);
    }
    for (const endpoint of new Set(slots)) this.#addReturnPath(port, family, endpoint);
  }

  /** An endpoint elsewhere answers to the node; one here to the client, unless that is itself. */
  #addReturnPath(port: IngressPort, family: Family, { address, port: target, local }: WeightedEndpoint): void {
    if (local) this.#put(`hairpin${family}`, `${address.text} . ${address.text}`, '');
    else this.#put(`remote${family}`, `${address.text} . ${port.protocol} . ${target}`, '');
  }

  #declare(name: string, kind: 'map' | 'set', head: readonly string[]): void {
    if (!this.#collections.has(name)) this.#collections.set(name, { kind, head, elements: new Map() });
  }

  #put(collection: string, key: string, value: string): void {
    this.#collections.get(collection)?.elements.set(key, value);
  }

  finish(): NftDocument {
    const { addresses, name } = this.#rules;
    if (addresses !== undefined) {
      for (const family of families) {
        this.#declare(`served${family}`, 'set', [`type ipv${family}_addr`]);
        for (const address of addresses) if (address.family === family) this.#put(`served${family}`, address.text, '');
      }
    }
    return {
      table: `inet ${tablePrefix}${name}`,
      comment: `ingress-agent ${name}`,
      objects: this.#objects,
      collections: this.#collections,
      chains: new Map([
        ['refuse', { rules: ['meta l4proto tcp reject with tcp reset', 'reject with icmpx port-unreachable'] }],
        ...this.#chains,
        ...writeBases(addresses !== undefined),
      ]),
    };
  }
}

interface Mutable extends NftCollection {
  readonly elements: Map<string, string>;
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
