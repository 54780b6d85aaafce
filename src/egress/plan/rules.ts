import { type Address, type Family, hostPrefix } from '../../base/model/address.ts';
import { fallbackOf, protocols, type RedirectSet } from '../../base/model/redirect.ts';
import type { Action, Chain, Match, RedirectEntry, RedirectTable, Rule, RuleProgram } from '../../base/model/rules.ts';
import { inwardMark, markMask, outwardMark } from './marks.ts';
import { redirectNames, refuseUnresolved, sharedTable } from './name-rules.ts';

/** Input of {@link compileEgress}. */
export interface EgressRules {
  readonly owner: string;
  /** Interface on the physical network, such as `net1`. */
  readonly egressLink: string;
  /** Pod interface, by family; a family without one redirects nothing. */
  readonly podLinks: Readonly<Partial<Record<Family, string>>>;
  /** Reserved addresses, at most one per family. */
  readonly reserved: readonly Address[];
  readonly redirects: RedirectSet;
  /** 1–15, unique among the attachments in a namespace. */
  readonly slot: number;
}

/**
 * Compiles the rules of one egress router:
 *
 * - Packets that arrive on the pod interface are marked, so that replies and ICMP errors return through it
 *   regardless of the main routing table.
 * - Connections to the pod that match a redirect or the fallback get a new destination. Addresses of a DNS name share
 *   its connections; a name without one refuses them.
 * - Only these connections are forwarded from the pod interface to the egress interface, and only their
 *   replies back. Everything else is rejected, and no new connection enters from outside.
 * - Packets that leave through the egress interface have the reserved source address or are dropped.
 */
export function compileEgress(rules: EgressRules): RuleProgram {
  const families = ([4, 6] as const).filter(
    (family) => reservedOf(rules, family) !== undefined || family === 4, // IPv6 is off on the link when unused
  );
  const shared = routed(rules, families).flatMap(({ family }) =>
    protocols.flatMap((protocol) => sharedTable(rules.redirects, family, protocol)),
  );
  return {
    name: rules.egressLink,
    owner: rules.owner,
    families,
    chains: [
      closeForwarding(rules, families),
      closeInput(rules, families),
      markIncoming(rules, families),
      markOwnReplies(rules, families),
      guardSource(rules, families),
      redirect(rules, families),
      translateSource(rules, families),
    ],
    tables: families.flatMap((family) =>
      protocols.flatMap((protocol) => redirectTable(rules.redirects, family, protocol)),
    ),
    ...(shared.length > 0 && { shared }),
  };
}

function reservedOf(rules: EgressRules, family: Family): Address | undefined {
  return rules.reserved.find((address) => address.family === family);
}

function redirectTable(set: RedirectSet, family: Family, protocol: RedirectTable['protocol']): RedirectTable[] {
  const entries = set.redirects
    .filter((one) => one.protocol === protocol && one.target.family === family)
    .sort((one, other) => one.port - other.port)
    .map((one): [number, RedirectEntry] => [one.port, { address: one.target, port: one.targetPort ?? one.port }]);
  return entries.length === 0 ? [] : [{ family, protocol, entries: new Map(entries) }];
}

type ChainBuilder = (rules: EgressRules, families: readonly Family[]) => Chain;

/** Returns the families that have redirects, with their pod interfaces. */
function routed(rules: EgressRules, families: readonly Family[]): { family: Family; podLink: string }[] {
  return families.flatMap((family) => {
    const podLink = rules.podLinks[family];
    return podLink === undefined || reservedOf(rules, family) === undefined ? [] : [{ family, podLink }];
  });
}

