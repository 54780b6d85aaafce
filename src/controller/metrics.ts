import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { isRecord } from '../api/shape.ts';
import type { Router } from './router.ts';

const prefix = 'egress_router_controller_';

/** What the controller counts, in the form of Prometheus. */
export class ControllerMetrics {
  readonly registry = new Registry();
  readonly reconciles = new Counter({
    name: `${prefix}reconciles_total`,
    help: 'Times that a namespace was put right, by outcome.',
    labelNames: ['outcome'],
    registers: [this.registry],
  });
  readonly routers = new Gauge({
    name: `${prefix}routers`,
    help: 'EgressRouters by namespace and by condition that is True.',
    labelNames: ['namespace', 'condition'],
    registers: [this.registry],
  });

  constructor() {
    // Looked at ten times a second instead of a hundred: a controller at rest should cost nothing.
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: 100 });
  }

  /** Notes the routers of a namespace, as their statuses were last seen. */
  count(namespace: string, routers: readonly Router[]): void {
    for (const condition of ['Available', 'Progressing', 'Degraded']) {
      const many = routers.filter(({ conditions }) =>
        conditions.some((one) => isRecord(one) && one.type === condition && one.status === 'True'),
      ).length;
      this.routers.set({ namespace, condition }, many);
    }
  }
}
