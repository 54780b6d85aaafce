import type { DaemonLog } from '../../daemon/log.ts';
import { type ApplyOutcome, HaproxyEngine } from '../../haproxy/engine.ts';
import type { HttpState, Settings } from '../../haproxy/model.ts';
import { describeBackends } from '../backends/endpoints.ts';
import type { Inventory, Journal } from '../objects/inventory.ts';
import type { DataPlane, PlaneHost, PlaneReport, Verdict } from '../plane.ts';
import type { DefaultCertificate } from './default-certificate.ts';
import { type DesiredSites, describeWarnings, type HttpDesiredSettings, SitePlanner } from './desired.ts';
import { readConnectionLimit } from './file-limit.ts';
import type { Secrets } from './secrets.ts';

/** How hosts and paths are served. */
export interface HttpSettings extends HttpDesiredSettings {
  /** Everything that is fixed when HAProxy starts, but for the default certificate. */
  readonly haproxy: Omit<Settings, 'tls'> & { readonly tls: Omit<Settings['tls'], 'defaultCertificate'> };
  /** A private folder: configuration, sockets, what is remembered. */
  readonly directory: string;
  /** Path or name of HAProxy. */
  readonly binary: string;
  /** As whom HAProxy's worker runs; absent: as the agent. */
  readonly user?: string;
  readonly group?: string;
  /** Milliseconds from one reload to the next, at least. */
  readonly reloadInterval: number;
  /** Milliseconds after which connections to a removed endpoint are ended. */
  readonly drainTime: number;
  /** Milliseconds that the router goes on serving, not ready, before it ends (ROUTER_GRACEFUL_SHUTDOWN_DELAY). */
  readonly shutdownDelay: number;
  /** Milliseconds that connections may take to end then (ROUTER_MAX_SHUTDOWN_TIMEOUT). */
  readonly shutdownTimeout: number;
}

/** What the data plane works with. */
export interface HttpParts {
  readonly inventory: Inventory;
  readonly secrets: Secrets;
  readonly certificate: DefaultCertificate;
  readonly log: DaemonLog;
}

/** Milliseconds that Secrets may take to be read before Routes are served without them. */
const secretTimeout = 5000;

/** Hosts and paths, by a HAProxy that it drives: HTTP, edge, re-encrypt and passthrough Routes. */
export class HttpPlane implements DataPlane {
  readonly name = 'http';
  readonly syncInterval = 0;
  readonly #settings: HttpSettings;
  readonly #parts: HttpParts;
  readonly #journal: Journal;
  readonly #planner: SitePlanner;
  readonly #engine: HaproxyEngine;
  #host: PlaneHost | undefined;
  #desired: DesiredSites | undefined;
  #outcome: ApplyOutcome | undefined;
  #secretsChanged = false;
  #hasStarted = false;
  #isStopping = false;
  #problem: string | undefined;

