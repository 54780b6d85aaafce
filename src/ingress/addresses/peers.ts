import type { Level } from './allocation.ts';
import type { Claim, PeerReport } from './peer-report.ts';
import type { Timing } from './timing.ts';

/** A claim and the member that makes it. */
export interface NamedClaim {
  readonly name: string;
  readonly claim: Claim;
}

/** A member that is alive. */
export interface Peer {
  readonly lastHeard: number;
  /** Start of its uninterrupted time at the present level. */
  readonly since: number;
  readonly report: PeerReport;
  /** Claims by address. */
  readonly claims: ReadonlyMap<string, Claim>;
}

/** This node's knowledge of the other members. */
export class Peers {
  readonly #timing: Timing;
  readonly #alive = new Map<string, Peer>();
  /** Silent members whose kernel may still serve connections: the process exited gracefully, or only paused. */
  readonly #absent = new Map<string, { readonly report: PeerReport; readonly until: number }>();

  constructor(timing: Timing) {
    this.#timing = timing;
  }

  /** Records an accepted heartbeat. Returns whether it contains a change. */
  receive(from: string, report: PeerReport, now: number): boolean {
    const known = this.#alive.get(from);
    const isContinued = known !== undefined && this.#isFresh(known, now) && known.report.level === report.level;
    this.#absent.delete(from);
    const claims = new Map(report.claims.map((claim) => [claim.address, claim]));
    this.#alive.set(from, { lastHeard: now, since: isContinued ? known.since : now, report, claims });
    return known === undefined || JSON.stringify(known.report) !== JSON.stringify(report);
  }

  /** Forgets nodes that are no longer members. */
  retain(members: readonly string[]): void {
    for (const name of this.#alive.keys()) if (!members.includes(name)) this.#alive.delete(name);
    for (const name of this.#absent.keys()) if (!members.includes(name)) this.#absent.delete(name);
  }

  /** Removes silent members. Returns those that did not exit gracefully. */
  expire(now: number): string[] {
    const lost: string[] = [];
    for (const [name, peer] of this.#alive) {
      if (this.#isFresh(peer, now)) continue;
      this.#alive.delete(name);
      const { isLeaving } = peer.report;
      const until = now + (isLeaving ? this.#timing.absent : this.#timing.doubt);
      this.#absent.set(name, { report: peer.report, until });
      if (!isLeaving) lost.push(name);
    }
    for (const [name, { until }] of this.#absent) if (now > until) this.#absent.delete(name);
    return lost;
  }

  /** A member that is alive. */
  get(name: string): Peer | undefined {
    return this.#alive.get(name);
  }

  has(name: string): boolean {
    return this.#alive.has(name);
  }

  /** All members that are alive. */
  all(): Iterable<readonly [name: string, peer: Peer]> {
    return this.#alive;
  }

  /** Levels of the members that are alive. */
  levels(): [string, Level][] {
    return [...this.#alive].map(([name, { report }]) => [name, report.level]);
  }

  /** A member's last report, if it is alive or may still serve connections. */
  reportOf(name: string): PeerReport | undefined {
    return (this.#alive.get(name) ?? this.#absent.get(name))?.report;
  }

  /** The claim of an address that has precedence among those that satisfy a condition. */
  bestClaim(address: string, isAdmitted: (claim: Claim) => boolean = () => true): NamedClaim | undefined {
    let best: NamedClaim | undefined;
    for (const [name, { claims }] of this.#alive) {
      const claim = claims.get(address);
      if (claim === undefined || !isAdmitted(claim)) continue;
      if (best === undefined || beats({ name, claim }, best)) best = { name, claim };
    }
    return best;
  }

  /** Members that still serve connections of an address. */
  drainersOf(address: string): string[] {
    return [...this.#alive, ...this.#absent].flatMap(([name, { report }]) =>
      report.draining.includes(address) ? [name] : [],
    );
  }

  #isFresh(peer: Peer, now: number): boolean {
    return now - peer.lastHeard <= this.#timing.dead;
  }
}

/** Returns whether one claim has precedence over another. Both claimants get the same result. */
export function beats(one: NamedClaim, other: NamedClaim): boolean {
  const difference = one.claim.epoch - other.claim.epoch;
  return difference === 0 ? one.name < other.name : difference > 0;
}
