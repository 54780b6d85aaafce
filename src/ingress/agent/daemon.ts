import { createDaemonServer, type DaemonServer } from '../../base/daemon/http-server.ts';
import type { DaemonLog } from '../../base/daemon/log.ts';
import type { EndSignal } from '../../base/daemon/run.ts';
import { version } from '../../base/daemon/version.ts';
import type { EventObject, EventWords } from '../../base/kubernetes/events.ts';
import { parseAddress } from '../../base/model/address.ts';
import { renderEndpoint } from '../../base/model/endpoint.ts';
import { parsePort } from '../../base/read/parse-port.ts';
import { HostGuard } from '../backends/host-guard.ts';
import type { HostPods } from '../backends/host-pods.ts';
import type { Claim, ClaimsDocument } from '../claims/claims-document.ts';
import { describePortClaims } from '../claims/describe-claims.ts';
import { portKey } from '../claims/ports.ts';
import type { GatewaySiteSettings, GatewaySites } from '../gateway/gateway-sites.ts';
import { DefaultCertificate } from '../http/default-certificate.ts';
import { describeHostClaims, indexEndpoints } from '../http/describe-claims.ts';
import { describeHaproxy } from '../http/haproxy-report.ts';
import type { HaproxyReport } from '../http/haproxy-report-document.ts';
import { HttpMetrics } from '../http/http-metrics.ts';
import { type HttpParts, HttpPlane } from '../http/http-plane.ts';
import { CertificateReferences } from '../http/references.ts';
import { InventorySecrets, type Secrets } from '../http/secrets.ts';
import { traceRequest } from '../http/trace.ts';
import type { TracedRequest } from '../http/traced-request.ts';
import type { PlaneReport } from '../intent/plane.ts';
import { Inventory } from '../objects/inventory.ts';
import { ManifestSource } from '../objects/source/manifests.ts';
import type { ObjectSource, SourceSink } from '../objects/source/source.ts';
import { AddressBook } from '../pools/address-book.ts';
import { describeAddresses } from '../pools/describe-addresses.ts';
import { describeEphemeralOverlap, readEphemeralPorts } from '../ports/ephemeral.ts';
import type { PortKernel } from '../ports/kernel-api.ts';
import { ListenerRules } from '../ports/linux/listener-rules.ts';
import { PortPlane } from '../ports/port-plane.ts';
import { AddressMetrics } from '../status/address-metrics.ts';
import { AgentMetrics } from '../status/metrics.ts';
import type { NodeRoster } from '../status/node-roster.ts';
import { reportAddresses } from '../status/plan-addresses.ts';
import { listRouterAddresses } from '../status/plan-ingress.ts';
import type { StatusSink } from '../status/status.ts';
import { StatusFile } from '../status/status-file.ts';
import { renderStatusPage } from '../status/status-page.ts';
import type { KeySource } from './addresses/keys.ts';
import type { Members } from './addresses/members.ts';
import { MoveEvents } from './addresses/move-events.ts';
import { openAddresses } from './addresses/open.ts';
import { IngressAgent } from './agent.ts';
import { joinNode } from './node-share.ts';
import type { AgentOptions } from './options.ts';
import { openSiteSources } from './site-sources.ts';
import type { StatsOptions } from './stats-options.ts';
import { StatsServer } from './stats-server.ts';

/** Source of objects and destination of statuses. */
export interface Cluster {
  readonly source: ObjectSource;
  readonly status: StatusSink;
  /** Candidacy for writing the statuses. Absent: statuses need none. */
  readonly lease?: { start(): void; release(): Promise<void> };
  /** Secrets that Routes refer to. */
  readonly secrets: Secrets;
  /** Running pods with hostNetwork. Absent: none is known. */
  readonly pods?: HostPods;
  /** The other ingress nodes. Absent: none is known. */
  readonly roster?: NodeRoster;
  /** The nodes that hold virtual addresses. Absent: those of the command line. */
  readonly members?: Members;
  /** Keys of their heartbeats. Absent: a file. */
  readonly keys?: KeySource;
  /** Writes an Event, if this agent is the one that writes statuses. Absent: there are no Events. */
  readonly tell?: (object: EventObject, words: EventWords) => void;
  /** Resolves to whether no next agent will take over, because the cluster removes the agent. Never rejects. */
  readonly isRemoved?: () => Promise<boolean>;
}

/** Reports a problem at a place, or with undefined that it is solved. */
export type Report = SourceSink['report'];

