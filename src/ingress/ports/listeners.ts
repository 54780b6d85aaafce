import { readFileSync } from 'node:fs';
import type { Protocol } from '../../base/model/redirect.ts';
import { portKey } from '../claims/ports.ts';

/** Tables of sockets below `/proc/net`, and the state in which each socket accepts traffic from outside. */
const tables: readonly (readonly [file: string, protocol: Protocol, state: string])[] = [
  ['tcp', 'tcp', '0A'],
  ['tcp6', 'tcp', '0A'],
  // An unconnected UDP socket is in TCP_CLOSE.
  ['udp', 'udp', '07'],
  ['udp6', 'udp', '07'],
];

/**
 * Returns the TCP and UDP ports with a listener in this network namespace, including loopback, as `portKey` formats
 * them.
 */
export function readListeners(folder = '/proc/self/net'): ReadonlySet<string> {
  const listeners = new Set<string>();
  for (const [file, protocol, state] of tables) {
    for (const line of readTable(`${folder}/${file}`)) {
      const [, local, , socketState] = line.trim().split(/\s+/, 4);
      if (socketState !== state || local === undefined) continue;
      listeners.add(portKey({ protocol, port: Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16) }));
    }
  }
  return listeners;
}

function readTable(path: string): readonly string[] {
  try {
    return readFileSync(path, 'latin1').split('\n').slice(1);
  } catch {
    // A kernel without IPv6 does not have this table.
    return [];
  }
}

/**
 * Milliseconds: interval between scheduled reads, time from a read for a claim to the next one, maximum age of a read,
 * and time for which a port is held.
 */
const times = { poll: 500, confirm: 100, fresh: 1000, hold: 300_000 } as const;

/** Maximum share of time for scheduled reads, so that a node with very many sockets is not kept busy. */
const shareOfTime = 0.02;

/** Maximum share for reads before a claim: a program that has just started to listen must keep its port. */
const shareForClaims = 0.5;

/** Unavailable ports of a node at one moment. */
export interface NodePorts {
  /** With a listener, or held for one. */
  readonly taken: ReadonlySet<string>;
  /** Those of {@link taken} without a current listener. */
  readonly held: ReadonlySet<string>;
}

/**
 * The listeners of the node. A port whose listener closes is held for minutes, so that a restarting program gets it
 * back; a port with a listener at the agent's start is held forever. Returns the same value until something changes.
 */
export class ListenerWatch {
  readonly #read: () => ReadonlySet<string>;
  readonly #clock: () => number;
  #current: NodePorts = { taken: new Set(), held: new Set() };
  /** Ports of the first read. */
  #first: ReadonlySet<string> | undefined;
  /** When a listener was last seen, by port. */
  readonly #seen = new Map<string, number>();
  #readAt = Number.NEGATIVE_INFINITY;
  #cost = 0;
  #timer: NodeJS.Timeout | undefined;
  #onChange: (() => void) | undefined;
  #isSoon = false;

  /** @param clock monotonic milliseconds */
  constructor(read: () => ReadonlySet<string> = readListeners, clock: () => number = () => performance.now()) {
    this.#read = read;
    this.#clock = clock;
  }

  /**
   * Reads periodically from now on.
   *
   * @param onChange called when {@link current} is another value
   */
  start(onChange: () => void): void {
    this.#onChange = onChange;
    this.#schedule(Math.max(times.poll, this.#cost / shareOfTime));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#onChange = undefined;
  }

  #schedule(wait: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const before = this.#current;
      this.#isSoon = false;
      this.#readAt = Number.NEGATIVE_INFINITY;
      this.#refresh();
      this.#schedule(Math.max(times.poll, this.#cost / shareOfTime));
      if (this.#current !== before) this.#onChange?.();
    }, wait);
    this.#timer.unref();
  }

  /** The ports of the last read. */
  get current(): NodePorts {
    return this.#current;
  }

  /**
   * Reads the ports again before a claim, unless reads would take too much time. The result is at most a second old.
   * Reads once more soon, because a program may have started to listen before the rules of the claim were applied.
   */
  refresh(): NodePorts {
    if (this.#onChange !== undefined && !this.#isSoon) {
      this.#isSoon = true;
      this.#schedule(Math.max(times.confirm, this.#cost / shareForClaims));
    }
    return this.#refresh();
  }

  #refresh(): NodePorts {
    const now = this.#clock();
    if (now - this.#readAt < Math.min(times.fresh, this.#cost / shareForClaims)) return this.#current;
    this.#readAt = now;
    const listening = this.#read();
    this.#cost = this.#clock() - now;
    this.#first ??= listening;
    for (const port of listening) this.#seen.set(port, now);
    for (const [port, seen] of this.#seen) {
      if (now - seen >= times.hold && !this.#first.has(port)) this.#seen.delete(port);
    }
    const taken = new Set(this.#seen.keys());
    const held = taken.difference(listening);
    if (!isSame(taken, this.#current.taken) || !isSame(held, this.#current.held)) this.#current = { taken, held };
    return this.#current;
  }
}

function isSame(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.size === other.size && one.isSubsetOf(other);
}
