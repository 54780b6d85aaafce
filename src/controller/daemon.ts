import { hostname } from 'node:os';
import { KubeLease } from '../kube/lease.ts';
import type { KubeApi } from '../kube/port.ts';
import { RouterController } from './controller.ts';
import { createControllerServer } from './http.ts';
import type { ControllerLog } from './log.ts';
import { ControllerMetrics } from './metrics.ts';
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
  const metrics = new ControllerMetrics();
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
  const controller = new RouterController({ api, settings: options.objects, leadership: lease, log, metrics });
  const server = createControllerServer({ metrics: metrics.registry, unreadiness: () => controller.unreadiness });
  const { listen } = options;
  if (listen !== undefined) {
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => {
        const place = `--listen-address ${listen.address} --listen-port ${listen.port}`;
        reject(new Error(`Cannot listen on ${place}: ${cause.message}`, { cause }));
      });
      server.listen(listen.port, listen.address, () => {
        server.removeAllListeners('error');
        server.on('error', () => undefined);
        resolve();
      });
    });
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
