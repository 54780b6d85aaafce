import type { Server } from 'node:http';
import { createDaemonServer, listen } from '../daemon/http-server.ts';
import type { AgentLog } from '../daemon/log.ts';
import { IngressAgent } from './agent.ts';
import { describeClaims } from './claims/claims-document.ts';
import { AgentMetrics } from './metrics.ts';
import { ManifestSource } from './objects/source/manifests.ts';
import type { ObjectSource, SourceSink } from './objects/source/source.ts';
import type { AgentOptions } from './options.ts';
import type { IngressDataPlane } from './ports/data-plane.ts';
import { describeEphemeralOverlap, readEphemeralPorts } from './ports/ephemeral.ts';
import type { StatusSink } from './status/status.ts';
import { StatusFile } from './status/status-file.ts';

/** Where objects come from and statuses go to. */
export interface Cluster {
  readonly source: ObjectSource;
  readonly status: StatusSink;
}

/** A running agent. */
export interface Daemon {
  readonly agent: IngressAgent;
  /** Undefined without `--stats-port`. */
  readonly server: Server | undefined;
  /** Ends everything; the rules go too when `--cleanup-on-exit` asks for it. */
  stop(): void;
}

/** Starts an agent. `openCluster` is called when the objects come from Kubernetes; `report` tells its troubles. */
export async function startDaemon(
  options: AgentOptions,
  dataPlane: IngressDataPlane,
  log: AgentLog,
  openCluster: (options: AgentOptions, log: AgentLog, report: SourceSink['report']) => Promise<Cluster>,
): Promise<Daemon> {
  const metrics = new AgentMetrics();
  // The status file's troubles are told like the source's, by the agent, which comes after both.
  const late: Pick<SourceSink, 'report'>[] = [];
  const report = (place: string, problem: string | undefined) => late[0]?.report(place, problem);
  const { source, status } =
    options.manifests === undefined
      ? await openCluster(options, log, report)
      : openManifests(options, options.manifests, (problem) => report('status', problem));
  const agent = new IngressAgent(options.settings, { source, status, dataPlane, log, metrics });
  late.push(agent);
  const { stats } = options;
  const server =
    stats &&
    createDaemonServer({
      metrics: metrics.registry,
      unreadiness: () => agent.unreadiness,
      claims: () => agent.admissions && describeClaims(agent.admissions),
      ...(stats.credentials !== undefined && { credentials: stats.credentials }),
    });
  if (server !== undefined && stats !== undefined) await listen(server, stats, ['--stats-address', '--stats-port']);
  const ephemeral = readEphemeralPorts();
  if (ephemeral !== undefined) report('node', describeEphemeralOverlap(options.settings.policy, ephemeral));
  agent.start();
  return {
    agent,
    server,
    stop: () => {
      server?.close();
      server?.closeAllConnections();
      agent.stop(options.cleanupOnExit);
    },
  };
}

function openManifests(
  { identity, statusFile, routerNameKey }: AgentOptions,
  directory: string,
  report: (problem: string | undefined) => void,
): Cluster {
  // Beside the directory, not in it: there it would be taken for a manifest.
  const path = statusFile ?? `${directory.replace(/\/+$/, '')}.status.json`;
  return {
    source: new ManifestSource({ directory, routerNameKey }),
    status: new StatusFile(path, identity, report),
  };
}
