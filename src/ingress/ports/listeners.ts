import { readFileSync } from 'node:fs';
import type { Protocol } from '../../model/redirect.ts';
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

/** Milliseconds between two looks, and for which one counts as fresh. */
const pollInterval = 10_000;
const freshFor = 1000;

/** The listeners of the node; the same set until they change. */
export class ListenerWatch {
  readonly #read: () => ReadonlySet<string>;
  readonly #clock: () => number;
  #current: ReadonlySet<string> = new Set();
  #readAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  /** @param clock milliseconds, monotonic */
  constructor(read: () => ReadonlySet<string> = readListeners, clock: () => number = () => performance.now()) {
    this.#read = read;
    this.#clock = clock;
  }

  /** Looks now and then from now on. @param onChange called when {@link current} is another set */
  start(onChange: () => void): void {
    this.#timer = setInterval(() => {
      const before = this.#current;
      this.#readAt = Number.NEGATIVE_INFINITY;
      if (this.refresh() !== before) onChange();
    }, pollInterval);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** The listeners as they were last seen. */
  get current(): ReadonlySet<string> {
    return this.#current;
  }

  /** The listeners as they were at most a second ago. */
  refresh(): ReadonlySet<string> {
    const now = this.#clock();
    if (now - this.#readAt < freshFor) return this.#current;
    this.#readAt = now;
    const next = this.#read();
    if (next.symmetricDifference(this.#current).size > 0) this.#current = next;
    return this.#current;
  }
}
