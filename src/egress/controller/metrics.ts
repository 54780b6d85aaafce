import { Counter, Gauge, Registry } from 'prom-client';
import { collectProcessMetrics } from '../../base/daemon/process-metrics.ts';
import { isRecord } from '../../base/read/shape.ts';
import type { Router } from './objects/router.ts';

const prefix = 'egress_router_controller_';

const conditionTypes = ['Available', 'Progressing', 'Degraded'];

/** The controller's Prometheus metrics. */
export class ControllerMetrics {
  readonly registry = new Registry();
  readonly reconciles = new Counter({
    name: `${prefix}reconciles_total`,
    help: 'Reconciliations of a namespace, by outcome.',
    labelNames: ['outcome'],
    registers: [this.registry],
  });

  /** Routers moved off a node, and routers that seemed dead but were not moved. */
  readonly moves = new Counter({
    name: `${prefix}router_moves_total`,
    help: 'Routers moved to another node, by reason.',
    labelNames: ['reason'],
    registers: [this.registry],
  });
  readonly restraints = new Counter({
    name: `${prefix}router_moves_suppressed_total`,
    help: 'Moves of silent routers that were suppressed, by reason.',
    labelNames: ['reason'],
    registers: [this.registry],
  });

  /** @param listRouters returns every observed EgressRouter; none if another process is the leader */
  constructor(listRouters: () => readonly Router[]) {
    // Sampled ten times per second instead of a hundred, because an idle controller should cost nothing.
    collectProcessMetrics(this.registry);
    new Gauge({
      name: `${prefix}routers`,
      help: 'EgressRouters by namespace and condition that is True; reported by the leader.',
      labelNames: ['namespace', 'condition'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { meta, conditions } of listRouters()) {
          for (const condition of conditionTypes) {
            const isTrue = conditions.some((one) => isRecord(one) && one.type === condition && one.status === 'True');
            this.inc({ namespace: meta.namespace, condition }, isTrue ? 1 : 0);
          }
        }
      },
    });
  }
}
