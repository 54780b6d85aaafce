import { connect } from 'node:net';
import type { Address } from '../../base/model/address.ts';
import { endpointKey } from '../backends/endpoints.ts';
import type { DesiredState } from './endpoint-quota.ts';
import type { IngressPort } from './model.ts';

/** One endpoint to be checked. */
export interface CheckTarget {
  readonly address: Address;
  /** TCP, 1–65535. */
  readonly port: number;
  /** Milliseconds between two checks. */
  readonly interval: number;
}

/** Opens a connection and closes it again; false when that fails within `timeout` milliseconds. */
export type Probe = (target: CheckTarget, timeout: number) => Promise<boolean>;

/** As in HAProxy: consecutive failures that make an endpoint dead, and successes that restore it. */
const failuresToDie = 3;
const successesToLive = 2;

/** After a failure, and while dead, the next check comes sooner, by this factor: the verdict should not take 15 s. */
const hurry = 5;

/** More checks a second than this are stretched: 100,000 endpoints must not keep a node busy. */
const maxChecksPerSecond = 1000;

interface Watched {
  target: CheckTarget;
  timer: NodeJS.Timeout | undefined;
  /** Checks in a row that say the opposite of `isDead`. */
  contrary: number;
  isDead: boolean;
}

/** Checks endpoints by connecting to them, and knows which are dead. */
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

  /** Keys of the endpoints that are dead; never changed in place. */
  get dead(): ReadonlySet<string> {
    return this.#dead;
  }

  get count(): number {
    return this.#watched.size;
  }

  /** Checks these endpoints from now on, and no others. What is known of the others is forgotten. */
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
      // Spread over the first interval, so that a start is no burst.
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
    // Checks alone are no reason to go on living.
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

/** Checks by one TCP connection, closed by a reset, because orderly closes would fill TIME_WAIT. */
export function probeByConnecting({ address, port }: CheckTarget, timeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address.text, port });
    const finish = (isAlive: boolean) => {
      clearTimeout(timer);
      socket.removeAllListeners();
      // A late error after the verdict must not end the process.
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
 * The endpoints of an admitted Route's ports that are worth a check: those of TCP that get
 * connections, or would if they were not dead, where there is another to go to.
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
 * Everything that is worth a check, each once, as often as the Route that wants it most often.
 *
 * @param defaultInterval milliseconds, of Routes that say nothing; 0: such are not checked
 */
export function collectTargets(
  desired: DesiredState | undefined,
  defaultInterval: number,
  dead: ReadonlySet<string>,
): ReadonlyMap<string, CheckTarget> {
  const targets = new Map<string, CheckTarget>();
  // Ports that share their endpoints are looked at once: there can be thousands of them.
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