/** A running agent. */
export interface IngressDaemon {
  readonly agent: IngressAgent;
  /** Stops everything. The applied state is removed if `--cleanup-on-exit` is set. */
  stop(signal?: EndSignal): Promise<void>;
  /** What the agent serves and where, for the log. */
  readonly serves: Readonly<Record<string, unknown>>;
}

/**
 * Starts an agent. `openCluster` is called if the objects come from Kubernetes, and `report` receives its problems.
 * Rejects with an Error if the port of the statistics is not available.
 */
export async function startDaemon(
  options: AgentOptions,
  kernel: PortKernel,
  log: DaemonLog,
  openCluster: (options: AgentOptions, inventory: Inventory, log: DaemonLog, report: Report) => Promise<Cluster>,
): Promise<IngressDaemon> {
  const metrics = new AgentMetrics();
  const inventory = new Inventory();
  // Sources and statuses report to the agent, which is created from them.
  const report: Report = (place, problem) => agent.report(place, problem);
  const { source, status, lease, secrets, pods, roster, members, keys, tell, isRemoved } =
    options.manifests === undefined
      ? await openCluster(options, inventory, log, report)
      : openManifests(options, options.manifests, inventory, (problem) => report('status', problem));
  const guard = new HostGuard(options.guard, { inventory, ...(pods !== undefined && { pods }) });
  const book = new AddressBook(inventory, options.addresses);
  const slots = options.dryRun ? undefined : options.http?.settings.gateways;
  const ports = new PortPlane(
    { ...options.ports, ...(slots !== undefined && { ownPorts: slots.own }) },
    { inventory, kernel, log, metrics, guard, book, ...(roster && { roster }) },
  );
  const moves = tell && new MoveEvents(tell, () => ports.assignments);
  const { keeper, holdings } = openAddresses(options, {
    inventory,
    ports,
    ...(members && { members }),
    ...(keys && { keys }),
    isReady: () => agent.unreadiness === undefined,
    report,
    onState: (state) => {
      agent.requestReport();
      moves?.follow(state);
    },
  });
  const opened = openHttp(
    options,
    { inventory, secrets, log, guard },
    {
      addresses: () => ({ addresses: ports.gatewayAddresses, assignments: book.refresh() }),
      sitePorts: () => ports.sitePorts,
    },
    ports,
  );
  const { plane: http, gateways: sites, listenerRules } = opened ?? {};
  const httpMetrics = http && new HttpMetrics(metrics.registry, options.http?.serverThreshold ?? 0);
  const agent: IngressAgent = new IngressAgent({
    source,
    inventory,
    planes: http === undefined ? [ports] : [ports, http],
    gateways: () => ports.gateways && { ...ports.gateways, ...(sites !== undefined && { sites }) },
    ingressAddresses: () =>
      listRouterAddresses(ports.assignments.router, (address) => holdings.of(address), ports.gatewayAddresses),
    holdingOf: (address) => holdings.of(address),
    // An agent that reads no pools must not remove the addresses that others write.
    ...(!options.hostsOnly && {
      addresses: () =>
        reportAddresses({
          services: inventory.all('Service'),
          assignments: ports.assignments,
          balancerClass: options.addresses.balancerClass,
          holdingOf: (address) => holdings.of(address),
        }),
    }),
    guard,
    status: options.dryRun || !options.updatesStatus ? noStatus : status,
    log,
    metrics,
  });
  void new AddressMetrics(metrics.registry, { state: () => keeper.state, assignments: () => ports.assignments });
  const { stats } = options;
  const makeServer = ({ credentials, tls }: StatsOptions): DaemonServer =>
    createDaemonServer({
      metrics: {
        contentType: metrics.registry.contentType,
        metrics: async () => {
          if (http !== undefined) await httpMetrics?.refresh(http.engine, http.desired);
          return metrics.registry.metrics();
        },
      },
      unreadiness: () => agent.unreadiness,
      documents: {
        '/claims': () => describeClaims(ports, http),
        '/addresses': () =>
          describeAddresses({
            node: options.ports.node,
            assignments: ports.assignments,
            state: keeper.state,
            problem: keeper.problem,
            now: Date.now(),
          }),
        ...(http !== undefined && {
          '/trace': (query) =>
            http.desired &&
            traceRequest(http.desired, readTraced(query), http.ports, http.finder, collectNotes(http.report())),
          '/haproxy': async () => await reportHaproxy(http),
        }),
      },
      remarks: () => ports.remarks,
      page: (query) => renderPage({ agent, ports, http, node: options.ports.node }, query.get('q') ?? ''),
      partUnreadiness: (part) => agent.unreadiness ?? ports.describePort(part),
      ...(credentials !== undefined && { credentials }),
      ...(tls !== undefined && {
        tls: { ...tls, report: (problem: string | undefined) => report('certificate of statistics', problem) },
      }),
    });
  const server =
    stats &&
    new StatsServer(
      () => makeServer(stats),
      stats,
      (problem) => report('statistics', problem),
    );
  if (options.pod === undefined) await server?.open();
  const ephemeral = readEphemeralPorts();
  if (ephemeral !== undefined) report('node', describeEphemeralOverlap(options.ports.policy, ephemeral));
  agent.start(options.pod === undefined);
  if (options.pod === undefined) {
    lease?.start();
    if (!options.dryRun) keeper.start();
  }
  const share = options.pod && (await joinNode(options.pod, { agent, keeper, stats: server, lease }, log));
  return {
    agent,
    serves: describeServing(options),
    stop: async (signal) => {
      server?.close();
      // HAProxy of a service keeps serving until the next agent takes over. If a person started the agent at a
      // terminal, HAProxy ends with it.
      if (signal === 'SIGINT' || process.stderr.isTTY) http?.endAtStop();
      const removes = options.cleanupOnExit || (await isRemoved?.()) === true;
      const isOwner = share === undefined || share.isOwner || (removes && share.tryTake());
      if (removes && isOwner) log.info({}, 'Removing the rules');
      // First, so that other nodes take over while this one still serves.
      if (isOwner) await keeper.stop(removes);
      // Second: agent.stop ends the ownership at once, so no sync in progress applies the table again.
      const removeListeners = async (): Promise<void> => void (removes && isOwner && listenerRules?.remove());
      await Promise.all([agent.stop(removes, isOwner), removeListeners(), lease?.release()]);
      await roster?.close(removes);
      await share?.close();
    },
  };
}

