import { protocols } from '../../../base/model/redirect.ts';
import { withTable, writeObject } from '../../../base/rules/nftables/changes.ts';
import type { NftChain, NftCollection } from '../../../base/rules/nftables/document.ts';
import { type NftElement, writeKey, writeValue } from '../../../base/rules/nftables/element.ts';
import type { IngressPort } from '../model.ts';
import { numberKeyOf } from '../port-number-key.ts';
import { atSuffix, families } from './families.ts';
import {
  aliveSet,
  compilePlaces,
  compileServed,
  countingSet,
  countingSetAt,
  type FrameRules,
  hasPlaces,
  judgeVirtual,
  passLoopback,
  requireAgent,
  visitPlaced,
  writeAtKey,
  writeHeld,
  writeServed,
} from './frame.ts';
import { writePortKey } from './layout.ts';
import { writeMark } from './marks.ts';
import { describePolicy, type Policy } from './policy.ts';

/** Returns the name of the table of an agent's counters and limits, without its family. */
export function stateTableName(agent: string): string {
  return `ingress-agent-${agent}-state`;
}

/** Sets that count the traffic of open ports, by protocol and port. */
export const trafficSets = ['connections', 'received', 'sent', 'limited'] as const;

/** Those of them that also count ports of virtual addresses, by protocol, port and address. */
export const virtualTrafficSets = ['connections', 'received', 'sent'] as const;
type VirtualTrafficSet = (typeof virtualTrafficSets)[number];

/** The existing part of a table. */
export interface ListedTable {
  readonly chains: readonly string[];
  /** Sets and maps: `set open4-5`. */
  readonly collections: readonly string[];
  /** `ct timeout idle4-tcp-5`. */
  readonly objects: readonly string[];
}

/** An update of the limits. */
export interface StateUpdate {
  /** For `nft -f -`; usually empty. Precedes the elements. */
  readonly structure: string;
  readonly gone: readonly NftElement[];
  readonly come: readonly NftElement[];
}

/**
 * The stateful part: limits of clients, and counters of each port. It has a separate table that is never replaced, so
 * that a restarted agent, or one that needs a larger table for its ports, continues to count from the previous
 * values. A start rewrites the rules and keeps the contents of the sets.
 */
export class StateTable {
  readonly #rules: FrameRules;
  readonly #table: string;
  readonly #policyOf = new Map<number | string, { readonly port: IngressPort; readonly policy: Policy | undefined }>();
  readonly #users = new Map<string, number>();
  /** Structure in the kernel, needed or not. */
  readonly #present = new Set<string>();

  constructor(rules: FrameRules) {
    this.#rules = rules;
    this.#table = `inet ${stateTableName(rules.name)}`;
  }

