import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { collectProcessMetrics } from '../../base/daemon/process-metrics.ts';

const prefix = 'egress_router_ingress_';

/** The agent's Prometheus metrics. No label names a namespace or a Route. */
export class AgentMetrics {
  readonly registry = new Registry();
  /** Routes of this router by `outcome`: `Admitted`, or the reason of the rejection. */
  readonly routes = new Gauge({
    name: `${prefix}routes`,
    help: 'Routes of this router, by outcome.',
    labelNames: ['outcome'],
    registers: [this.registry],
  });
  readonly ports = new Gauge({ name: `${prefix}ports`, help: 'Open ports.', registers: [this.registry] });
  readonly endpoints = new Gauge({
    name: `${prefix}endpoints`,
    help: 'Endpoints of open ports.',
    registers: [this.registry],
  });
  readonly deadEndpoints = new Gauge({
    name: `${prefix}dead_endpoints`,
    help: 'Endpoints that failed their health checks.',
    registers: [this.registry],
  });
  readonly problems = new Gauge({
    name: `${prefix}source_problems`,
    help: 'Files, objects, connections and checks with a problem.',
    registers: [this.registry],
  });
  readonly refusals = new Counter({
    name: `${prefix}refusals_total`,
    help: 'Rejections of Routes, by reason.',
    labelNames: ['reason'],
    registers: [this.registry],
  });
  readonly syncs = new Counter({
    name: `${prefix}syncs_total`,
    help: 'Syncs of a data plane, by outcome.',
    labelNames: ['plane', 'outcome'],
    registers: [this.registry],
  });
  readonly delay = new Histogram({
    name: `${prefix}change_delay_seconds`,
    help: 'Time from an event to its applied effect, by data plane.',
    labelNames: ['plane'],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
    registers: [this.registry],
  });

  constructor() {
    // Sampled ten times per second instead of a hundred, because an idle agent should cost nothing.
    collectProcessMetrics(this.registry);
  }
}