  constructor(settings: HttpSettings, parts: HttpParts) {
    this.#settings = settings;
    this.#parts = parts;
    this.#journal = parts.inventory.openJournal();
    this.#planner = new SitePlanner(parts.inventory, settings, (key) => parts.secrets.get(key));
    this.#engine = new HaproxyEngine({
      directory: settings.directory,
      binary: settings.binary,
      ...(settings.user !== undefined && { user: settings.user }),
      ...(settings.group !== undefined && { group: settings.group }),
      reloadInterval: settings.reloadInterval,
      drainTimeout: settings.drainTime,
      onProblem: (problem) => this.#note(problem),
      onReload: (outcome) => this.#finishReload(outcome),
    });
  }

  start(host: PlaneHost): void {
    this.#host = host;
    this.#parts.secrets.start(() => {
      this.#secretsChanged = true;
      host.requestSync();
    });
    this.#parts.certificate.start(
      () => host.requestSync(),
      (problem) => host.report('default certificate', problem),
    );
  }

  get unreadiness(): string | undefined {
    if (this.#isStopping) return 'the router is shutting down';
    return this.#problem === undefined ? undefined : `HAProxy: ${this.#problem}`;
  }

  /** What was last decided; undefined before the first sync. */
  get desired(): DesiredSites | undefined {
    return this.#desired;
  }

  /** Where HAProxy listens. */
  get ports(): { readonly http: number; readonly https: number } {
    const { httpPort: http, httpsPort: https } = this.#settings.haproxy.listen;
    return { http, https };
  }

  get engine(): HaproxyEngine {
    return this.#engine;
  }

  async sync(): Promise<void> {
    const { secrets, certificate } = this.#parts;
    secrets.want(this.#listSecrets());
    // At the start only: later a Secret that is not there yet holds up its own Route alone.
    if (!this.#hasStarted) await secrets.settle(secretTimeout);
    const changes = this.#journal.take();
    const secretsChanged = this.#secretsChanged || changes.has('Secret');
    this.#secretsChanged = false;
    this.#desired = this.#planner.compute(changes, secretsChanged);
    const haproxy = this.#fitConnections();
    const { sites, passthrough, backends, certificates, authorities } = this.#desired;
    const state: HttpState = {
      settings: { ...haproxy, tls: { ...haproxy.tls, defaultCertificate: await certificate.get() } },
      sites,
      passthrough,
      backends,
      certificates,
      authorities,
    };
    const outcome = this.#hasStarted ? await this.#engine.apply(state) : await this.#engine.start(state);
    this.#hasStarted = true;
    this.#noteOutcome(outcome);
    const { problem } = await this.#engine.describe();
    this.#note(problem);
  }

  report(): PlaneReport {
    const desired = this.#desired;
    if (desired === undefined) return { verdicts: [] };
    const refused = new Map(this.#outcome?.refused.map(({ name, reason }) => [name, reason]));
    const { finder } = this.#planner;
    const verdicts = [
      ...desired.served.map(({ route, host, demand, backend, keyPair }): Verdict => {
        const base = { ...describeHost(route, host, demand.isWildcard), ignored: demand.annotations.ignored };
        const problem =
          refused.get(backend.id) ?? (keyPair && refused.get(`${route.meta.namespace}:${route.meta.name}`));
        if (problem !== undefined) {
          return { ...base, reason: 'ExtendedValidationFailed', message: `HAProxy: ${problem}`, notes: [] };
        }
        const { targetPort, backends } = demand;
        const choice = { protocol: 'tcp' as const, ...(targetPort !== undefined && { targetPort }) };
        const notes = describeBackends(backends, route.meta.namespace, [choice], finder);
        return { ...base, notes: [...describeWarnings(demand), ...notes] };
      }),
      ...desired.unfit.map(
        ({ route, host, demand, refusal }): Verdict => ({
          ...describeHost(route, host, demand.isWildcard),
          ...refusal,
          notes: [],
          ignored: demand.annotations.ignored,
        }),
      ),
      ...desired.admissions.refused.map(
        ({ route, host, reason, message }): Verdict => ({
          ...describeHost(route, host, route.http.ok && route.http.value.isWildcard),
          reason,
          message,
          notes: [],
          ignored: [],
        }),
      ),
    ];
    return { verdicts };
  }

  /** Ends the agent's part; HAProxy serves on for the next agent unless `removes`, or where it cannot. */
  async stop(removes: boolean): Promise<void> {
    this.#isStopping = true;
    this.#parts.secrets.close();
    this.#parts.certificate.close();
    if (!this.#hasStarted) return;
    const { shutdownDelay: delay, shutdownTimeout: drain } = this.#settings;
    // The first process of a container takes all others along: nothing could serve on.
    if (removes || process.pid === 1) await this.#engine.stop({ delay, drain });
    else await this.#engine.release();
  }

  /** HAProxy does not start with more connections than its files allow: it serves fewer, and that is told. */
  #fitConnections(): HttpSettings['haproxy'] {
    const { haproxy } = this.#settings;
    const { maxconn } = haproxy.process;
    const limit = readConnectionLimit();
    if (maxconn === undefined || limit === undefined || maxconn <= limit) return haproxy;
    const cure = `the limit of open files allows ${limit} of ${maxconn} connections: raise it, or set --max-connections`;
    this.#host?.report('haproxy connections', cure);
    return { ...haproxy, process: { ...haproxy.process, maxconn: limit } };
  }

  #listSecrets(): ReadonlySet<string> {
    const keys = new Set<string>();
    for (const { meta, http } of this.#parts.inventory.all('Route')) {
      const name = http.ok ? http.value.tls?.externalCertificate : undefined;
      if (name !== undefined) keys.add(`${meta.namespace}/${name}`);
    }
    return keys;
  }

  #note(problem: string | undefined): void {
    this.#problem = problem;
    this.#host?.report('haproxy', problem);
  }

  #noteOutcome(outcome: ApplyOutcome): void {
    this.#outcome = outcome;
    if (outcome.pendingReload && outcome.waiting.size > 0) {
      this.#parts.log.info({ causes: Object.fromEntries(outcome.waiting) }, 'Waiting for a reload of HAProxy');
    }
  }

  #finishReload(outcome: ApplyOutcome): void {
    this.#outcome = outcome;
    this.#parts.log.info({}, 'HAProxy reloaded');
    this.#host?.requestReport();
  }
}

function describeHost(
  { meta }: { readonly meta: Verdict['meta'] },
  host: string | undefined,
  isWildcard: boolean,
): Pick<Verdict, 'meta' | 'host' | 'wildcardPolicy'> {
  return { meta, ...(host !== undefined && { host }), wildcardPolicy: isWildcard ? 'Subdomain' : 'None' };
}