const closeForwarding: ChainBuilder = (rules, families) => {
  const ours = connectionMark(rules);
  const inbound: Match = { on: 'incoming', link: rules.egressLink };
  const outbound: Match = { on: 'outgoing', link: rules.egressLink };
  return {
    hook: 'filter-forward',
    rules: [
      ...routed(rules, families).flatMap(({ family, podLink }): Rule[] => {
        const fromPod: Match = { on: 'incoming', link: podLink };
        const redirected: Match = { on: 'translated', part: 'destination' };
        return [
          { family, matches: [fromPod, outbound, redirected, ours], action: { do: 'accept' } },
          {
            family,
            matches: [
              inbound,
              { on: 'outgoing', link: podLink },
              { on: 'state', states: ['established', 'related'] },
              ours,
            ],
            action: { do: 'accept' },
          },
          // Redirected but routed to another interface: it would leave with the client's own address.
          ...refuse(family, [fromPod, ours, redirected]),
          // The chain of another attachment decides on its redirects, unless they leave through this interface.
          {
            family,
            matches: [fromPod, { on: 'outgoing', link: rules.egressLink, not: true }, redirected],
            action: { do: 'return' },
          },
          ...refuse(family, [fromPod]),
        ];
      }),
      { matches: [inbound], action: { do: 'drop' } },
      { matches: [outbound], action: { do: 'drop' } },
      ...families.flatMap((family) => closeOthers(rules, family)),
    ],
  };
};

/**
 * Drops packets from all other interfaces, present and future, except replies: forwarding is on only for the
 * router. The chain of another attachment decides on its own connections.
 */
function closeOthers(rules: EgressRules, family: Family): Rule[] {
  if (reservedOf(rules, family) === undefined) return [];
  const podLink = rules.podLinks[family];
  const fromOthers: Match[] = podLink === undefined ? [] : [{ on: 'incoming', link: podLink, not: true }];
  const ours = connectionMark(rules);
  return [
    {
      family,
      matches: [
        ...fromOthers,
        ours,
        { on: 'state', states: ['established', 'related'] },
        { on: 'direction', direction: 'reply' },
      ],
      action: { do: 'return' },
    },
    {
      family,
      matches: [...fromOthers, { ...ours, not: true }, { on: 'connection-mark', value: 0, mask: markMask, not: true }],
      action: { do: 'return' },
    },
    { family, matches: fromOthers, action: { do: 'drop' } },
  ];
}

/** Rejects with an immediate answer: a TCP reset, or port unreachable for other protocols. */
function refuse(family: Family, matches: readonly Match[]): Rule[] {
  return [
    {
      family,
      matches: [...matches, { on: 'protocol', protocol: 'tcp' }],
      action: { do: 'reject', with: 'tcp-reset' },
    },
    { family, matches, action: { do: 'reject', with: 'port-unreachable' } },
  ];
}

/** Neighbor discovery and multicast listener discovery, which IPv6 requires (RFC 4890 §4.4.1). */
const neededIcmpv6Types = [130, 131, 132, 135, 136] as const;

const closeInput: ChainBuilder = (rules, families) => {
  const inbound: Match = { on: 'incoming', link: rules.egressLink };
  return {
    hook: 'filter-input',
    rules: [
      ...routed(rules, families).flatMap(({ family, podLink }) => refuseUnresolved(rules.redirects, family, podLink)),
      { matches: [inbound, { on: 'state', states: ['established', 'related'] }], action: { do: 'accept' } },
      ...(families.includes(6) ? neededIcmpv6Types : []).map(
        (type): Rule => ({
          family: 6,
          matches: [inbound, { on: 'icmpv6-type', type }],
          action: { do: 'accept' },
        }),
      ),
      { matches: [inbound], action: { do: 'drop' } },
    ],
  };
};

function connectionMark(rules: EgressRules): Extract<Match, { on: 'mark' | 'connection-mark' }> {
  return { on: 'connection-mark', value: inwardMark(rules.slot), mask: markMask };
}

const markIncoming: ChainBuilder = (rules, families) => {
  const mark = inwardMark(rules.slot);
  return {
    hook: 'mangle-prerouting',
    rules: [
      ...routed(rules, families).flatMap(({ family, podLink }): Rule[] => {
        const fromPod: Match = { on: 'incoming', link: podLink };
        const unmarked: Match = { on: 'connection-mark', value: 0, mask: markMask };
        const setMark: Action = { do: 'set-mark', value: mark, mask: markMask };
        return [
          // Another attachment marks its own connections.
          { family, matches: [fromPod, connectionMark(rules)], action: setMark },
          { family, matches: [fromPod, unmarked], action: setMark },
          // Packets without a connection are answered, too, and the resets and errors must return to the client.
          { family, matches: [fromPod, { on: 'state', states: ['invalid', 'untracked'] }], action: setMark },
          {
            family,
            matches: [fromPod, { on: 'state', states: ['new'] }, unmarked],
            action: { do: 'set-connection-mark', value: mark, mask: markMask },
          },
        ];
      }),
      {
        matches: [{ on: 'incoming', link: rules.egressLink }, connectionMark(rules)],
        action: { do: 'set-mark', value: mark, mask: markMask },
      },
    ],
  };
};

