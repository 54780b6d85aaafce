import type { Family } from '../../../base/model/address.ts';
import { formatRange } from '../../../base/model/address-range.ts';
import type { NftChain, NftCollection, NftDocument } from '../../../base/rules/nftables/document.ts';
import type { IngressRules } from '../model.ts';
import { atSuffix, families } from './families.ts';
import { writeMark } from './marks.ts';

/** A new table is filled while the previous one is still active, so there are two names, used alternately. */
export const sides = ['a', 'b'] as const;
export type Side = (typeof sides)[number];

/** Returns the name of an agent's table without its family. */
export function ingressTableName(agent: string, side: Side): string {
  return `ingress-agent-${agent}-${side}`;
}

/** The part of an agent's rules that does not depend on the open ports. */
export type FrameRules = Pick<IngressRules, 'name' | 'addresses' | 'virtual' | 'placed'>;

/** Renders a match for the packets that an agent serves: those to the node's own addresses, or to some of them. */
export function writeServed({ addresses }: FrameRules, family: Family): string {
  const word = family === 4 ? 'ip' : 'ip6';
  return `meta nfproto ipv${family} ${addresses === undefined ? 'fib daddr type local' : `${word} daddr @served${family}`}`;
}

/** Returns the sets that {@link writeServed} refers to. */
export function compileServed({ addresses }: FrameRules): ReadonlyMap<string, NftCollection> {
  if (addresses === undefined) return new Map();
  return new Map(
    families.map((family): [string, NftCollection] => {
      const served = addresses.filter((one) => one.family === family).map((one) => [one.text, ''] as const);
      return [`served${family}`, { kind: 'set', head: [`type ipv${family}_addr`], elements: new Map(served) }];
    }),
  );
}

/** Returns whether the rules serve virtual addresses. Without them, packets pass no rule about them. */
export function hasVirtual({ virtual }: { readonly virtual?: IngressRules['virtual'] | undefined }): boolean {
  return virtual !== undefined && virtual.length > 0;
}

/** Single addresses with ports of their own. Without them, packets pass no rule about addresses. */
interface Places {
  readonly virtual?: IngressRules['virtual'] | undefined;
  readonly placed?: IngressRules['placed'] | undefined;
}

/** Returns whether the rules serve ports at own addresses of nodes. */
export function hasPlaced({ placed }: Places): boolean {
  return placed !== undefined && placed.length > 0;
}

/** Returns whether the rules serve ports at single addresses. */
export function hasPlaces(rules: Places): boolean {
  return hasVirtual(rules) || hasPlaced(rules);
}

/** Returns the sets of virtual addresses, and of own addresses of nodes with ports of their own. */
export function compilePlaces(rules: FrameRules): ReadonlyMap<string, NftCollection> {
  const sets = new Map<string, NftCollection>();
  for (const family of families) {
    const add = (name: string, texts: readonly string[], ...flags: readonly string[]): void => {
      const elements = new Map(texts.map((text) => [text, ''] as const));
      sets.set(`${name}${family}`, { kind: 'set', head: [`type ipv${family}_addr`, ...flags], elements });
    };
    const { virtual = [], placed = [] } = rules;
    const ranges = virtual.filter((one) => one.family === family).map(formatRange);
    if (hasVirtual(rules)) add('virtual', ranges, 'flags interval');
    const own = placed.filter((one) => one.family === family).map(({ text }) => text);
    if (hasPlaced(rules)) add('placed', own);
  }
  return sets;
}

/** Renders for `nft -f -`: replaces the addresses of a table with ports of their own. */
export function replacePlaces(table: string, rules: FrameRules): string {
  return Array.from(compilePlaces(rules), ([name, { elements }]) =>
    [
      `flush set ${table} ${name}\n`,
      elements.size === 0 ? '' : `add element ${table} ${name} { ${[...elements.keys()].join(', ')} }\n`,
    ].join(''),
  ).join('');
}

/**
 * Returns a rule for each family with a verdict about packets to virtual addresses, whether this node holds them or
 * not.
 */
export function judgeVirtual(rules: FrameRules, verdict: string, match = ''): readonly string[] {
  if (!hasVirtual(rules)) return [];
  return families.map((family) => `${match}${wordOf(family)} daddr @virtual${family} ${verdict}`);
}

/**
 * Returns a rule for each family that applies a chain to packets to own addresses of nodes with ports of their own.
 * Afterwards, the rules for all addresses apply.
 */
