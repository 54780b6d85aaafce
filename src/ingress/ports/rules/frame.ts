import type { Family } from '../../../base/model/address.ts';
import type { NftChain, NftCollection, NftDocument } from '../../../base/rules/nftables/document.ts';
import type { IngressRules } from '../model.ts';
import { families } from './families.ts';
import { writeMark } from './marks.ts';

/**
 * A table is filled while the one before it is still in force, so there are two names for it, taken
 * in turn.
 */
export const sides = ['a', 'b'] as const;
export type Side = (typeof sides)[number];

/** The name of an agent's table, without its family. */
export function ingressTableName(agent: string, side: Side): string {
  return `ingress-agent-${agent}-${side}`;
}

/** What of an agent's rules is the same whatever ports are open. */
export type FrameRules = Pick<IngressRules, 'name' | 'addresses'>;

/** Which packets an agent serves, in nft's words: those to the node's own addresses, or to some of them. */
export function writeServed({ addresses }: FrameRules, family: Family): string {
  const word = family === 4 ? 'ip' : 'ip6';
  return `meta nfproto ipv${family} ${addresses === undefined ? 'fib daddr type local' : `${word} daddr @served${family}`}`;
}

/** The sets that {@link writeServed} needs. */
export function compileServed({ addresses }: FrameRules): ReadonlyMap<string, NftCollection> {
  if (addresses === undefined) return new Map();
  return new Map(
    families.map((family): [string, NftCollection] => {
      const served = addresses.filter((one) => one.family === family).map((one) => [one.text, ''] as const);
      return [`served${family}`, { kind: 'set', head: [`type ipv${family}_addr`], elements: new Map(served) }];
    }),
  );
}

/**
 * Has an element while an agent renews it. All rules for new connections are behind it, so that rules whose agent is
 * gone send nothing to addresses that other pods may have by then.
 */
export const aliveSet: NftCollection = {
  kind: 'set',
  head: ['type ct_state', 'flags timeout'],
  elements: new Map([['new timeout 10m', '']]),
};

/** Lets new connections pass untouched when the agent is gone. Behind a match of `ct state new` where packets of others arrive. */
export const requireAgent = 'ct state != @alive accept';

/** For `nft -f -`: the rules of a table stay in force for ten more minutes. */
export function renewTable(table: string): string {
  return `flush set ${table} alive\nadd element ${table} alive { new timeout 10m }\n`;
}

/** As {@link renewTable}, but fails where the rules have expired. */
export function extendTable(table: string): string {
  return `delete element ${table} alive { new }\nadd element ${table} alive { new timeout 10m }\n`;
}

/** Connections of the node to itself by loopback are not served. */
export const passLoopback = ['ip daddr 127.0.0.0/8 accept', 'ip6 daddr ::1 accept'] as const;

/** A set that counts by protocol and port: one element for each port that was met. */
export const countingSet: NftCollection = {
  kind: 'set',
  head: ['type inet_proto . inet_service', 'size 65535', 'flags dynamic', 'counter'],
  elements: new Map(),
};

/** The table without any port, and without the base chains that put it in force. */
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
    // Bridges whose frames pass no rules: what stays on one would be answered past the node.
    declare(`bridged${family}`, 'set', 'type ifname . ifname');
  }
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
    ]),
  };
}

/** The base chains: the same whatever ports are open. With them a table is in force. */
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
  // Last, since the chain of a list decides for good.
  guard.push(...each((family) => [`${writeServed(rules, family)} ${port} vmap @lists`]));
  return new Map([
    // Behind the kernel's look-up of the connection, before NAT.
    [
      'filter-prerouting',
      { base: 'type filter hook prerouting priority -110', rules: ['ct state != new accept', requireAgent, ...guard] },
    ],
    ['nat-prerouting', { base: 'type nat hook prerouting priority -100', rules: [requireAgent, ...open] }],
    // The node's own connections to its own addresses: lists hold for them, too.
    [
      'filter-output',
      {
        base: 'type filter hook output priority -110',
        rules: ['ct state != new accept', requireAgent, ...passLoopback, ...guard],
      },
    ],
    ['nat-output', { base: 'type nat hook output priority -100', rules: [requireAgent, ...passLoopback, ...open] }],
    [
      'nat-postrouting',
      {
        base: 'type nat hook postrouting priority 100',
        rules: [
          `${writeMark(rules.name).isForeign} accept`,
          // An endpoint elsewhere answers to the node; one here to the client, unless that is itself or
          // its neighbour on a bridge.
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
