import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { BoundedFrequencyRunner } from '../../base/daemon/bounded-frequency-runner.ts';
import type { DaemonLog } from '../../base/daemon/log.ts';
import { writeTime } from '../../base/kubernetes/conditions.ts';
import type { EventWords } from '../../base/kubernetes/events.ts';
import type { Address } from '../../base/model/address.ts';
import { namesOf } from '../../base/model/redirect.ts';
import { describeError } from '../../base/model/text.ts';
import { everySuffix } from '../api/dns-name.ts';
import type { NameReport } from '../api/name-report.ts';
import { parseNetConf } from '../api/net-conf.ts';
import { recallAnswers } from '../api/remembered.ts';
import type { AnswerNames } from '../cni/change.ts';
import type { AttachmentState, PodName } from '../model/state.ts';
import { readAnswers, writeAnswers } from '../names/answer-file.ts';
import { DnsClient, type LookUp } from '../names/dns-client.ts';
import { NameServer } from '../names/name-server.ts';
import { type DnsServer, readResolvConf } from '../names/resolv-conf.ts';
import { NameResolver, type NameStatus, type ResolverSettings } from '../names/resolver.ts';
import { leaveOut, rememberedNetworksInside } from '../plan/name-networks.ts';
import { Drains } from './drains.ts';
import { isBusy } from './live-routers.ts';
import type { NodeMetrics } from './metrics.ts';
import type { NodeRouters } from './routers-api.ts';

/** Settings of DNS names as destinations. */
export interface NameSettings extends ResolverSettings {
  /** Default: the servers in `/etc/resolv.conf`. */
  readonly servers?: readonly DnsServer[];
  /** Milliseconds between a name losing an address and the end of connections to it; 0: they are never ended. */
  readonly drainTime: number;
}

/** Dependencies of {@link RouterNames}. */
export interface RouterNamesParts {
  readonly settings: NameSettings;
  readonly routers: NodeRouters;
  readonly metrics: NodeMetrics;
  readonly log: DaemonLog;
  /** Folder of the plugin's state files. Its subfolder `names` contains the answers and the socket. */
  readonly stateFolder: string;
  /** Emits an Event about a router's pod. */
  readonly tell: (state: AttachmentState, words: EventWords) => void;
  /** Reports the names of a router on its pod. Never throws. */
  readonly show: (state: AttachmentState, reports: readonly NameReport[]) => void;
}

const resolvConfPath = '/etc/resolv.conf';

/** Milliseconds. */
const times = {
  combine: 20,
  retry: 1000,
  write: 1000,
  rewrite: 30_000,
  servers: 5000,
  ownAddresses: 2000,
  prepare: 1800,
  lease: 60_000,
};

/**
 * Keeps the DNS names of this node's routers up to date: resolves them, and applies new addresses to running routers as
 * live changes. Answers survive a restart of the daemon.
 */
export class RouterNames {
  readonly #parts: RouterNamesParts;
  readonly #resolver: NameResolver;
  readonly #server: NameServer;
  readonly #writer: BoundedFrequencyRunner;
  readonly #folder: string;
  readonly #drains: Drains;
  /** Why new addresses could not be applied, by router. */
  readonly #failures = new Map<string, string>();
  #known: ReadonlyMap<string, AttachmentState> = new Map();
  /** Routers whose addresses of names need to be applied. */
  readonly #dirty = new Set<string>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #applying: NodeJS.Timeout | undefined;
  /** Whether each name had an address when it was last reported, by router. */
  readonly #told = new Map<string, Map<string, boolean>>();
  #rewriting: NodeJS.Timeout | undefined;

