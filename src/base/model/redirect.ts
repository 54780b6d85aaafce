import type { Address, Family } from './address.ts';

/** Transport protocols that a redirect can name. */
export type Protocol = 'tcp' | 'udp' | 'sctp';

/** Every protocol, in the order in which rules are written. */
export const protocols: readonly Protocol[] = ['tcp', 'udp', 'sctp'];

/** `IPPROTO_*`. */
export const protocolNumbers: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

/**
 * One fixed way out: connections that reach the router on `port` by `protocol` go to `target`.
 * The target's address decides the family.
 */
export interface Redirect {
  readonly protocol: Protocol;
  /** The router's port, 1–65535. */
  readonly port: number;
  readonly target: Address;
  /** The target's port, 1–65535; absent: the same as `port`. */
  readonly targetPort?: number;
}

/** What no two redirects of a set share: family, protocol and port. */
export function portKey({ target, protocol, port }: Pick<Redirect, 'target' | 'protocol' | 'port'>): string {
  return `${target.family} ${protocolNumbers[protocol]} ${port}`;
}

/** Everything that one attachment redirects. */
export interface RedirectSet {
  /** No two share family, protocol and port. */
  readonly redirects: readonly Redirect[];
  /** Where connections without a redirect go, at most one a family; absent: they are refused. */
  readonly fallbacks: readonly Address[];
}

/** The fallback of one family, if there is one. */
export function fallbackOf(set: RedirectSet, family: Family): Address | undefined {
  return set.fallbacks.find((address) => address.family === family);
}
