import type { Link } from '../../../base/model/network.ts';
import type { Wanted } from '../documents.ts';
import type { Election } from '../election.ts';
import type { MemberAddresses } from '../member-addresses.ts';
import type { RuleInput, Way } from '../rules.ts';
import type { Drain } from './drain.ts';
import type { Segment } from './segment.ts';

/** Inputs of the rules. */
export interface RuleSource {
  readonly wanted: Wanted | undefined;
  readonly election: Election | undefined;
  readonly segment: Segment;
  readonly drain: Drain;
  readonly members: MemberAddresses;
  readonly linkOf: (address: string) => Link | undefined;
}

/**
 * Returns the desired rules. Every member forwards the connections of previous holders, whether it holds the address or
 * not, so that the rules exist before it takes the address.
 */
export function describeRules({ wanted, election, segment, drain, members, linkOf }: RuleSource): RuleInput {
  const waysTo = (names: readonly string[], address: string): Way[] => {
    const link = linkOf(address);
    if (link === undefined) return [];
    return names.flatMap((name) => {
      const report = election?.reportOf(name);
      return (report && segment.wayTo(report, address, link)) ?? [];
    });
  };
  const hidden = drain.list().map(({ address, isServing }) => {
    const holder = election?.takenBy(address);
    const [way] = holder === undefined ? [] : waysTo([holder], address);
    return { address, isServing, holder: way };
  });
  const isHidden = new Set(hidden.map(({ address }) => address));
  const isWanted = new Set(wanted?.addresses.map(({ address }) => address));
  const orphans = hidden.filter(({ address }) => !isWanted.has(address));
  const addresses = [...(wanted?.addresses ?? []), ...orphans.map(({ address }) => ({ address, ports: [] }))];
  const drained = addresses.flatMap(({ address }) => {
    const names = isHidden.has(address) ? [] : (election?.drainersOf(address) ?? []);
    return names.length === 0 ? [] : [{ address, drainers: waysTo(names, address) }];
  });
  return {
    router: wanted?.router ?? '',
    addresses,
    hidden,
    drained,
    members: members.list(),
    arpSources: segment.arpSources(),
  };
}
