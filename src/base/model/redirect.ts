import type { Address, Family } from './address.ts';

/** Transport protocols that a redirect can name. */
export type Protocol = 'tcp' | 'udp' | 'sctp';

/** All protocols, in the order of rules. */
export const protocols: readonly Protocol[] = ['tcp', 'udp', 'sctp'];

/** `IPPROTO_*`. */
export const protocolNumbers: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

/** Redirects connections to a port of the router to `target`, whose address determines the family. */
export interface Redirect {
  readonly protocol: Protocol;
  /** Port of the router, 1–65535. */
  readonly port: number;
  readonly target: Address;
  /** Port of the target, 1–65535; default: `port`. */
  readonly targetPort?: number;
}

/** Returns the unique key of a redirect in a set: family, protocol and port. */
export function portKey({ target, protocol, port }: Pick<Redirect, 'target' | 'protocol' | 'port'>): string {
  return `${target.family} ${protocolNumbers[protocol]} ${port}`;
}

/** How several addresses of a name share new connections: in turn, or by the client's address. */
export type Sharing = 'roundrobin' | 'source';

/** A DNS name with its addresses. */
export interface NamedTarget {
  /** Lower case, without a trailing dot. */
  readonly name: string;
  /** Usable addresses of the last answer, of any family, sorted. Connections of a family without one are refused. */
  readonly targets: readonly Address[];
}

/** Redirects connections of every reserved family to the addresses of a DNS name. */
export interface NamedRedirect extends NamedTarget {
  readonly protocol: Protocol;
  /** Port of the router, 1–65535. */
  readonly port: number;
  /** Port of the target, 1–65535; default: `port`. */
  readonly targetPort?: number;
}

/** All redirects of an attachment. */
export interface RedirectSet {
  /** Unique by family, protocol and port. */
  readonly redirects: readonly Redirect[];
  /** Targets of connections without a redirect, at most one per family; without one they are refused. */
  readonly fallbacks: readonly Address[];
  /** Redirects to DNS names, unique by protocol and port, also among `redirects`. */
  readonly named?: readonly NamedRedirect[];
  /** Target of connections without a redirect, instead of `fallbacks`. */
  readonly fallbackName?: NamedTarget;
  /** Default: roundrobin. */
  readonly sharing?: Sharing;
}

/** Returns a redirect for each address of each name. */
export function expandNames(named: readonly NamedRedirect[] = []): readonly Redirect[] {
  return named.flatMap(({ protocol, port, targetPort, targets }) =>
    targets.map((target) => ({ protocol, port, target, ...(targetPort !== undefined && { targetPort }) })),
  );
}

/** Returns the distinct names of a set, in order of appearance. */
export function namesOf({ named = [], fallbackName }: RedirectSet): readonly string[] {
  return [...new Set([...named.map(({ name }) => name), ...(fallbackName === undefined ? [] : [fallbackName.name])])];
}

/** Returns the set with the addresses of its names; names without an entry have none. */
export function withAnswers(set: RedirectSet, answers: ReadonlyMap<string, readonly Address[]>): RedirectSet {
  const { named, fallbackName } = set;
  if (named === undefined && fallbackName === undefined) return set;
  return {
    ...set,
    ...(named !== undefined && { named: named.map((one) => ({ ...one, targets: answers.get(one.name) ?? [] })) }),
    ...(fallbackName !== undefined && {
      fallbackName: { ...fallbackName, targets: answers.get(fallbackName.name) ?? [] },
    }),
  };
}

/** Returns the fallback of a family, if any. */
export function fallbackOf(set: RedirectSet, family: Family): Address | undefined {
  return set.fallbacks.find((address) => address.family === family);
}
