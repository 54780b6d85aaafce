import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRecord } from '../api/shape.ts';
import { KubeLease } from '../cluster/lease.ts';
import type { KubeApi } from '../cluster/port.ts';
import { createDaemonServer, listen } from '../daemon/http-server.ts';
import { RouterController } from './controller.ts';
import type { ControllerLog } from './log.ts';
import type { ControllerOptions } from './options.ts';

/** A running controller. */
export interface ControllerDaemon {
  stop(): void;
}

/**
 * Starts a controller that works while it holds the Lease. Rejects with an Error where its port cannot
 * be listened on.
 */
export async function startController(
  options: ControllerOptions,
  api: KubeApi,
  log: ControllerLog,
): Promise<ControllerDaemon> {
  const settings = { ...options.objects, image: options.objects.image ?? (await findOwnImage(options, api, log)) };
  let problem: string | undefined;
  const lease: KubeLease = new KubeLease(
    api,
    // A controller that starts anew is another holder: its predecessor may still be writing.
    { ...options.lease, holder: `${hostname()}_${process.pid}` },
    () => {
      log.info({}, 'This controller works now');
      controller.review();
    },
    (now) => {
      if (now !== undefined && now !== problem) log.warn({ problem: now }, 'The Lease cannot be kept');
      problem = now;
    },
  );
  const controller = new RouterController({ api, settings, leadership: lease, log });
  const server = createDaemonServer({ metrics: controller.registry, unreadiness: () => controller.unreadiness });
  if (options.listen !== undefined) {
    await listen(server, options.listen, ['--listen-address', '--listen-port']);
  }
  lease.start();
  controller.start();
  return {
    stop: () => {
      controller.stop();
      lease.close();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Milliseconds between two tries to read our own pod. */
const patience = 2000;

/** The image that this process runs from, which is the routers' too: as the API server knows its pod. Tries for ever. */
async function findOwnImage(
  { lease, podName = '' }: ControllerOptions,
  api: KubeApi,
  log: ControllerLog,
): Promise<string> {
  for (;;) {
    try {
      const pod = await api.get(`/api/v1/namespaces/${lease.namespace}/pods/${podName}`, {});
      const spec = isRecord(pod) && isRecord(pod.spec) ? pod.spec : {};
      const [container] = Array.isArray(spec.containers) ? spec.containers.filter(isRecord) : [];
      if (typeof container?.image === 'string') return container.image;
      throw new Error(`pod ${podName} has no container with an image`);
    } catch (error) {
      log.warn({ err: error }, 'Cannot find the image of this pod; trying again');
      await sleep(patience);
    }
  }
}
