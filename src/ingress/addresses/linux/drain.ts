import { performance } from 'node:perf_hooks';
import type { DaemonLog } from '../../../base/daemon/log.ts';
import { type ConnectionCount, countConnections } from './connections.ts';

/** Milliseconds between two counts, and the minimum time for which an address is kept: packets may be in flight. */
const countTime = 1000;
const leastTime = 3000;
/** Milliseconds for which a serving node accepts new connections, because clients do not know the new holder yet. */
const acceptTime = 3000;

interface Draining {
  readonly since: number;
  readonly isServing: boolean;
  count?: ConnectionCount;
}

/** Addresses whose established connections this node serves although another node holds the address. */
export class Drain {
  readonly #timeout: number;
  readonly #log: DaemonLog;
  readonly #draining = new Map<string, Draining>();
  #counts = new Map<string, ConnectionCount>();
  #nextCount = 0;
  #counting: Promise<void> | undefined;

  /** @param timeout milliseconds after which the remaining connections are dropped */
  constructor(timeout: number, log: DaemonLog) {
    this.#timeout = timeout;
    this.#log = log;
  }

  get addresses(): string[] {
    return [...this.#draining.keys()];
  }

  add(address: string, isServing: boolean, now: number): void {
    this.#draining.set(address, { since: now, isServing });
    this.#nextCount = now + countTime;
  }

  remove(address: string): void {
    this.#draining.delete(address);
  }

  /** `isActive`: there are connections, or they have not been counted yet. */
  list(): { readonly address: string; readonly isServing: boolean; readonly isActive: boolean }[] {
    return [...this.#draining].map(([address, { since, isServing, count }]) => ({
      address,
      isServing: isServing && performance.now() - since < acceptTime,
      isActive: count === undefined || count.local + count.forwarded > 0 || performance.now() - since < leastTime,
    }));
  }

  /** Connections by address. */
  counts(): Map<string, number> {
    return new Map([...this.#draining].flatMap(([address, { count }]) => (count ? [[address, total(count)]] : [])));
  }

  /** Connections to programs of this node, as of the last {@link count}. */
  localOf(address: string): number {
    return this.#counts.get(address)?.local ?? 0;
  }

  /** Whether the kernel forwards connections that do not need this process. */
  get hasForwarded(): boolean {
    return [...this.#draining.values()].some(({ count }) => (count?.forwarded ?? 0) > 0);
  }

  /** Counts connections periodically and reports addresses that have none left. */
  tick(now: number, onEnd: (address: string) => void): void {
    if (this.#draining.size === 0 || now < this.#nextCount || this.#counting !== undefined) return;
    this.#nextCount = now + countTime;
    this.#counting = this.count(this.addresses)
      .then(() => this.#end(onEnd))
      .catch((error: unknown) => this.#log.error({ err: error }, 'Cannot count connections; retrying'))
      .finally(() => {
        this.#counting = undefined;
      });
  }

  /** Counts the connections of some addresses. */
  async count(addresses: readonly string[]): Promise<void> {
    if (addresses.length === 0) return;
    this.#counts = await countConnections(new Set(addresses));
    for (const [address, draining] of this.#draining) {
      if (addresses.includes(address)) draining.count = this.#counts.get(address) ?? { local: 0, forwarded: 0 };
    }
  }

  #end(onEnd: (address: string) => void): void {
    for (const [address, { since, count }] of this.#draining) {
      const age = performance.now() - since;
      if (age >= this.#timeout) {
        this.#log.warn(
          { address, connections: count && total(count) },
          'Drain timeout reached; dropping the remaining connections of an address',
        );
        onEnd(address);
      } else if (count !== undefined && total(count) === 0 && age >= leastTime) onEnd(address);
    }
  }
}

function total({ local, forwarded }: ConnectionCount): number {
  return local + forwarded;
}
