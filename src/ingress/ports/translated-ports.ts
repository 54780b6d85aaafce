import type { ForeignChain, ForeignRule, ForeignTable, Probe } from '../../base/firewall/chain.ts';
import type { Address } from '../../base/model/address.ts';
import type { Protocol } from '../../base/model/redirect.ts';
import type { PortClaimant } from '../claims/ports.ts';

/** Ports of the node that a rule of another program translates, such as those of a pod's `hostPort`. */
export interface TranslatedSpan {
  readonly protocol: Protocol;
  readonly first: number;
  readonly last: number;
  /** `iptables -t nat, chain CNI-HOSTPORT-DNAT`. */
  readonly place: string;
}

/** Every port of the node that other programs translate. The same value until something changes. */
export class TranslatedPorts implements PortClaimant {
  readonly spans: readonly TranslatedSpan[];

  constructor(spans: readonly TranslatedSpan[] = []) {
    this.spans = spans;
  }

  find(protocol: Protocol, port: number): TranslatedSpan | undefined {
    return this.spans.find((span) => span.protocol === protocol && span.first <= port && port <= span.last);
  }

  has(protocol: Protocol, port: number): boolean {
    return this.find(protocol, port) !== undefined;
  }

  isSame(other: TranslatedPorts): boolean {
    return JSON.stringify(this.spans) === JSON.stringify(other.spans);
  }
}

const protocols = ['tcp', 'udp', 'sctp'] as const;
/** Maximum depth of jumps that are followed; kube-proxy and CNI plugins need four. */
const deepest = 16;
/** More spans than this are merged into one from the lowest port to the highest. */
const mostSpans = 20_000;

/**
 * Returns the ports of the node that rules of other programs translate before routing: `hostPort` of CNI plugins,
 * NodePorts and external addresses of kube-proxy, container engines, forwarded ports of firewalls. The registration
 * order of hooks decides which of two programs gets a connection, so such a port is left to the other program. A rule
 * that translates every port does not reserve a port and is not returned.
 *
 * @param own addresses of the node that clients connect to
 */
export function findTranslatedPorts(tables: readonly ForeignTable[], own: readonly Address[]): TranslatedPorts {
  const spans: TranslatedSpan[] = [];
  for (const table of tables) {
    const bases = table.chains.filter(({ hook }) => hook === 'prerouting');
    const addresses = own.filter(({ family }) => table.families.includes(family));
    if (bases.length === 0 || addresses.length === 0) continue;
    const chains = new Map(table.chains.map((chain) => [chain.name, chain]));
    for (const { first, last } of listSpans(table)) {
      for (const protocol of protocols) {
        const chain = findFirst(bases, addresses, (base, destination) =>
          findTranslation(chains, base, makeProbe(protocol, destination, first), false, 0),
        );
        if (chain !== undefined) spans.push({ protocol, first, last, place: `${table.title}, chain ${chain.name}` });
      }
    }
  }
  return new TranslatedPorts(spans);
}

function findFirst<A, B, T>(ones: readonly A[], others: readonly B[], find: (one: A, other: B) => T | undefined) {
  for (const one of ones) {
    for (const other of others) {
      const found = find(one, other);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function makeProbe(protocol: Protocol, destination: Address, port: number): Probe {
  const { family } = destination;
  return { family, protocol, destination, destinationPort: port, state: 'new', isRedirected: false };
}

/** Returns the ports that rules of a table name, split so that every rule treats all ports of a span alike. */
function listSpans(table: ForeignTable): readonly { readonly first: number; readonly last: number }[] {
  const edges = new Map<string, readonly [first: number, last: number]>();
  for (const { rules } of table.chains) {
    for (const text of rules.flatMap(({ ports = [] }) => ports)) {
      const [, first, last] = /^(\d{1,5})(?:[-:](\d{1,5}))?$/.exec(text) ?? [];
      if (first !== undefined) edges.set(text, [Number(first), Number(last ?? first)]);
    }
  }
  const named = [...edges.values()];
  const starts = new Set(named.flatMap(([first, last]) => [first, last + 1]));
  const sorted = [...starts].sort((one, other) => one - other);
  const spans = sorted.flatMap((first, index) => {
    const last = (sorted[index + 1] ?? first + 1) - 1;
    return named.some(([low, high]) => low <= first && last <= high) ? [{ first, last }] : [];
  });
  if (spans.length <= mostSpans) return spans;
  return [{ first: spans[0]?.first ?? 1, last: spans.at(-1)?.last ?? 65535 }];
}

/**
 * Returns the chain with a rule that translates the probe and checks its port, in that rule or on the path to it. An
 * unknown condition may be true.
 */
function findTranslation(
  chains: ReadonlyMap<string, ForeignChain>,
  chain: ForeignChain,
  probe: Probe,
  isAboutPort: boolean,
  depth: number,
): ForeignChain | undefined {
  if (depth > deepest) return undefined;
  for (const rule of chain.rules) {
    if (rule.conditions.some((condition) => condition(probe) === false)) continue;
    const isAbout = isAboutPort || asksForPort(rule, probe);
    const { verdict } = rule;
    const verdicts =
      verdict.kind === 'depends'
        ? verdict.choices
            .filter(({ condition }) => condition(probe) !== false)
            .map((choice) => ({
              ...choice,
              isAbout: isAbout || asksForPort({ conditions: [choice.condition] }, probe),
            }))
        : [{ verdict, isAbout }];
    for (const one of verdicts) {
      const { verdict: next } = one;
      if (next.kind === 'accept' && next.translates === true && one.isAbout) return chain;
      if (next.kind !== 'jump' && next.kind !== 'goto') continue;
      const target = chains.get(next.chain);
      const found = target && findTranslation(chains, target, probe, one.isAbout, depth + 1);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function asksForPort({ conditions }: Pick<ForeignRule, 'conditions'>, probe: Probe): boolean {
  // No client can connect to port 0.
  const other = { ...probe, destinationPort: 0 };
  return conditions.some((condition) => condition(probe) !== false && condition(other) === false);
}
