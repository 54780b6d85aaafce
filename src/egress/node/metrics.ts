import { Counter, Gauge, Registry } from 'prom-client';
import { collectProcessMetrics } from '../../base/daemon/process-metrics.ts';

const prefix = 'egress_router_';

const router = ['namespace', 'pod', 'interface'] as const;
const redirect = [...router, 'redirect'] as const;

/** Prometheus metrics of the node daemon. Series of a router are removed with it. */
export class NodeMetrics {
  readonly registry = new Registry();
  readonly changes = new Counter({
    name: `${prefix}live_changes_total`,
    help: 'Configurations applied to running routers, by outcome.',
    labelNames: ['outcome'],
    registers: [this.registry],
  });
  readonly connections = this.#counter('connections_total', 'New connections seen, by redirect.', redirect);
  readonly open = this.#gauge('connections', 'Tracked connections, by redirect.', redirect);
  readonly sent = this.#counter('sent_bytes_total', 'Bytes from clients to destinations, by redirect.', redirect);
  readonly received = this.#counter(
    'received_bytes_total',
    'Bytes from destinations to clients, by redirect.',
    redirect,
  );
  readonly refusals = this.#counter(
    'refusals_total',
    'Connections that the destination rejected or did not answer, by redirect.',
    [...redirect, 'kind'],
  );
  readonly sourcePorts = this.#gauge(
    'source_port_use_ratio',
    'Share of source ports (1024-65535) in use per destination; the ten highest of each router.',
    [...router, 'destination'],
  );
  readonly gatewayUp = this.#gauge('gateway_reachable', '1 if the gateway answered the last probe.', [
    ...router,
    'gateway',
  ]);
  readonly conflicts = this.#counter('address_conflicts_total', 'Claims of a reserved address by another machine.', [
    ...router,
    'address',
  ]);
  readonly rulesRight = this.#gauge(
    'state_right',
    '1 if the last CHECK found no differences; otherwise see the log and Events.',
    router,
  );
  readonly lastCheck = this.#gauge('last_check_timestamp_seconds', 'Time of the last CHECK.', router);
  readonly closed = this.#gauge(
    'closed',
    '1 if the interface is closed because another machine has the address.',
    router,
  );
  readonly suspended = this.#gauge(
    'suspended',
    '1: nothing leaves by the interface, because the router may have been replaced while it was cut off.',
    router,
  );
  readonly reopened = this.#counter(
    'reopenings_total',
    'Times that a closed interface was reopened after the conflict had ended.',
    router,
  );

  readonly nameQueries = this.#counter(
    'name_queries_total',
    'DNS lookups for destinations, by outcome: addresses, none or failed.',
    ['outcome'],
  );
  readonly nameChanges = this.#counter('name_changes_total', 'Times that a router got new addresses of DNS names.', []);
  readonly nameAddresses = this.#gauge(
    'name_addresses',
    'Usable addresses of a DNS name that routers of this node redirect to; 0: its ports refuse connections.',
    ['name'],
  );

  constructor(count: () => number) {
    collectProcessMetrics(this.registry);
    new Gauge({
      name: `${prefix}routers`,
      help: 'Running routers on this node.',
      registers: [this.registry],
      collect() {
        this.set(count());
      },
    });
  }

  /** Removes the connection series of a router's redirects. Redirects without connections have no series. */
  async forgetCounts(labels: RouterLabels): Promise<void> {
    await Promise.all([removeWhere(this.open, labels), removeWhere(this.sourcePorts, labels)]);
  }

  /** Removes the series of a deleted router. */
  async remove(labels: RouterLabels): Promise<void> {
    const all = [
      this.connections,
      this.open,
      this.sent,
      this.received,
      this.refusals,
      this.sourcePorts,
      this.gatewayUp,
      this.conflicts,
      this.rulesRight,
      this.lastCheck,
      this.closed,
      this.suspended,
      this.reopened,
    ];
    await Promise.all(all.map((metric) => removeWhere(metric, labels)));
  }

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name: prefix + name, help, labelNames: [...labelNames], registers: [this.registry] });
  }

  #gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Gauge<Label> {
    return new Gauge({ name: prefix + name, help, labelNames: [...labelNames], registers: [this.registry] });
  }
}

/** Removes the series of one router. */
async function removeWhere(metric: Counter<string> | Gauge<string>, labels: RouterLabels): Promise<void> {
  for (const { labels: own } of (await metric.get()).values) {
    const words = own as Readonly<Record<string, string>>;
    if (router.every((key) => words[key] === labels[key])) metric.remove(words);
  }
}

/** Labels that identify a router. */
export type RouterLabels = Readonly<Record<(typeof router)[number], string>>;
