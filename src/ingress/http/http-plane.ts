import { join } from 'node:path';
import type { DaemonLog } from '../../base/daemon/log.ts';
import type { EndpointFinder } from '../backends/endpoints.ts';
import type { HostGuard } from '../backends/host-guard.ts';
import { HaproxyEngine } from '../haproxy/engine.ts';
import type { HttpState, Settings } from '../haproxy/model.ts';
import { hostSocket, RemoteHost } from '../haproxy/remote-host.ts';
import type { ApplyOutcome, Pending } from '../haproxy/report.ts';
import type { DataPlane, PlaneHost, PlaneReport } from '../intent/plane.ts';
import { configMapKey } from '../intent/references.ts';
import type { ChangedObjects, SiteSource } from '../intent/site-source.ts';
import type { Inventory, Journal } from '../objects/inventory.ts';
import type { DefaultCertificate } from './default-certificate.ts';
import { type DesiredSites, type HttpDesiredSettings, SitePlanner } from './desired.ts';
import { type ConnectionLimit, findConnectionLimit } from './file-limit.ts';
import { correctVerdicts, type Gap } from './gap.ts';
import type { Translation } from './gateway-slots.ts';
import { Outage } from './outage.ts';
import { reloadOwner } from './reload-owner.ts';
import type { RevocationFile } from './revocation-file.ts';
import type { Secrets } from './secrets.ts';
import { SiteTurns } from './site-turns.ts';
import { VerdictWriter } from './verdicts.ts';
import { joinClients } from './verified-hosts.ts';

/** Settings of the data plane. */
export interface HttpSettings extends HttpDesiredSettings {
  /** Settings that are fixed when HAProxy starts, except the default certificate. */
  readonly haproxy: Omit<Settings, 'tls'> & { readonly tls: Omit<Settings['tls'], 'defaultCertificate'> };
  /** A private folder for configuration, sockets and recorded state. */
  readonly directory: string;
  /** Path or name of HAProxy's executable. */
  readonly binary: string;
  /** User of the HAProxy worker. Absent: the agent's. */
  readonly user?: string;
  readonly group?: string;
  /** Minimum interval between reloads in milliseconds. */
  readonly reloadInterval: number;
  /** Milliseconds after which connections to a removed endpoint end. */
  readonly drainTime: number;
  /** HAProxy runs in another container with the same folder, managed by `ingress-haproxy`. */
  readonly hasContainer?: boolean;
  /**
   * Milliseconds during which the router keeps serving, not ready, before it shuts down
   * (ROUTER_GRACEFUL_SHUTDOWN_DELAY).
   */
  readonly shutdownDelay: number;
  /** Milliseconds that connections may take to end after that (ROUTER_MAX_SHUTDOWN_TIMEOUT). */
  readonly shutdownTimeout: number;
}

/** Dependencies of the data plane. */
export interface HttpParts {
  readonly inventory: Inventory;
  /** Objects that request hosts and paths. */
  readonly sources: readonly SiteSource[];
  readonly secrets: Secrets;
  readonly certificate: DefaultCertificate;
  /** Revocation lists of client certificates, which replace those of the settings. */
  readonly revocations?: RevocationFile;
  readonly log: DaemonLog;
  /** Decides about endpoints with node addresses. */
  readonly guard?: HostGuard;
  /** Ports of listeners in the kernel. */
  readonly listenerRules?: TranslationRules;
}

/** Applies translations of ports. */
export interface TranslationRules {
  /** Does nothing while another agent of this node applies the ports. Throws. */
  apply(translations: readonly Translation[]): void;
}

/** Changes of objects: none. */
const nothing: ChangedObjects = { has: () => false, of: () => new Set() };

/** Milliseconds to wait for Secrets before Routes are served without them. */
const secretTimeout = 5000;

/** Milliseconds without an answer of HAProxy after which clients should use another node. */
const silenceLimit = 5000;

/**
 * The data plane of hosts and paths: HTTP, edge, re-encrypt and passthrough Routes, served by a HAProxy that it
 * controls.
 */
export class HttpPlane implements DataPlane {
  readonly name = 'http';
  readonly syncInterval = 0;
  readonly #settings: HttpSettings;
  readonly #parts: HttpParts;
  readonly #journal: Journal;
  readonly #planner: SitePlanner;
  readonly #verdicts: VerdictWriter;
  readonly #turns: SiteTurns;
  readonly #engine: HaproxyEngine;
  readonly #changedSecrets = new Set<string>();
  #host: PlaneHost | undefined;
  #desired: DesiredSites | undefined;
  /** The last decision that was applied. */
  #applied: DesiredSites | undefined;
  #hasFailed = false;
  readonly #outage: Outage;
  #hasStarted = false;
  /** Read once, because changing the number of connections needs a reload. */
  #limit: ConnectionLimit | undefined;
  #isStopping = false;
  #endsAtStop = false;
  #problem: string | undefined;

