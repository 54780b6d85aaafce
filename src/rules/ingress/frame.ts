import type { Family } from '../../model/address.ts';
import type { IngressRules } from '../../model/ingress.ts';
import type { NftChain, NftCollection, NftDocument } from '../nftables/document.ts';
import { families } from './families.ts';

/** The bit of connection marks that says: this connection came in by an open port of ours. */
export const ingressMark = 0x20000000;

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

/** The table without any port, and without the base chains that put it in force. */
export function compileFrame({ name, addresses }: Pick<IngressRules, 'name' | 'addresses'>, side: Side): NftDocument {
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
    if (addresses === undefined) continue;
    const served = addresses.filter((one) => one.family === family).map((one) => [one.text, ''] as const);
    collections.set(`served${family}`, { kind: 'set', head: [`type ${address}`], elements: new Map(served) });
  }
  declare('guarded', 'set', 'type inet_proto . inet_service');
  declare('policies', 'map', 'type inet_proto . inet_service : verdict');
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
export function compileBases({ addresses }: Pick<IngressRules, 'addresses'>): ReadonlyMap<string, NftChain> {
  const wanted = (family: Family): string => {
    const word = family === 4 ? 'ip' : 'ip6';
    const served = addresses === undefined ? 'fib daddr type local' : `${word} daddr @served${family}`;
    return `meta nfproto ipv${family} ${served}`;
  };
  const each = (write: (family: Family, word: 'ip' | 'ip6') => string[]): string[] =>
    families.flatMap((family) => write(family, family === 4 ? 'ip' : 'ip6'));
  const port = 'meta l4proto . th dport';
  const open = each((family) => [`${wanted(family)} ${port} vmap @ports${family}`]);
  const mark = `0x${ingressMark.toString(16)}`;
  return new Map([
    [
      'filter-prerouting',
      {
        // Behind the kernel's look-up of the connection, before NAT.
        base: 'type filter hook prerouting priority -110',
        rules: [
          'ct state != new accept',
          ...each((family, word) => [
            `${wanted(family)} ${port} @guarded ${port} . ${word} saddr != @allowed${family} drop`,
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
          `ct mark & ${mark} != ${mark} accept`,
          // An endpoint elsewhere answers to the node; one here to the client, unless that is itself.
          ...each((family, word) => [
            `meta nfproto ipv${family} ${word} daddr != @local${family} masquerade fully-random`,
            `${word} saddr . ${word} daddr @hairpin${family} masquerade`,
          ]),
        ],
      },
    ],
  ]);
}
