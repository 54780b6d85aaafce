import type { Server } from 'node:http';
import { createDaemonServer, listen } from '../daemon/http-server.ts';
import type { DaemonLog } from '../daemon/log.ts';
import { IngressAgent } from './agent.ts';
import { describeClaims } from './claims/describe-claims.ts';
import { AgentMetrics } from './metrics.ts';
import { Inventory } from './objects/inventory.ts';
import { ManifestSource } from './objects/source/manifests.ts';
import type { ObjectSource, SourceSink } from './objects/source/source.ts';
import type { AgentOptions } from './options.ts';
import { describeEphemeralOverlap, readEphemeralPorts } from './ports/ephemeral.ts';
import type { PortKernel } from './ports/kernel.ts';
import { PortPlane } from './ports/port-plane.ts';
import type { StatusSink } from './status/status.ts';
import { StatusFile } from './status/status-file.ts';

/** Where objects come from and statuses go to. */
export interface Cluster {
  readonly source: ObjectSource;
  readonly status: StatusSink;
}

/** Tells what is wrong at a place, or, with undefined, that nothing is any more. */
export type Report = SourceSink['report'];

/** A running agent. */
export interface IngressDaemon {
  readonly agent: IngressAgent;
  /** Undefined without `--stats-port`. */
  readonly server: Server | undefined;
  /** Ends everything; what is in force goes too when `--cleanup-on-exit` asks for it. */
  stop(): Promise<void>;
}

/**
 * Starts an agent. `openCluster` is called when the objects come from Kubernetes; `report` tells its
 * troubles. Rejects with an Error where the port of the statistics cannot be listened on.
 */
export async function startDaemon(
  options: AgentOptions,
  kernel: PortKernel,
  log: DaemonLog,
  openCluster: (options: AgentOptions, log: DaemonLog, report: Report) => Promise<Cluster>,
): Promise<IngressDaemon> {
  const metrics = new AgentMetrics();
  const inventory = new Inventory();
  const ports = new PortPlane(options.ports, { inventory, kernel, log, metrics });
  // Sources and statuses report to the agent, which is made of them.
  const report: Report = (place, problem) => agent.report(place, problem);
  const { source, status } =
    options.manifests === undefined
      ? await openCluster(options, log, report)
      : openManifests(options, options.manifests, (problem) => report('status', problem));
  const agent: IngressAgent = new IngressAgent({
    source,
    inventory,
    planes: [ports],
    status: options.dryRun ? noStatus : status,
    log,
    metrics,
    syncInterval: options.syncInterval,
  });
  const { stats } = options;
  const server =
    stats &&
    createDaemonServer({
      metrics: metrics.registry,
      unreadiness: () => agent.unreadiness,
      remarks: () => ports.remarks,
      partUnreadiness: (part) => agent.unreadiness ?? ports.describePort(part),
      claims: () => ports.admissions && describeClaims(ports.admissions),
      ...(stats.credentials !== undefined && { credentials: stats.credentials }),
    });
  if (server !== undefined && stats !== undefined) await listen(server, stats, ['--stats-address', '--stats-port']);
  const ephemeral = readEphemeralPorts();
  if (ephemeral !== undefined) report('node', describeEphemeralOverlap(options.ports.policy, ephemeral));
  agent.start();
  return {
    agent,
    server,
    stop: async () => {
      server?.close();
      server?.closeAllConnections();
      await agent.stop(options.cleanupOnExit);
    },
  };
}

/** Writes no status: a dry run changes nothing anywhere. */
const noStatus: StatusSink = { publish: () => undefined, close: () => undefined };

function openManifests(
  { identity, statusFile, routerNameKey, dryRun }: AgentOptions,
  directory: string,
  report: (problem: string | undefined) => void,
): Cluster {
  // Beside the directory, not in it: there it would be taken for a manifest.
  const path = statusFile ?? `${directory.replace(/\/+$/, '')}.status.json`;
  return {
    source: new ManifestSource({
      directory,
      routerNameKey,
      ...(!dryRun && { lastGood: `${directory.replace(/\/+$/, '')}.last-good` }),
    }),
    status: new StatusFile(path, identity, report),
  };
}