  /**
   * Renders for `nft -f -`: creates the table, or takes over that of an earlier agent, with the limits of these
   * ports, in one transaction.
   */
  install(ports: readonly IngressPort[], listed: ListedTable | undefined): string {
    const table = this.#table;
    const bases = compileStateBases(this.#rules);
    const collections = new Map<string, NftCollection>([
      ...compileServed(this.#rules),
      ['alive', aliveSet],
      ['policies', { kind: 'map', head: ['type inet_proto . inet_service : verdict'], elements: new Map() }],
      ...trafficSets.map((name) => [name, countingSet] as const),
      ...compilePlaceState(this.#rules),
    ]);
    const policies = new Map<string, Policy>();
    for (const port of ports) {
      const policy = describePolicy(port);
      this.#policyOf.set(numberKeyOf(port), { port, policy });
      if (policy === undefined) continue;
      policies.set(policy.name, policy);
      this.#users.set(policy.name, (this.#users.get(policy.name) ?? 0) + 1);
    }
    const objects = new Map([...policies.values()].flatMap(({ objects: all }) => [...all]));
    for (const { collections: all } of policies.values()) for (const [name, one] of all) collections.set(name, one);
    const kept = new Set(Array.from(collections, ([name, { kind }]) => `${kind} ${name}`));
    const virtual = compilePlaceChains(this.#rules);
    const chains = [...bases.keys(), ...policies.keys(), 'refuse', ...virtual.keys()];
    for (const name of [...collections.keys(), ...objects.keys(), ...policies.keys()]) this.#present.add(name);
    const served = Array.from(collections).filter(([, { elements }]) => elements.size > 0);
    return writeLines([
      `add table ${table} { comment "ingress-agent ${this.#rules.name}, counters and limits"; }`,
      ...(listed?.chains ?? []).map((name) => `flush chain ${table} ${name}`),
      ...(listed?.collections ?? [])
        .filter((one) => /^(?:map policies|set alive|set served|set virtual|set placed)/.test(one))
        .map((one) => `flush ${one.replace(' ', ` ${table} `)}`),
      ...(listed?.chains ?? []).filter((name) => !chains.includes(name)).map((name) => `delete chain ${table} ${name}`),
      ...(listed?.collections ?? [])
        .filter((one) => !kept.has(one))
        .map((one) => `delete ${one.replace(' ', ` ${table} `)}`),
      ...(listed?.objects ?? []).filter((one) => !objects.has(one)).map((one) => `delete ${withTable(table, one)}`),
      ...Array.from(objects).flatMap(([name, body]) =>
        listed?.objects.includes(name) === true ? [] : [writeObject(table, name, body).trimEnd()],
      ),
      ...Array.from(collections).flatMap(([name, { kind, head }]) =>
        listed?.collections.includes(`${kind} ${name}`) === true
          ? []
          : [`add ${kind} ${table} ${name} { ${head.join('; ')}; }`],
      ),
      ...served.map(([name, { elements }]) => `add element ${table} ${name} { ${[...elements.keys()].join(', ')} }`),
      ...Array.from(bases).map(([name, { base }]) => `add chain ${table} ${name} { ${base}; policy accept; }`),
      ...chains.slice(bases.size).map((name) => `add chain ${table} ${name}`),
      ...refuseRules.map((rule) => `add rule ${table} refuse ${rule}`),
      ...Array.from(virtual).flatMap(([name, { rules }]) => writeRules(table, name, rules)),
      ...Array.from(policies.values()).flatMap(({ name, rules }) => writeRules(table, name, rules)),
      ...Array.from(bases).flatMap(([name, { rules }]) => writeRules(table, name, rules)),
      ...Array.from(this.#policyOf.values()).flatMap(({ port, policy }) =>
        policy === undefined ? [] : [addPolicyElement(table, writePolicyElement(port, policy))],
      ),
    ]);
  }

  /**
   * Computes the update to the limits of these ports. A port that is the same object as in the last update has not
   * changed.
   */
  update(ports: readonly IngressPort[]): StateUpdate {
    const gone: NftElement[] = [];
    const come: NftElement[] = [];
    const structure: string[] = [];
    const wanted = new Set<number | string>();
    for (const port of ports) {
      const key = numberKeyOf(port);
      wanted.add(key);
      const known = this.#policyOf.get(key);
      if (known?.port === port) continue;
      const policy = describePolicy(port);
      this.#policyOf.set(key, { port, policy });
      if (known?.policy?.name === policy?.name) continue;
      if (known?.policy !== undefined) gone.push(this.#leave(known.port, known.policy));
      if (policy !== undefined) come.push(this.#join(port, policy, structure));
    }
    for (const [key, { port, policy }] of this.#policyOf) {
      if (wanted.has(key)) continue;
      this.#policyOf.delete(key);
      if (policy !== undefined) gone.push(this.#leave(port, policy));
    }
    return { structure: writeLines(structure), gone, come };
  }

  #leave(port: IngressPort, policy: Policy): NftElement {
    const left = (this.#users.get(policy.name) ?? 1) - 1;
    // The chain stays until the next start, because deleting it makes the kernel inspect the whole table.
    if (left === 0) this.#users.delete(policy.name);
    else this.#users.set(policy.name, left);
    return writePolicyElement(port, policy);
  }

  #join(port: IngressPort, policy: Policy, structure: string[]): NftElement {
    const table = this.#table;
    this.#users.set(policy.name, (this.#users.get(policy.name) ?? 0) + 1);
    if (!this.#present.has(policy.name)) {
      for (const [name, body] of policy.objects) {
        if (!this.#present.has(name)) structure.push(writeObject(table, name, body).trimEnd());
        this.#present.add(name);
      }
      for (const [name, { kind, head }] of policy.collections) {
        if (!this.#present.has(name)) structure.push(`add ${kind} ${table} ${name} { ${head.join('; ')}; }`);
        this.#present.add(name);
      }
      structure.push(`add chain ${table} ${policy.name}`, ...writeRules(table, policy.name, policy.rules));
      this.#present.add(policy.name);
    }
    return writePolicyElement(port, policy);
  }
}

const refuseRules = [
  'update @limited { meta l4proto . th dport }',
  'meta l4proto tcp reject with tcp reset',
  'reject with icmpx port-unreachable',
] as const;

/** Sets and maps for ports at single addresses. */
function compilePlaceState(rules: FrameRules): ReadonlyMap<string, NftCollection> {
  if (!hasPlaces(rules)) return new Map();
  return new Map([
    ...compilePlaces(rules),
    ...families.flatMap((family): [string, NftCollection][] => [
      [
        `policies${family}${atSuffix}`,
        { kind: 'map', head: [`type inet_proto . inet_service . ipv${family}_addr : verdict`], elements: new Map() },
      ],
      ...virtualTrafficSets.map((set): [string, NftCollection] => [
        `${set}${family}${atSuffix}`,
        countingSetAt(family),
      ]),
    ]),
  ]);
}

/** Rules of single addresses: their own policies and counters, because ports of several addresses share numbers. */
function compilePlaceChains(rules: FrameRules): ReadonlyMap<string, { readonly rules: readonly string[] }> {
  if (!hasPlaces(rules)) return new Map();
  const count = (set: VirtualTrafficSet, when = ''): readonly string[] =>
    families.flatMap((family) =>
      protocols.map((protocol) => {
        const key = `meta l4proto . ct original proto-dst . ct original ${family === 4 ? 'ip' : 'ip6'} daddr`;
        return `meta nfproto ipv${family} meta l4proto ${protocol} ${when}update @${set}${family}${atSuffix} { ${key} }`;
      }),
    );
  return new Map([
    [
      'place-limits',
      {
        rules: families.map(
          (family) => `${writeHeld(family)} ${writeAtKey(family)} vmap @policies${family}${atSuffix}`,
        ),
      },
    ],
    [
      'place-bytes',
      { rules: [...count('received', 'ct direction original '), ...count('sent', 'ct direction reply ')] },
    ],
    ['place-connections', { rules: count('connections') }],
  ]);
}

/** Returns the base chains of the stateful table, after allow-lists and rejections. */
function compileStateBases(rules: FrameRules): ReadonlyMap<string, NftChain> {
  const port = 'meta l4proto . th dport';
  const limits = families.map((family) => `${writeServed(rules, family)} ${port} vmap @policies`);
  const { isForeign } = writeMark(rules.name);
  // Packets to an own address of a node also count for the ports of all addresses, which have other numbers there.
  const visit = (chain: string, match = ''): readonly string[] => [
    ...judgeVirtual(rules, `goto ${chain}`, match),
    ...visitPlaced(rules, chain, match),
  ];
  const placeLimits = visit('place-limits');
  // nft knows the type of `proto-dst` only after a match of the protocol.
  const count = (set: string, when = ''): string[] =>
    protocols.map(
      (protocol) => `meta l4proto ${protocol} ${when}update @${set} { meta l4proto . ct original proto-dst }`,
    );
  return new Map([
    [
      'limit-prerouting',
      {
        base: 'type filter hook prerouting priority -109',
        rules: ['ct state != new accept', requireAgent, ...placeLimits, ...limits],
      },
    ],
    [
      'limit-output',
      {
        base: 'type filter hook output priority -109',
        rules: ['ct state != new accept', requireAgent, ...passLoopback, ...placeLimits, ...limits],
      },
    ],
    [
      'count-forward',
      {
        base: 'type filter hook forward priority 300',
        rules: [
          `${isForeign} accept`,
          ...visit('place-bytes', 'ct original '),
          ...count('received', 'ct direction original '),
          ...count('sent', 'ct direction reply '),
        ],
      },
    ],
    // NAT chains see only the first packet of a connection.
    [
      'count-postrouting',
      {
        base: 'type nat hook postrouting priority 90',
        rules: [`${isForeign} accept`, ...visit('place-connections', 'ct original '), ...count('connections')],
      },
    ],
  ]);
}

function writePolicyElement(port: IngressPort, { name }: Policy): NftElement {
  const { address } = port;
  const collection = address === undefined ? 'policies' : `policies${address.family}${atSuffix}`;
  return { collection, key: writePortKey(port), value: { goto: name } };
}

function addPolicyElement(table: string, element: NftElement): string {
  return `add element ${table} ${element.collection} { ${writeKey(element)} : ${writeValue(element)} }`;
}

function writeRules(table: string, chain: string, rules: readonly string[]): readonly string[] {
  return rules.map((rule) => `add rule ${table} ${chain} ${rule}`);
}

function writeLines(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}