function describeServing({ manifests, ports, http, stats }: AgentOptions): Readonly<Record<string, unknown>> {
  return {
    node: ports.node,
    objects: manifests ?? 'API server',
    allowedPorts: ports.policy.allowedPorts.map(({ from, to }) => `${from}-${to}`).join(','),
    ...(http !== undefined && {
      http: http.settings.haproxy.listen.httpPort,
      https: http.settings.haproxy.listen.httpsPort,
    }),
    ...(stats !== undefined && { statistics: `${stats.address}:${stats.port}` }),
  };
}

interface OpenedHttp {
  readonly plane: HttpPlane;
  readonly gateways?: GatewaySites;
  readonly listenerRules?: ListenerRules;
}

/** A dry run starts no HAProxy, and without one only claims of ports can be decided. */
function openHttp(
  { http, dryRun, ports }: AgentOptions,
  parts: Omit<HttpParts, 'certificate' | 'revocations' | 'sources' | 'listenerRules'>,
  views: Pick<GatewaySiteSettings, 'addresses' | 'sitePorts'>,
  owner: Pick<PortPlane, 'isOwner' | 'duringOwnChange'>,
): OpenedHttp | undefined {
  if (http === undefined || dryRun) return undefined;
  const certificate = new DefaultCertificate(http.certificate);
  const className = http.settings.policy.gatewayClass;
  const references = new CertificateReferences((key) => parts.secrets.get(key), http.settings.keys);
  const { sources, gateways } = openSiteSources(parts.inventory, http, { className, references, ...views });
  const { gateways: slots } = http.settings;
  const span = slots && { from: slots.ports.http.from, to: slots.ports.tls.to };
  const during = (change: () => void): void => owner.duringOwnChange(change);
  const listenerRules = span && new ListenerRules(ports.name, span, () => owner.isOwner, during);
  const plane = new HttpPlane(http.settings, {
    ...parts,
    sources,
    certificate,
    ...(http.revocations !== undefined && { revocations: http.revocations }),
    ...(listenerRules !== undefined && { listenerRules }),
  });
  return {
    plane,
    ...(gateways !== undefined && { gateways }),
    ...(listenerRules !== undefined && { listenerRules }),
  };
}

async function reportHaproxy({ engine, directory }: HttpPlane): Promise<HaproxyReport> {
  return describeHaproxy(await engine.describe(), await engine.countBlockingWorkers(), directory);
}