const markOwnReplies: ChainBuilder = (rules, families) => ({
  hook: 'mangle-output',
  rules: routed(rules, families).flatMap(({ family }): Rule[] => [
    {
      family,
      matches: [connectionMark(rules), { on: 'direction', direction: 'reply' }],
      action: { do: 'set-mark', value: inwardMark(rules.slot), mask: markMask },
    },
    // ICMP errors about a reply, such as "packet too big" for the pod interface, go to the destination.
    {
      family,
      matches: [connectionMark(rules), { on: 'direction', direction: 'original' }],
      action: { do: 'set-mark', value: outwardMark(rules.slot), mask: markMask },
    },
  ]),
});

/** Drops packets to the egress interface that neither have the reserved source address nor get it by SNAT. */
const guardSource: ChainBuilder = (rules, families) => ({
  hook: 'mangle-postrouting',
  rules: families.flatMap((family): Rule[] => {
    const reserved = reservedOf(rules, family);
    const outbound: Match = { on: 'outgoing', link: rules.egressLink };
    const foreign: Match[] =
      reserved === undefined ? [outbound] : [outbound, { on: 'source', prefix: hostPrefix(reserved), not: true }];
    if (reserved === undefined) return [{ family, matches: foreign, action: { do: 'drop' } }];
    // Neighbor discovery is not tracked and uses link-local sources.
    const notDiscovery: Match[] = family === 6 ? [{ on: 'protocol', protocol: 'icmpv6', not: true }] : [];
    return [
      {
        family,
        matches: [...foreign, { on: 'state', states: ['invalid', 'untracked'] }, ...notDiscovery],
        action: { do: 'drop' },
      },
      // Not by state: an unanswered flow stays "new".
      {
        family,
        matches: [...foreign, { on: 'confirmed' }, { on: 'translated', part: 'source', not: true }],
        action: { do: 'drop' },
      },
    ];
  }),
});

const redirect: ChainBuilder = (rules, families) => ({
  hook: 'nat-prerouting',
  rules: routed(rules, families).flatMap(({ family, podLink }): Rule[] => {
    const toPod: Match[] = [{ on: 'incoming', link: podLink }, { on: 'local-destination' }];
    const mark = inwardMark(rules.slot);
    const fallback = fallbackOf(rules.redirects, family);
    return [
      // Before the redirects, because a translation ends the chain.
      { family, matches: toPod, action: { do: 'set-connection-mark', value: mark, mask: markMask } },
      { family, matches: toPod, action: { do: 'set-mark', value: mark, mask: markMask } },
      ...protocols
        .filter((protocol) =>
          rules.redirects.redirects.some((one) => one.protocol === protocol && one.target.family === family),
        )
        .map(
          (protocol): Rule => ({
            family,
            matches: [...toPod, { on: 'protocol', protocol }],
            action: { do: 'redirect', table: { family, protocol } },
          }),
        ),
      ...redirectNames(rules.redirects, family, toPod),
      ...(fallback === undefined
        ? []
        : [{ family, matches: toPod, action: { do: 'dnat', address: fallback } } satisfies Rule]),
    ];
  }),
});

const translateSource: ChainBuilder = (rules, families) => ({
  hook: 'nat-postrouting',
  rules: families.flatMap((family): Rule[] => {
    const address = reservedOf(rules, family);
    if (address === undefined) return [];
    return [
      {
        family,
        matches: [{ on: 'outgoing', link: rules.egressLink }],
        action: { do: 'snat', address },
      },
    ];
  }),
});
