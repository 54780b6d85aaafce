import type { DaemonLog } from '../../base/daemon/log.ts';
import { type Duties, NodeOwnership } from '../handover/ownership.ts';
import { PodFolder } from '../handover/pod-folder.ts';
import { serveStarted } from '../handover/started.ts';
import type { AddressKeeper } from './addresses/keeper.ts';
import type { IngressAgent } from './agent.ts';
import type { StatsServer } from './stats-server.ts';

/** The pod of this agent, in a folder that the agents of a node share. */
export interface PodOptions {
  /** Path of the shared folder. */
  readonly shared: string;
  readonly uid: string;
}

/** What only one agent of a node does. */
export interface SharedParts {
  readonly agent: Pick<IngressAgent, 'prepare' | 'takeOver' | 'handOver' | 'obstacle'>;
  /** Writes which virtual addresses this node should hold. */
  readonly keeper: Pick<AddressKeeper, 'start' | 'pause'>;
  /** Absent: none. */
  readonly stats?: StatsServer | undefined;
  /** Candidacy for writing statuses. Absent: statuses are not written to a cluster. */
  readonly lease?: { start(): void; release(): Promise<void> } | undefined;
}

/** Shares a node with the agents of other pods: during an update two of them run. */
export interface NodeShare {
  readonly isOwner: boolean;
  /** Becomes the owner if no agent is. Called before this agent removes what exclusive planes applied. */
  tryTake(): boolean;
  close(): Promise<void>;
}

/**
 * Takes part in the node: ports, statuses and statistics belong to one agent at a time. HAProxy does not, because each
 * agent has its own, which serves all changes. Throws if another process uses the folder of this pod.
 */
export async function joinNode(
  { shared, uid }: PodOptions,
  { agent, keeper, stats, lease }: SharedParts,
  log: DaemonLog,
): Promise<NodeShare> {
  const folder = await PodFolder.open(shared, uid, 'agent');
  const duties: Duties = {
    prepare: async () => await agent.prepare(),
    begin: () => {
      agent.takeOver();
      keeper.start();
      lease?.start();
      stats?.openSoon();
    },
    end: async () => {
      keeper.pause();
      stats?.close();
      // Only then statuses: the next agent publishes them after it has applied the ports.
      await agent.handOver();
      // It stops acting at once. The next agent must not wait for the API server to apply ports.
      void lease?.release();
    },
  };
  const ownership = new NodeOwnership(folder, duties, {
    report: (message) => log.info({}, message),
    fail: (error) => {
      log.error({ err: error }, 'Failed to take over or hand over ports and statuses; the ingress agent exits');
      process.exit(1);
    },
  });
  const server = await serveStarted(folder.path, () => {
    if (ownership.isActive) return undefined;
    const waiting = `another agent of this node has not handed over yet; this agent is ${agent.obstacle ?? 'ready'}`;
    return ownership.problem ?? waiting;
  });
  ownership.start();
  return {
    get isOwner() {
      return ownership.isOwner;
    },
    tryTake: () => ownership.tryTake(),
    close: async () => {
      ownership.close();
      server.close();
      await folder.close();
    },
  };
}
