import { connect } from 'node:net';
import type { Address } from '../../base/model/address.ts';
import { endpointKey } from '../backends/endpoints.ts';
import type { DesiredState } from './endpoint-quota.ts';
import type { IngressPort } from './model.ts';

/** An endpoint to check. */
export interface CheckTarget {
  readonly address: Address;
  /** TCP, 1–65535. */
  readonly port: number;
  /** Interval between checks in milliseconds. */
  readonly interval: number;
}

/** Opens a connection and closes it again. Returns false if that fails within `timeout` milliseconds. */
export type Probe = (target: CheckTarget, timeout: number) => Promise<boolean>;

/** As in HAProxy: consecutive failures until an endpoint is dead, and successes until it is restored. */
const failuresToDie = 3;
const successesToLive = 2;

/**
 * Factor by which checks are faster after a failure and while an endpoint is dead, so that the verdict does not take
 * 15 s.
 */
const hurry = 5;

/** Maximum checks per second; more are delayed, because 100,000 endpoints must not keep a node busy. */
const maxChecksPerSecond = 1000;

interface Watched {
  target: CheckTarget;
  timer: NodeJS.Timeout | undefined;
  /** Consecutive checks that contradict `isDead`. */
  contrary: number;
  isDead: boolean;
}

/** Checks endpoints by connecting to them, and records the dead ones. */
export class HealthChecks {
  readonly #probe: Probe;
  readonly #onChange: () => void;
  readonly #random: () => number;
  readonly #watched = new Map<string, Watched>();
  #dead: ReadonlySet<string> = new Set();

  /** @param onChange called when {@link dead} is another set */
  constructor(onChange: () => void, probe: Probe = probeByConnecting, random: () => number = Math.random) {
    this.#onChange = onChange;
    this.#probe = probe;
    this.#random = random;
  }

  /** Keys of dead endpoints. The set is immutable. */
  get dead(): ReadonlySet<string> {
    return this.#dead;
  }

  get count(): number {
    return this.#watched.size;
  }

  /** Checks exactly these endpoints from now on. The state of others is discarded. */
  watch(targets: ReadonlyMap<string, CheckTarget>): void {
    for (const [key, { timer, isDead }] of this.#watched) {
      if (targets.has(key)) continue;
      clearTimeout(timer);
      this.#watched.delete(key);
      // Not reported, because the endpoint no longer exists.
      if (isDead) this.#dead = new Set([...this.#dead].filter((other) => other !== key));
    }
    for (const [key, target] of targets) {
      const known = this.#watched.get(key);
      if (known !== undefined) {
        known.target = target;
        continue;
      }
      const watched: Watched = { target, timer: undefined, contrary: 0, isDead: false };
      this.#watched.set(key, watched);
      // Spread over the first interval, so that a start causes no burst.
      this.#schedule(key, watched, this.#pace(target.interval) * this.#random());
    }
  }

  close(): void {
    this.watch(new Map());
  }

  #pace(interval: number): number {
    return Math.max(interval, (this.#watched.size / maxChecksPerSecond) * 1000);
  }

  #schedule(key: string, watched: Watched, delay: number): void {
    watched.timer = setTimeout(() => void this.#check(key, watched), delay);
    // Checks alone must not keep the process running.
    watched.timer.unref();
  }

  async #check(key: string, watched: Watched): Promise<void> {
    const { target } = watched;
    const isAlive = await this.#probe(target, target.interval);
    if (this.#watched.get(key) !== watched) return;
    const isContrary = isAlive === watched.isDead;
    watched.contrary = isContrary ? watched.contrary + 1 : 0;
    if (watched.contrary >= (watched.isDead ? successesToLive : failuresToDie)) {
      watched.contrary = 0;
      watched.isDead = !watched.isDead;
      const others = [...this.#dead].filter((other) => other !== key);
      this.#dead = new Set(watched.isDead ? [...others, key] : others);
      this.#onChange();
    }
    const interval = this.#pace(target.interval);
    this.#schedule(key, watched, isAlive && !watched.isDead ? interval : interval / hurry);
  }
}

/** Checks with one TCP connection that is closed by a reset, because orderly closes would fill TIME_WAIT. */
export function probeByConnecting({ address, port }: CheckTarget, timeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address.text, port });
    const finish = (isAlive: boolean) => {
      clearTimeout(timer);
      socket.removeAllListeners();
      // A late error after the verdict must not terminate the process.
      socket.on('error', () => undefined);
      if (isAlive) socket.resetAndDestroy();
      else socket.destroy();
      resolve(isAlive);
    };
    const timer = setTimeout(() => finish(false), timeout);
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}

/**
 * Returns the endpoints of an admitted Route's ports that are worth a check: TCP endpoints that get connections, or
 * would if they were not dead, if there is an alternative.
 */
function listTargets(
  ports: readonly IngressPort[],
  interval: number,
  dead: ReadonlySet<string>,
): readonly (readonly [key: string, target: CheckTarget])[] {
  return ports
    .filter(({ protocol, endpoints }) => protocol === 'tcp' && endpoints.length > 1)
    .flatMap(({ endpoints }) =>
      endpoints
        .map((endpoint) => [endpointKey(endpoint), endpoint] as const)
        .filter(([key, { weight }]) => weight > 0 || dead.has(key))
        .map(([key, { address, port }]) => [key, { address, port, interval }] as const),
    );
}

/**
 * Returns all endpoints to check without duplicates, each with the shortest interval of its Routes.
 *
 * @param defaultInterval milliseconds for Routes without an interval; 0: no checks
 */
export function collectTargets(
  desired: DesiredState | undefined,
  defaultInterval: number,
  dead: ReadonlySet<string>,
): ReadonlyMap<string, CheckTarget> {
  const targets = new Map<string, CheckTarget>();
  // Ports that share their endpoints are processed once, because there can be thousands of them.
  const looked = new Map<IngressPort['endpoints'], number>();
  for (const [index, { demand }] of desired?.admissions.admitted.entries() ?? []) {
    const interval = demand.checkInterval ?? defaultInterval;
    if (interval === 0) continue;
    const ports = (desired?.portsOfRequests[index] ?? []).filter(
      ({ endpoints }) => (looked.get(endpoints) ?? Number.POSITIVE_INFINITY) > interval,
    );
    for (const { protocol, endpoints } of ports) if (protocol === 'tcp') looked.set(endpoints, interval);
    for (const [key, target] of listTargets(ports, interval, dead)) {
      const known = targets.get(key);
      if (known === undefined || target.interval < known.interval) targets.set(key, target);
    }
  }
  return targets;
}