/** Sources of the status page. */
interface PageParts {
  readonly agent: IngressAgent;
  readonly ports: PortPlane;
  readonly http: HttpPlane | undefined;
  readonly node: string;
}

/** Renders the status page, or returns undefined before the first decision. */
async function renderPage({ agent, ports, http, node }: PageParts, filter: string): Promise<string | undefined> {
  const document = describeClaims(ports, http);
  if (document === undefined) return undefined;
  const open = new Map(ports.open.map((one) => [portKey(one), one.endpoints]));
  const sites = http?.desired === undefined ? undefined : indexEndpoints(http.desired);
  const haproxy = http && (await reportHaproxy(http));
  const { unreadiness } = agent;
  return renderStatusPage(
    {
      node,
      version,
      ...(unreadiness !== undefined && { unreadiness }),
      remarks: ports.remarks,
      claims: document.claims,
      endpointsOf: (claim) => {
        if (claim.port === undefined || claim.protocol === undefined) return sites?.(claim) ?? [];
        const address = claim.address === undefined ? undefined : parseAddress(claim.address);
        const { protocol, port: number } = claim;
        const endpoints = open.get(portKey({ protocol, port: number, ...(address && { address }) })) ?? [];
        return endpoints.map(({ address, port }) => renderEndpoint({ address, port }));
      },
      ...(haproxy !== undefined && { haproxy }),
    },
    filter,
  );
}

/** Returns every claim of hosts and ports, or undefined before the first decision. */
function describeClaims(ports: PortPlane, http: HttpPlane | undefined): ClaimsDocument | undefined {
  const { admissions, pending } = ports;
  if (admissions === undefined || (http !== undefined && http.desired === undefined)) return undefined;
  const hosts =
    http?.desired === undefined
      ? []
      : describeHostClaims(http.desired, http.pending, collectNotes(http.report())).map((claim) =>
          http.isServing ? claim : describeUnserved(claim),
        );
  const claims = [...hosts, ...describePortClaims(admissions, pending, collectNotes(ports.report()))];
  return { schema: 'ingress-agent.claims/v1', claims };
}

/** Returns the notes of the objects of a data plane, by UID. */
function collectNotes({ verdicts }: PlaneReport): ReadonlyMap<string, readonly string[]> {
  return new Map(verdicts.filter(({ notes }) => notes.length > 0).map(({ meta, notes }) => [meta.uid, notes]));
}

function describeUnserved(claim: Claim): Claim {
  return claim.admitted ? { ...claim, pending: 'all' } : claim;
}

function readTraced(query: URLSearchParams): TracedRequest {
  const path = query.get('path') ?? '/';
  const port = parsePort(query.get('port') ?? '');
  const address = parseAddress(query.get('address') ?? '');
  return {
    host: (query.get('host') ?? '').slice(0, 255),
    path: path.startsWith('/') ? path.slice(0, 4096) : `/${path.slice(0, 4096)}`,
    tls: query.get('tls') === 'true',
    method: (query.get('method') ?? 'GET').slice(0, 32),
    headers: readPairs(query.getAll('header')),
    params: readPairs(query.getAll('query')),
    ...(port !== undefined && { port }),
    ...(address !== undefined && { address: address.text }),
  };
}

/** Maximum number of headers, and of parameters, of a traced request. */
const maxPairs = 64;

/** Reads `NAME=VALUE`. */
function readPairs(written: readonly string[]): NonNullable<TracedRequest['params']> {
  return written.slice(0, maxPairs).map((text): readonly [string, string] => {
    const at = text.indexOf('=');
    return at < 0 ? [text.slice(0, 256), ''] : [text.slice(0, Math.min(at, 256)), text.slice(at + 1, at + 4097)];
  });
}

/** A dry run writes no statuses. */
const noStatus: StatusSink = { publish: () => undefined, close: () => undefined };

function openManifests(
  { identity, statusFile, routerNameKey, hostsOnly, dryRun }: AgentOptions,
  directory: string,
  inventory: Inventory,
  report: (problem: string | undefined) => void,
): Cluster {
  // Next to the directory, because inside it would be read as a manifest.
  const path = statusFile ?? `${directory.replace(/\/+$/, '')}.status.json`;
  return {
    source: new ManifestSource({
      directory,
      routerNameKey,
      ignoresPorts: hostsOnly,
      ...(!dryRun && { lastGood: `${directory.replace(/\/+$/, '')}.last-good` }),
    }),
    status: new StatusFile(path, identity, report),
    secrets: new InventorySecrets(inventory),
  };
}