export function visitPlaced(rules: FrameRules, chain: string, match = ''): readonly string[] {
  if (!hasPlaced(rules)) return [];
  return families.map((family) => `${match}${wordOf(family)} daddr @placed${family} jump ${chain}`);
}

/** Renders a match of the packets to an address that this node has, in one family. */
export function writeHeld(family: Family): string {
  return `meta nfproto ipv${family} fib daddr type local`;
}

/** The key of a port at an address in the rules. */
export function writeAtKey(family: Family): string {
  return `meta l4proto . th dport . ${wordOf(family)} daddr`;
}

function wordOf(family: Family): 'ip' | 'ip6' {
  return family === 4 ? 'ip' : 'ip6';
}

/** A set with a counter per protocol, port and address. */
export function countingSetAt(family: Family): NftCollection {
  const head = [`type inet_proto . inet_service . ipv${family}_addr`, 'size 65535', 'flags dynamic', 'counter'];
  return { kind: 'set', head, elements: new Map() };
}

/**
 * Contains an element while an agent renews it. All rules for new connections follow a check of it, so that rules
 * without an agent forward nothing to addresses that other pods may have by then.
 */
export const aliveSet: NftCollection = {
  kind: 'set',
  head: ['type ct_state', 'flags timeout'],
  elements: new Map([['new timeout 10m', '']]),
};

/**
 * Lets new connections pass untouched if no agent runs. Follows a match of `ct state new` where other packets arrive.
 */
export const requireAgent = 'ct state != @alive accept';

/** Input of `nft -f -` that keeps the rules of a table active for ten more minutes. */
export function renewTable(table: string): string {
  return `flush set ${table} alive\nadd element ${table} alive { new timeout 10m }\n`;
}

/** Like {@link renewTable}, but fails if the rules have expired. */
export function extendTable(table: string): string {
  return `delete element ${table} alive { new }\nadd element ${table} alive { new timeout 10m }\n`;
}

/** The node's connections to itself over loopback are not served. */
export const passLoopback = ['ip daddr 127.0.0.0/8 accept', 'ip6 daddr ::1 accept'] as const;

/** A set with a counter per protocol and port. */
export const countingSet: NftCollection = {
  kind: 'set',
  head: ['type inet_proto . inet_service', 'size 65535', 'flags dynamic', 'counter'],
  elements: new Map(),
};

/** Returns the table without ports, and without the base chains that activate it. */
export function compileFrame(rules: FrameRules, side: Side): NftDocument {
  const { name } = rules;
  const collections = new Map<string, NftCollection>();
  const declare = (one: string, kind: 'map' | 'set', ...head: string[]): void => {
    collections.set(one, { kind, head, elements: new Map() });
  };
  for (const family of families) {
    const address = `ipv${family}_addr`;
    declare(`ports${family}`, 'map', 'type inet_proto . inet_service : verdict');
    declare(`refused${family}`, 'set', 'type inet_proto . inet_service');
    declare(`allowed${family}`, 'set', `type inet_proto . inet_service . ${address}`, 'flags interval');
    declare(`local${family}`, 'set', `type ${address}`);
    declare(`hairpin${family}`, 'set', `type ${address} . ${address}`);
    // Bridges whose frames bypass the rules: replies that stay on one would bypass the node.
    declare(`bridged${family}`, 'set', 'type ifname . ifname');
    if (!hasPlaces(rules)) continue;
    const key = `inet_proto . inet_service . ${address}`;
    declare(`ports${family}${atSuffix}`, 'map', `type ${key} : verdict`);
    declare(`refused${family}${atSuffix}`, 'set', `type ${key}`);
    collections.set(`unserved${family}${atSuffix}`, countingSetAt(family));
  }
  for (const [one, collection] of compilePlaces(rules)) collections.set(one, collection);
  for (const [one, collection] of compileServed(rules)) collections.set(one, collection);
  collections.set('alive', aliveSet);
  declare('guarded', 'set', 'type inet_proto . inet_service');
  declare('lists', 'map', 'type inet_proto . inet_service : verdict');
  for (const one of ['unlisted', 'unserved']) collections.set(one, countingSet);
  return {
    table: `inet ${ingressTableName(name, side)}`,
    comment: `ingress-agent ${name}`,
    objects: new Map(),
    collections,
    chains: new Map([
      ['refuse', { rules: ['meta l4proto tcp reject with tcp reset', 'reject with icmpx port-unreachable'] }],
      ...(hasPlaces(rules) ? [['place-refused', { rules: listPlaceRefusals() }] as const] : []),
    ]),
  };
}

