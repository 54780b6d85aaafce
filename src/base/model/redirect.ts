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

/** All redirects of an attachment. */
export interface RedirectSet {
  /** Unique by family, protocol and port. */
  readonly redirects: readonly Redirect[];
  /** Targets of connections without a redirect, at most one per family; without one they are refused. */
  readonly fallbacks: readonly Address[];
}

/** Returns the fallback of a family, if any. */
export function fallbackOf(set: RedirectSet, family: Family): Address | undefined {
  return set.fallbacks.find((address) => address.family === family);
}
