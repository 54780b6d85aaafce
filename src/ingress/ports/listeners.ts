import { readFileSync } from 'node:fs';
import type { Protocol } from '../../base/model/redirect.ts';
import { portKey } from '../claims/ports.ts';

/** Tables of sockets below `/proc/net`, and the state in which each takes what comes from outside. */
const tables: readonly (readonly [file: string, protocol: Protocol, state: string])[] = [
  ['tcp', 'tcp', '0A'],
  ['tcp6', 'tcp', '0A'],
  // An unconnected UDP socket is in TCP_CLOSE.
  ['udp', 'udp', '07'],
  ['udp6', 'udp', '07'],
];

/** The ports of TCP and UDP with a listener in this network namespace, loopback included, as `portKey` writes them. */
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
    // A kernel without IPv6 has no such table.
    return [];
  }
}

/** Milliseconds between two scheduled readings, for which a reading counts as fresh at most, and for which a port is held. */
const times = { poll: 2000, fresh: 1000, hold: 300_000 } as const;

/** Scheduled readings take at most this share of the time, so that a node with very many sockets is not kept busy. */
const shareOfTime = 0.02;

/** Readings for a claim may take more: a program that has just started to listen must keep its port. */
const shareForClaims = 0.2;

/** The ports of a node that are not to be had, at one moment. */
export interface NodePorts {
  /** With a listener, or held for one. */
  readonly taken: ReadonlySet<string>;
  /** Those of {@link taken} without a listener now. */
  readonly held: ReadonlySet<string>;
}

/**
 * The listeners of the node. A port whose listener goes is held for minutes, so that a program that starts
 * again finds it free; one that had a listener when the agent started is held for good. The same value until
 * something changes.
 */
export class ListenerWatch {
  readonly #read: () => ReadonlySet<string>;
  readonly #clock: () => number;
  #current: NodePorts = { taken: new Set(), held: new Set() };
  /** Those that were there at the first look. */
  #first: ReadonlySet<string> | undefined;
  /** When a listener was last seen, by port. */
  readonly #seen = new Map<string, number>();
  #readAt = Number.NEGATIVE_INFINITY;
  #cost = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param clock milliseconds, monotonic */
  constructor(read: () => ReadonlySet<string> = readListeners, clock: () => number = () => performance.now()) {
    this.#read = read;
    this.#clock = clock;
  }

  /** Looks now and then from now on. @param onChange called when {@link current} is another value */
  start(onChange: () => void): void {
    const schedule = (): void => {
      this.#timer = setTimeout(
        () => {
          const before = this.#current;
          this.#readAt = Number.NEGATIVE_INFINITY;
          if (this.refresh() !== before) onChange();
          schedule();
        },
        Math.max(times.poll, this.#cost / shareOfTime),
      );
      this.#timer.unref();
    };
    schedule();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  /** The ports as they were last seen. */
  get current(): NodePorts {
    return this.#current;
  }

  /** Reads the ports again, unless readings would take too much of the time: they are at most a second old. */
  refresh(): NodePorts {
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
