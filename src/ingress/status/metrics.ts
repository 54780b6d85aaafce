import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { collectProcessMetrics } from '../../base/daemon/process-metrics.ts';

const prefix = 'egress_router_ingress_';

/** What the agent counts, in the form of Prometheus. No label names a namespace or a Route. */
export class AgentMetrics {
  readonly registry = new Registry();
  /** Routes for this router by `outcome`: `Admitted`, or the reason of the refusal. */
  readonly routes = new Gauge({
    name: `${prefix}routes`,
    help: 'Routes for this router, by what became of them.',
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
    help: 'Endpoints that health checks found dead.',
    registers: [this.registry],
  });
  readonly problems = new Gauge({
    name: `${prefix}source_problems`,
    help: 'Files, objects, connections and checks with a problem.',
    registers: [this.registry],
  });
  readonly refusals = new Counter({
    name: `${prefix}refusals_total`,
    help: 'Times that a Route was newly refused, by reason.',
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
    help: 'Time from an event to its effect in force, by data plane.',
    labelNames: ['plane'],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
    registers: [this.registry],
  });

  constructor() {
    // Looked at ten times a second instead of a hundred: an agent at rest should cost nothing.
    collectProcessMetrics(this.registry);
  }
}