  constructor(settings: HttpSettings, parts: HttpParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#journal = parts.inventory.openJournal();
    this.#outage = new Outage(silenceLimit, () => this.#host?.requestReport());
    this.#planner = new SitePlanner(
      parts.inventory,
      parts.sources,
      settings,
      (key) => parts.secrets.get(key),
      parts.guard,
    );
    this.#verdicts = new VerdictWriter(this.#planner.finder);
    this.#turns = new SiteTurns(parts.sources);
    this.#engine = new HaproxyEngine({
      directory: settings.directory,
      binary: settings.binary,
      ...(settings.user !== undefined && { user: settings.user }),
      ...(settings.group !== undefined && { group: settings.group }),
      reloadInterval: settings.reloadInterval,
      drainTimeout: settings.drainTime,
      ...(settings.hasContainer === true && { host: new RemoteHost(join(settings.directory, hostSocket)) }),
      ownerOf: reloadOwner,
      onProblem: (problem) => this.#note(problem),
      onReload: () => this.#finishReload(),
      onProgress: () => this.#host?.requestReport(),
    });
  }

  start(host: PlaneHost): void {
    this.#host = host;
    // In its own container, HAProxy is started there with the configuration on disk.
    if (this.#settings.hasContainer !== true) {
      this.#engine
        .resume()
        .catch((error: unknown) =>
          this.#note(
            `Failed to resume the configuration on disk: ${error instanceof Error ? error.message : String(error)}`,
          ),
        );
    }
    this.#parts.secrets.start((key) => {
      this.#changedSecrets.add(key);
      host.requestSync();
    });
    this.#parts.certificate.start(
      () => host.requestSync(),
      (problem) => host.report('default certificate', problem),
    );
    this.#parts.revocations?.start(
      () => host.requestSync(),
      (problem) => host.report('revocation lists', problem),
    );
  }

  get unreadiness(): string | undefined {
    if (this.#isStopping) return 'the router is shutting down';
    // Not every problem counts: a Route that HAProxy rejects must not take the node away from the others.
    if (!this.#engine.isServing) return `HAProxy: ${this.#problem ?? 'not started yet'}`;
    const { silence } = this.#engine;
    return silence < silenceLimit ? undefined : `HAProxy has answered no request for ${Math.round(silence / 1000)} s`;
  }

  /** The last decision. Undefined before the first sync. */
  get desired(): DesiredSites | undefined {
    return this.#desired;
  }

  /** Changes that are not in force yet, by the name of a backend, certificate or authority. */
  get pending(): ReadonlyMap<string, Pending> {
    return this.#engine.outcome.pending;
  }

  /** Folder of HAProxy's files. */
  get directory(): string {
    return this.#settings.directory;
  }

  /** Ports of HAProxy. */
  get ports(): { readonly http: number; readonly https: number } {
    const { httpPort: http, httpsPort: https } = this.#settings.haproxy.listen;
    return { http, https };
  }

  /** Finds the endpoints of Services as the last decision did. */
  get finder(): EndpointFinder {
    return this.#planner.finder;
  }

  get engine(): HaproxyEngine {
    return this.#engine;
  }

  async sync(): Promise<void> {
    const { secrets, certificate, revocations } = this.#parts;
    const taken = this.#journal.take();
    // All at once at the start: HAProxy must not serve a part of the Routes.
    const changes = this.#desired === undefined ? taken : this.#turns.cut(taken);
    let desired = this.#compute(changes);
    // Selected objects and listeners of Gateways are known only now.
    secrets.want(this.#listSecrets());
    if (!this.#hasStarted) {
      // Only at the start: later a missing Secret delays only its own object.
      await secrets.settle(secretTimeout);
      desired = this.#compute(nothing);
    }
    const haproxy = await this.#fitConnections();
    const { sites, passthrough, backends, certificates, authorities, gateway, verified } = desired;
    const state: HttpState = {
      settings: {
        ...haproxy,
        tls: { ...haproxy.tls, defaultCertificate: await certificate.get() },
        ...(haproxy.clientTls && revocations && { clientTls: { ...haproxy.clientTls, revocations: revocations.text } }),
      },
      sites,
      passthrough,
      backends,
      certificates,
      authorities,
      gateways: joinClients(gateway.gateways, verified),
    };
    try {
      this.#noteOutcome(this.#hasStarted ? await this.#engine.apply(state) : await this.#engine.start(state));
      this.#hasStarted = true;
      // Not earlier: HAProxy must know the place.
      this.#parts.listenerRules?.apply(gateway.translations);
      this.#applied = desired;
      this.#hasFailed = false;
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    } finally {
      // Not earlier: a Route that HAProxy rejects must not be reported as admitted.
      this.#desired = desired;
    }
    if (this.#turns.hasMore) this.#host?.requestSync();
    const { problem } = await this.#engine.describe();
    this.#note(problem);
  }

  #compute(changes: ChangedObjects): DesiredSites {
    const desired = this.#planner.compute(
      changes,
      new Set([...this.#changedSecrets, ...changes.of('Secret'), ...Array.from(changes.of('ConfigMap'), configMapKey)]),
    );
    this.#changedSecrets.clear();
    return desired;
  }

  report(): PlaneReport {
    if (this.#desired === undefined) return { verdicts: [] };
    const faults = new Map(this.#engine.outcome.refused.map(({ name, reason }) => [name, reason]));
    const verdicts = this.#verdicts.list(this.#desired, faults, this.pending);
    return { verdicts: correctVerdicts(verdicts, this.#findGap()) };
  }

  /** What no single change explains: HAProxy does not run, or the last state could not be applied. */
  #findGap(): Gap | undefined {
    const { node } = this.#settings;
    const isLong = this.#outage.note(!this.isServing);
    const cure = 'the log of its agent gives the reason';
    if (!this.isServing)
      return { served: new Set(), ...(isLong && { problem: `HAProxy does not run on node ${node}; ${cure}` }) };
    if (!this.#hasFailed) return undefined;
    const { served: own = [], gateway } = this.#applied ?? {};
    const served = new Set([...own, ...(gateway?.served ?? [])].map(({ request }) => request.owner.meta.uid));
    return { served, problem: `node ${node} cannot apply the configuration of HAProxy and retries; ${cure}` };
  }

  /** Whether HAProxy runs with a configuration of this agent. */
  get isServing(): boolean {
    return this.#engine.isServing;
  }

  /**
   * From now on {@link stop} terminates HAProxy at once with its connections, because an operator waits at a
   * terminal.
   */
  endAtStop(): void {
    this.#endsAtStop = true;
  }

  /** Stops the data plane. HAProxy keeps serving for the next agent unless `removes`, or if it cannot. */
  async stop(removes: boolean): Promise<void> {
    this.#isStopping = true;
    this.#outage.close();
    this.#parts.secrets.close();
    this.#parts.certificate.close();
    this.#parts.revocations?.close();
    if (!this.#hasStarted && this.#settings.hasContainer === true) return;
    const { shutdownDelay: delay, shutdownTimeout: drain } = this.#settings;
    // The end of the first process in a container ends all others, so HAProxy could not keep serving. Another
    // container stops HAProxy itself when the pod terminates.
    const takesAlong = (removes || process.pid === 1) && this.#settings.hasContainer !== true;
    if (this.#endsAtStop) await this.#engine.stop({ delay: 0, drain: 0 });
    else if (takesAlong) await this.#engine.stop({ delay, drain });
    else await this.#engine.release();
  }

  /**
   * HAProxy does not start with more connections than its file limit allows, and is killed if they need more memory
   * than its container has. It then serves fewer, and the agent reports it.
   */
  async #fitConnections(): Promise<HttpSettings['haproxy']> {
    const { haproxy } = this.#settings;
    const { maxconn } = haproxy.process;
    this.#limit ??= findConnectionLimit(await this.#engine.resources());
    const { connections, what } = this.#limit;
    const isAuto = maxconn === undefined;
    if (connections === undefined || (!isAuto && maxconn <= connections)) return haproxy;
    const wish = isAuto ? '' : ` of ${maxconn}`;
    const cure = `the limit of ${what} allows ${connections}${wish} connections; raise it, or set --max-connections`;
    if (!isAuto) this.#host?.report('haproxy connections', cure);
    return { ...haproxy, process: { ...haproxy.process, maxconn: connections } };
  }

  #listSecrets(): ReadonlySet<string> {
    const keys = new Set<string>();
    for (const source of this.#parts.sources) for (const key of source.listSecrets()) keys.add(key);
    return keys;
  }

  #note(problem: string | undefined): void {
    // HAProxy stopped or started serving, possibly without a change of objects.
    if (problem !== this.#problem) this.#host?.requestReport();
    this.#problem = problem;
    this.#host?.report('haproxy', problem);
  }

  #noteOutcome(outcome: ApplyOutcome): void {
    if (outcome.pendingReload && outcome.waiting.size > 0) {
      this.#parts.log.info({ causes: Object.fromEntries(outcome.waiting) }, 'Waiting for a reload of HAProxy');
    }
  }

  #finishReload(): void {
    this.#parts.log.info({}, 'HAProxy reloaded');
    this.#host?.requestReport();
  }
}
