import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { createDaemonServer, listen } from '../../base/daemon/http-server.ts';
import type { DaemonLog } from '../../base/daemon/log.ts';
import { isLoopback } from '../../base/daemon/metrics-access.ts';
import { pause } from '../../base/daemon/pause.ts';
import type { RunningDaemon } from '../../base/daemon/run.ts';
import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import type { TimedLeadership } from '../../base/kubernetes/leadership.ts';
import { KubeLease } from '../../base/kubernetes/lease.ts';
import { ProblemBook } from '../../base/kubernetes/problem-book.ts';
import { judgeTokens } from '../../base/kubernetes/token-access.ts';
import { describeError } from '../../base/model/text.ts';
import { isRecord } from '../../base/read/shape.ts';
import { RouterController } from './controller.ts';
import { ControllerMetrics } from './metrics.ts';
import type { ControllerOptions } from './options.ts';

/** Another operator in the controller's process, with the same Lease. */
export interface Companion {
  start(): void;
  /** Reconciles everything, because this process may have become the leader. */
  review(): void;
  stop(): void;
  /** Why it is not ready; undefined when it is. */
  readonly unreadiness: string | undefined;
}

/** What a companion gets. */
export interface CompanionParts {
  readonly api: KubeApi;
  /** Image of this process. */
  readonly image: string;
  readonly leadership: TimedLeadership;
  readonly log: DaemonLog;
  readonly signal: AbortSignal;
}

/** Opens a companion. Rejects with a {@link StartRefusal} if it must not run in this cluster. */
export type OpenCompanion = (parts: CompanionParts) => Promise<Companion>;

/** Thrown by a companion that must not run in this cluster: the process exits. */
export class StartRefusal extends Error {}

/**
 * Starts a controller that works while it holds the Lease. It serves HTTP at once, and is ready when it knows its
 * image and all objects. Rejects with an Error if it cannot listen on its port.
 */
export async function startController(
  options: ControllerOptions,
  api: KubeApi,
  log: DaemonLog,
  openCompanion?: OpenCompanion,
): Promise<RunningDaemon> {
  const end = new AbortController();
  const problems = new ProblemBook(log, 'The controller waits');
  let running: { readonly controller: RouterController; readonly lease: KubeLease } | undefined;
  let companion: Companion | undefined;
  const metrics = new ControllerMetrics(() => (running?.lease.isHeld === true ? running.controller.routers : []));
  const server = createDaemonServer({
    metrics: metrics.registry,
    ...(options.listen !== undefined &&
      !isLoopback(options.listen.address) && { judgeToken: judgeTokens(api, '/metrics', log) }),
    unreadiness: () =>
      running === undefined
        ? (problems.lines[0] ?? 'the image of this pod is not known yet')
        : (running.controller.unreadiness ?? companion?.unreadiness),
  });
  if (options.listen !== undefined) {
    await listen(server, options.listen, ['--listen-address', '--listen-port']);
  }
  const start = async (): Promise<void> => {
    const image = options.objects.image ?? (await findOwnImage(options, api, problems, end.signal));
    if (image === undefined) return;
    const lease: KubeLease = new KubeLease(
      api,
      // A restarted controller needs another identity, because its predecessor may still be writing. In a container,
      // the process ID is always 1, and nodes may share a host name.
      { ...options.lease, holder: `${hostname()}_${process.pid}_${randomUUID()}` },
      () => {
        log.info({}, 'This controller is the leader');
        controller.review();
        companion?.review();
      },
      (problem) => problems.report('lease', problem),
    );
    companion = await openCompanion?.({ api, image, leadership: lease, log, signal: end.signal });
    const settings = { ...options.objects, image };
    const controller = new RouterController({ api, settings, leadership: lease, log, metrics });
    running = { controller, lease };
    lease.start();
    controller.start();
    companion?.start();
  };
  // Any other rejection is a bug, which the process reports.
  void start().catch((error: unknown) => {
    if (!(error instanceof StartRefusal)) throw error;
    log.error({ err: error }, 'The controller cannot start');
    process.exit(1);
  });
  return {
    stop: async () => {
      end.abort();
      server.close();
      server.closeAllConnections();
      running?.controller.stop();
      companion?.stop();
      // The next controller need not wait until the Lease expires.
      await running?.lease.release();
    },
  };
}

/** Interval between attempts to read our own pod, in milliseconds. */
const retryInterval = 2000;

/**
 * Returns the image of this process, which routers use, too, from its pod in the API server. Retries until `signal`
 * aborts, and then returns undefined.
 */
async function findOwnImage(
  { lease, podName = '' }: ControllerOptions,
  api: KubeApi,
  problems: ProblemBook,
  signal: AbortSignal,
): Promise<string | undefined> {
  const place = `image of pod ${lease.namespace}/${podName}`;
  while (!signal.aborted) {
    try {
      const pod = await api.get(`/api/v1/namespaces/${lease.namespace}/pods/${podName}`, {}, signal);
      const spec = isRecord(pod) && isRecord(pod.spec) ? pod.spec : {};
      const [container] = Array.isArray(spec.containers) ? spec.containers.filter(isRecord) : [];
      if (typeof container?.image !== 'string') throw new Error(`pod ${podName} has no container with an image`);
      problems.report(place, undefined);
      return container.image;
    } catch (error) {
      problems.report(place, describeError(error));
      await pause(retryInterval, signal);
    }
  }
  return undefined;
}