function listPlaceRefusals(): readonly string[] {
  return families.map((family) => {
    const key = writeAtKey(family);
    const [refused, unserved] = ['refused', 'unserved'].map((name) => `${name}${family}${atSuffix}`);
    return `${writeHeld(family)} ${key} @${refused} update @${unserved} { ${key} } jump refuse`;
  });
}

/** Returns the base chains, which do not depend on the open ports. They activate a table. */
export function compileBases(rules: FrameRules): ReadonlyMap<string, NftChain> {
  const each = (write: (family: Family, word: 'ip' | 'ip6') => string[]): string[] =>
    families.flatMap((family) => write(family, family === 4 ? 'ip' : 'ip6'));
  const port = 'meta l4proto . th dport';
  const open = each((family) => [`${writeServed(rules, family)} ${port} vmap @ports${family}`]);
  const guard = each((family, word) => {
    const served = writeServed(rules, family);
    return [
      `${served} ${port} @guarded ${port} . ${word} saddr != @allowed${family} update @unlisted { ${port} } drop`,
      `${served} ${port} @refused${family} update @unserved { ${port} } jump refuse`,
    ];
  });
  // Last, because the chain of a list gives the final verdict.
  guard.push(...each((family) => [`${writeServed(rules, family)} ${port} vmap @lists`]));
  const placesFirst = [...judgeVirtual(rules, 'goto place-refused'), ...visitPlaced(rules, 'place-refused')];
  // Ends this table's part only: rules of other programs, such as kube-proxy's, still see the packet.
  const passVirtual = judgeVirtual(rules, 'accept');
  const openAt = (set: string): string[] =>
    each((family, word) => [
      `${word} daddr @${set}${family} ${writeHeld(family)} ${writeAtKey(family)} vmap @ports${family}${atSuffix}`,
    ]);
  const openVirtual = hasVirtual(rules) ? openAt('virtual') : [];
  // After the rules of other programs, as for the other ports of the node.
  const openPlaced = hasPlaced(rules) ? openAt('placed') : [];
  return new Map([
    // After the kernel's connection lookup, before NAT.
    [
      'filter-prerouting',
      {
        base: 'type filter hook prerouting priority -110',
        rules: ['ct state != new accept', requireAgent, ...placesFirst, ...guard],
      },
    ],
    ...(openVirtual.length === 0
      ? []
      : [
          // Before the rules of other programs, because a virtual address belongs to its owner alone: a pod's hostPort
          // 80 must not get the connections of a Gateway.
          ['virtual-prerouting', virtualBase('prerouting', [requireAgent, ...openVirtual])] as const,
          ['virtual-output', virtualBase('output', [requireAgent, ...passLoopback, ...openVirtual])] as const,
        ]),
    [
      'nat-prerouting',
      { base: 'type nat hook prerouting priority -100', rules: [requireAgent, ...passVirtual, ...openPlaced, ...open] },
    ],
    // Allow-lists also apply to the node's own connections to its own addresses.
    [
      'filter-output',
      {
        base: 'type filter hook output priority -110',
        rules: ['ct state != new accept', requireAgent, ...passLoopback, ...placesFirst, ...guard],
      },
    ],
    [
      'nat-output',
      {
        base: 'type nat hook output priority -100',
        rules: [requireAgent, ...passLoopback, ...passVirtual, ...openPlaced, ...open],
      },
    ],
    [
      'nat-postrouting',
      {
        base: 'type nat hook postrouting priority 100',
        rules: [
          `${writeMark(rules.name).isForeign} accept`,
          // An endpoint on another node replies to the node; one on this node replies to the client, unless that is
          // itself or its neighbor on a bridge.
          ...each((family, word) => [
            `meta nfproto ipv${family} ${word} daddr != @local${family} masquerade fully-random`,
            `${word} saddr . ${word} daddr @hairpin${family} masquerade`,
            `meta nfproto ipv${family} meta iifname . meta oifname @bridged${family} masquerade`,
          ]),
        ],
      },
    ],
  ]);
}

function virtualBase(hook: 'prerouting' | 'output', rules: readonly string[]): NftChain {
  return { base: `type nat hook ${hook} priority -105`, rules };
}
