import { Counter, Gauge, Registry } from 'prom-client';
import { collectProcessMetrics } from '../../base/daemon/process-metrics.ts';
import { isRecord } from '../../base/read/shape.ts';
import type { Router } from './objects/router.ts';

const prefix = 'egress_router_controller_';

const conditionTypes = ['Available', 'Progressing', 'Degraded'];

/** What the controller counts, in the form of Prometheus. */
export class ControllerMetrics {
  readonly registry = new Registry();
  readonly reconciles = new Counter({
    name: `${prefix}reconciles_total`,
    help: 'Reconciliations of a namespace by outcome.',
    labelNames: ['outcome'],
    registers: [this.registry],
  });

  /** Routers that were moved from a node, and those that were left alone though they seemed gone. */
  readonly moves = new Counter({
    name: `${prefix}router_moves_total`,
    help: 'Routers that were moved to another node, by reason.',
    labelNames: ['reason'],
    registers: [this.registry],
  });
  readonly restraints = new Counter({
    name: `${prefix}router_moves_suppressed_total`,
    help: 'Times that a router which seemed gone was left where it was, by reason.',
    labelNames: ['reason'],
    registers: [this.registry],
  });

  /** @param listRouters every EgressRouter as it was last seen; none where another process is the one that tells */
  constructor(listRouters: () => readonly Router[]) {
    // Looked at ten times a second instead of a hundred: a controller at rest should cost nothing.
    collectProcessMetrics(this.registry);
    new Gauge({
      name: `${prefix}routers`,
      help: 'EgressRouters by namespace and by condition that is True; of the controller that works.',
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
