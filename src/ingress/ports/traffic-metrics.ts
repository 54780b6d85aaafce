import { Counter, Gauge, type Registry } from 'prom-client';
import type { PortTraffic } from './traffic.ts';

/** One port of a Route or Gateway listener, for labels. */
export interface NamedPort {
  readonly namespace: string;
  /** Name of the Route or Gateway. */
  readonly name: string;
  /** `tcp 13306`, or `tcp 13306 192.0.2.10` at a virtual address. */
  readonly key: string;
}

/** An endpoint that failed its health checks. */
export interface NamedEndpoint {
  readonly namespace: string;
  readonly name: string;
  /** `10.128.0.5:3306`. */
  readonly endpoint: string;
  /** `pod:web-1`, if known. */
  readonly target: string;
}

/** Source of the figures. */
export interface TrafficSource {
  readTraffic(): Promise<ReadonlyMap<string, PortTraffic>>;
  listPorts(): readonly NamedPort[];
  /** Returns at most `limit` dead endpoints. */
  listDead(limit: number): readonly NamedEndpoint[];
}

/**
 * Maximum number of ports with individual series; the others are summed, so that tenants cannot overload Prometheus.
 */
const maxPorts = 1000;
const maxDead = 200;
/** Milliseconds for which figures are cached. */
const freshFor = 2000;
const prefix = 'egress_router_ingress_route_';
const labelNames = ['namespace', 'route', 'protocol', 'port', 'address'] as const;
type Label = (typeof labelNames)[number];
/** `address` is absent for ports of the nodes' addresses. */
type Labels = Record<Exclude<Label, 'address'>, string> & { readonly address?: string };

/** Prometheus metrics of every Route's traffic, read from the kernel for each scrape. */
export class TrafficMetrics {
  readonly #source: TrafficSource;
  #rows: Promise<readonly (readonly [Labels, PortTraffic])[]> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(registry: Registry, source: TrafficSource) {
    this.#source = source;
    this.#count(
      registry,
      'connections_total',
      'Connections forwarded to an endpoint.',
      ({ connections }) => connections,
    );
    this.#countBy(registry, 'bytes_total', 'Bytes that the node forwarded.', 'direction', (traffic) => ({
      received: traffic.received,
      sent: traffic.sent,
    }));
    this.#countBy(registry, 'refused_total', 'Rejected connection attempts, by reason.', 'reason', (traffic) => ({
      limit: traffic.refusedByLimit,
      list: traffic.refusedByList,
      'no-endpoint': traffic.unserved,
    }));
    const dead = new Gauge({
      name: `${prefix}dead_endpoint`,
      help: 'Endpoints that failed their health checks, by name.',
      labelNames: ['namespace', 'route', 'endpoint', 'target'],
      registers: [registry],
      collect: () => {
        dead.reset();
        for (const { namespace, name, endpoint, target } of source.listDead(maxDead)) {
          dead.set({ namespace, route: name, endpoint, target }, 1);
        }
      },
    });
  }

  #count(registry: Registry, name: string, help: string, pick: (traffic: PortTraffic) => number): void {
    const counter = new Counter({
      name: `${prefix}${name}`,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect: async () => {
        const rows = await this.#read();
        counter.reset();
        for (const [labels, traffic] of rows) counter.inc(labels, pick(traffic));
      },
    });
  }

  #countBy<By extends string>(
    registry: Registry,
    name: string,
    help: string,
    by: By,
    pick: (traffic: PortTraffic) => Readonly<Record<string, number>>,
  ): void {
    const counter = new Counter<Label | By>({
      name: `${prefix}${name}`,
      help,
      labelNames: [...labelNames, by],
      registers: [registry],
      collect: async () => {
        const rows = await this.#read();
        counter.reset();
        for (const [labels, traffic] of rows) {
          for (const [value, count] of Object.entries(pick(traffic))) {
            counter.inc({ ...labels, [by]: value } as Record<Label | By, string>, count);
          }
        }
      },
    });
  }

  /** Once for all metrics of a scrape. */
  #read(): Promise<readonly (readonly [Labels, PortTraffic])[]> {
    const now = performance.now();
    if (this.#rows === undefined || now - this.#readAt > freshFor) {
      this.#readAt = now;
      // If the figures are unavailable, other metrics must not fail with them.
      this.#rows = this.#source.readTraffic().then(
        (traffic) => nameRows(this.#source.listPorts(), traffic),
        () => [],
      );
    }
    return this.#rows;
  }
}

/** Names the rows. Closed ports are omitted; ports beyond the limit with the least traffic share one row. */
function nameRows(
  ports: readonly NamedPort[],
  traffic: ReadonlyMap<string, PortTraffic>,
): readonly (readonly [Labels, PortTraffic])[] {
  const rows = ports.flatMap(({ namespace, name, key }): (readonly [Labels, PortTraffic])[] => {
    const seen = traffic.get(key);
    if (seen === undefined) return [];
    const [protocol = '', port = '', address] = key.split(' ');
    return [[{ namespace, route: name, protocol, port, ...(address !== undefined && { address }) }, seen]];
  });
  if (rows.length <= maxPorts) return rows;
  rows.sort(([, one], [, other]) => other.connections - one.connections);
  const rest = rows.slice(maxPorts).map(([, one]) => one);
  const sum = (pick: (one: PortTraffic) => number): number => rest.reduce((total, one) => total + pick(one), 0);
  return [
    ...rows.slice(0, maxPorts),
    [
      { namespace: '', route: 'others', protocol: '', port: '' },
      {
        connections: sum(({ connections }) => connections),
        received: sum(({ received }) => received),
        sent: sum(({ sent }) => sent),
        refusedByLimit: sum(({ refusedByLimit }) => refusedByLimit),
        refusedByList: sum(({ refusedByList }) => refusedByList),
        unserved: sum(({ unserved }) => unserved),
      },
    ],
  ];
}