  constructor(parts: RouterNamesParts) {
    this.#parts = parts;
    const { settings, log } = parts;
    const { servers } = settings;
    this.#folder = `${parts.stateFolder}/names`;
    const client = new DnsClient(servers === undefined ? followResolvConf(log) : () => servers);
    const lookUp: LookUp = async (name, family) => {
      const lookup = await client.lookUp(name, family);
      parts.metrics.nameQueries.inc({ outcome: lookup.kind });
      return lookup;
    };
    this.#resolver = new NameResolver(settings, {
      lookUp,
      ownAddresses: followOwnAddresses(),
      changed: (names) => this.#hear(names),
    });
    this.#server = new NameServer({
      resolver: this.#resolver,
      allowedNetworks: settings.policy.allowedNetworks,
      log,
    });
    this.#writer = new BoundedFrequencyRunner(() => this.#write(), times.combine, times.write);
    this.#drains = new Drains({
      drainTime: settings.drainTime,
      file: `${this.#folder}/drains.json`,
      log,
      end: (state, lost) => parts.routers.endConnections(state, lost),
    });
  }

  /** Restores the answers of a previous daemon and listens for the plugin. Without the socket, ADD rejects names. */
  async start(): Promise<void> {
    const { settings, log } = this.#parts;
    this.#resolver.restore(readAnswers(`${this.#folder}/answers.json`, settings.times));
    this.#rewriting = setInterval(() => this.#writer.request(), times.rewrite);
    const socket = `${this.#folder}/socket`;
    try {
      await this.#server.listen(socket);
    } catch (error) {
      log.error(
        { err: error, socket },
        'Failed to listen for name requests; the plugin rejects new routers with names',
      );
    }
  }

  close(): void {
    this.#server.close();
    this.#resolver.close();
    this.#writer.cancel();
    this.#drains.close();
    clearInterval(this.#rewriting);
    clearTimeout(this.#applying);
    for (const timer of this.#timers) clearTimeout(timer);
    if (this.#known.size > 0) this.#write();
  }

  /** Updates the routers of this node. Call this after every scan. */
  follow(known: ReadonlyMap<string, AttachmentState>): void {
    for (const key of this.#known.keys()) {
      if (known.has(key)) continue;
      this.#resolver.release(key);
      this.#told.delete(key);
      this.#failures.delete(key);
    }
    this.#known = known;
    this.#drains.follow(known);
    for (const [key, state] of known) {
      const names = state.router?.answers?.map(({ name }) => name);
      if (names === undefined) {
        this.#resolver.release(key);
        this.#show(key, state);
        continue;
      }
      const families = state.addresses.map(({ address }) => address.family);
      this.#resolver.want(key, { namespace: state.pod?.namespace ?? '', names, families });
      if (!this.#isCurrent(state)) this.#request(key);
      this.#report(key, state);
      this.#show(key, state);
    }
  }

  /** Reports the names of routers again whose pod was observed; default all routers. */
  showAgain(pod?: PodName): void {
    for (const [key, state] of this.#known) {
      if (pod === undefined || (state.pod?.name === pod.name && state.pod.namespace === pod.namespace))
        this.#show(key, state);
    }
  }

  /** Resolves new names of a configuration before it is applied, and waits less than two seconds. Never rejects. */
  async prepare(key: string, state: AttachmentState, configuration: unknown): Promise<void> {
    if (!mayHaveNames(configuration)) return;
    const parsed = parseNetConf(configuration, undefined, everySuffix);
    const names = parsed.ok ? namesOf(parsed.value.redirects) : [];
    if (names.length === 0) return;
    const user = `change ${key}`;
    const families = state.addresses.map(({ address }) => address.family);
    this.#resolver.want(user, { namespace: state.pod?.namespace ?? '', names, families });
    // By the end of the lease, the router's state contains the names.
    this.#later(times.lease, () => this.#resolver.release(user));
    await this.#resolver.settle(names, times.prepare);
  }

  /** Returns the usable addresses of names for one router. */
  readonly answerNames: AnswerNames = (set, state) => {
    const networks = rememberedNetworksInside(state);
    const families = new Set(state.addresses.map(({ address }) => address.family));
    return new Map(namesOf(set).map((name) => [name, this.#addressesFor(name, networks, families)]));
  };

  #addressesFor(
    name: string,
    networks: ReturnType<typeof rememberedNetworksInside>,
    families: ReadonlySet<number>,
  ): readonly Address[] {
    const { addresses } = this.#resolver.find(name);
    const own = addresses.filter(({ family }) => families.has(family));
    return leaveOut(own, networks, this.#parts.settings.policy.allowedNetworks);
  }

  /** Returns whether a router uses the current addresses of its names. Names without a first answer are skipped. */
  #isCurrent(state: AttachmentState): boolean {
    if (state.router === undefined) return true;
    const networks = rememberedNetworksInside(state);
    const families = new Set(state.addresses.map(({ address }) => address.family));
    return [...recallAnswers(state.router)].every(([name, addresses]) => {
      if (!this.#resolver.find(name).isSettled) return true;
      const now = this.#addressesFor(name, networks, families);
      return now.map(({ text }) => text).join() === addresses.map(({ text }) => text).join();
    });
  }

  #hear(names: ReadonlySet<string>): void {
    const { metrics, log } = this.#parts;
    for (const name of names) {
      const { addresses, problem } = this.#resolver.find(name);
      metrics.nameAddresses.set({ name }, addresses.length);
      if (problem !== undefined) log.warn({ name, problem, usable: addresses.length }, 'A DNS name has a problem');
    }
    this.#writer.request();
    for (const [key, { router }] of this.#known) {
      if (router?.answers?.some(({ name }) => names.has(name)) === true) this.#request(key);
    }
  }

  #request(key: string, wait: number = times.combine): void {
    this.#dirty.add(key);
    this.#applying ??= setTimeout(() => this.#applyNext(), wait);
  }

  /** Applies one router per turn of the event loop, so that the daemon stays responsive. */
  #applyNext(): void {
    this.#applying = undefined;
    const [key] = this.#dirty;
    if (key === undefined) return;
    this.#dirty.delete(key);
    const state = this.#known.get(key);
    if (state !== undefined) this.#apply(key, state);
    if (this.#dirty.size > 0) this.#request(this.#dirty.values().next().value ?? key, 0);
  }

  #apply(key: string, state: AttachmentState): void {
    const { routers, log, metrics } = this.#parts;
    const names = state.router?.answers?.map(({ name }) => name) ?? [];
    // The router keeps its addresses until every name has had a first answer or failure.
    if (!names.every((name) => this.#resolver.find(name).isSettled)) return;
    try {
      const outcome = routers.applyAnswers(state.id, this.answerNames);
      if (outcome.kind === 'changed') {
        metrics.nameChanges.inc();
        log.info({ ...placeOf(state), lost: outcome.lost }, 'Applied new addresses of DNS names');
      }
      this.#failures.delete(key);
      this.#report(key, state);
      // After a change, the next scan shows the new state.
      if (outcome.kind === 'unchanged') this.#show(key, state);
    } catch (error) {
      log.warn({ err: error, ...placeOf(state) }, 'Failed to apply new addresses of DNS names; retrying');
      // ADD or DEL holds the lock for a moment.
      if (!isBusy(error)) {
        this.#failures.set(key, `failed to apply its new addresses: ${describeError(error)}`);
        this.#show(key, state);
      }
      this.#later(times.retry, () => this.#request(key));
    }
  }

  /** Reports the names of a router with the addresses that its rules have, whatever the resolver knows by now. */
  #show(key: string, state: AttachmentState): void {
    const now = Date.now();
    const reports = Array.from(
      state.router === undefined ? [] : recallAnswers(state.router),
      ([name, addresses]): NameReport => {
        const status = this.#resolver.find(name);
        const { problem, isSettled, remaining, sinceChange } = status;
        const inside = addresses.length === 0 ? noAddress(status) : undefined;
        const error = isSettled ? (problem ?? this.#failures.get(key) ?? inside) : 'it is not resolved yet';
        return {
          name,
          addresses: addresses.map(({ text }) => text),
          ...(remaining !== undefined && { expires: writeTime(new Date(now + remaining)) }),
          ...(sinceChange !== undefined && { changed: writeTime(new Date(now - sinceChange)) }),
          ...(error !== undefined && { error }),
        };
      },
    );
    this.#parts.show(state, reports);
  }

  /** Emits an Event when a name loses its last usable address, and when it has one again. */
  #report(key: string, state: AttachmentState): void {
    const told = this.#told.get(key) ?? new Map<string, boolean>();
    this.#told.set(key, told);
    const names = state.router?.answers?.map(({ name }) => name) ?? [];
    for (const name of told.keys()) if (!names.includes(name)) told.delete(name);
    const networks = rememberedNetworksInside(state);
    const families = new Set(state.addresses.map(({ address }) => address.family));
    for (const name of names) {
      const status = this.#resolver.find(name);
      if (!status.isSettled) continue;
      const isResolved = this.#addressesFor(name, networks, families).length > 0;
      const before = told.get(name);
      told.set(name, isResolved);
      if (before === isResolved || (before === undefined && isResolved)) continue;
      this.#tell(state, status, isResolved);
    }
  }

  #tell(state: AttachmentState, status: NameStatus, isResolved: boolean): void {
    const { log, tell } = this.#parts;
    const { name, problem } = status;
    const message = isResolved
      ? `${name} has a usable address again; its ports accept connections`
      : `${name} has no usable address, so its ports refuse connections: ${problem ?? noAddress(status)}`;
    const words = { ...placeOf(state), name, ...(problem !== undefined && { problem }) };
    if (isResolved) log.info(words, 'A DNS name has a usable address again');
    else log.warn(words, 'A DNS name has no usable address; its ports refuse connections');
    tell(state, {
      type: isResolved ? 'Normal' : 'Warning',
      reason: isResolved ? 'NameResolved' : 'NameUnresolved',
      message,
    });
  }

  #write(): void {
    try {
      writeAnswers(`${this.#folder}/answers.json`, this.#resolver.entries);
    } catch (error) {
      this.#parts.log.warn(
        { err: error, file: `${this.#folder}/answers.json` },
        'Failed to save the answers of DNS names',
      );
    }
  }

  #later(milliseconds: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, milliseconds);
    this.#timers.add(timer);
  }
}

/** Returns why a router uses no address of a name that has no problem of its own. */
function noAddress({ addresses }: NameStatus): string {
  return addresses.length > 0 ? 'its addresses are inside the cluster' : 'it has no address';
}

/** Returns whether a configuration may contain names. Most contain only addresses and need no parsing. */
function mayHaveNames(configuration: unknown): boolean {
  return typeof configuration === 'object' && /[a-z]\.[a-z]|Name"/i.test(JSON.stringify(configuration));
}

function placeOf({ pod, id, link }: AttachmentState): Readonly<Record<string, string>> {
  return { pod: pod === undefined ? id.containerId : `${pod.namespace}/${pod.name}`, interface: link };
}

/**
 * Returns a function that lists this node's addresses, at most once every two seconds: a node with a hundred routers has
 * hundreds of interfaces, and every answer is compared with them.
 */
function followOwnAddresses(): () => ReadonlySet<string> {
  let addresses: ReadonlySet<string> = new Set();
  let readAt = Number.NEGATIVE_INFINITY;
  return () => {
    if (performance.now() - readAt < times.ownAddresses) return addresses;
    readAt = performance.now();
    addresses = new Set(
      Object.values(networkInterfaces())
        .flat()
        .flatMap((one) => one?.address.replace(/%.*$/, '') ?? []),
    );
    return addresses;
  };
}

/** Returns a function that reads the node's DNS servers when a name is resolved, at most once every few seconds. */
function followResolvConf(log: DaemonLog): () => readonly DnsServer[] {
  let servers: readonly DnsServer[] = [];
  let readAt = Number.NEGATIVE_INFINITY;
  return () => {
    if (performance.now() - readAt < times.servers) return servers;
    readAt = performance.now();
    try {
      servers = readResolvConf(readFileSync(resolvConfPath, 'utf8'));
    } catch (error) {
      log.warn({ err: error, file: resolvConfPath }, 'Failed to read the DNS servers of this node');
    }
    return servers;
  };
}
