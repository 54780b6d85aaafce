import { Counter, Gauge, type Registry } from 'prom-client';
import { escapeUnprintable } from '../../base/model/text.ts';
import type { ObjectMeta } from '../../base/read/object-meta.ts';
import type { HaproxyEngine } from '../haproxy/engine.ts';
import type { StatRow } from '../haproxy/stats.ts';
import type { DesiredSites } from './desired.ts';

/** HAProxy's statistics under the names of OpenShift's router: name, field, type and meaning. */
const fields: readonly (readonly [name: string, field: string, kind: 'gauge' | 'counter', help: string])[] = [
  ['current_sessions', 'scur', 'gauge', 'Current number of active sessions.'],
  ['max_sessions', 'smax', 'gauge', 'Maximum observed number of active sessions.'],
  ['bytes_in_total', 'bin', 'counter', 'Current total of incoming bytes.'],
  ['bytes_out_total', 'bout', 'counter', 'Current total of outgoing bytes.'],
  ['connections_total', 'stot', 'counter', 'Total number of connections.'],
  ['current_session_rate', 'rate', 'gauge', 'Current number of sessions per second over last elapsed second.'],
  ['max_session_rate', 'rate_max', 'gauge', 'Maximum number of sessions per second.'],
];

const backendFields: typeof fields = [
  ['current_queue', 'qcur', 'gauge', 'Current number of queued requests not assigned to any server.'],
  ['connection_errors_total', 'econ', 'counter', 'Total of connection errors.'],
  ['response_errors_total', 'eresp', 'counter', 'Total of response errors.'],
  ['retry_warnings_total', 'wretr', 'counter', 'Total of retry warnings.'],
  ['redispatch_warnings_total', 'wredis', 'counter', 'Total of redispatch warnings.'],
  ['weight', 'weight', 'gauge', 'Total weight of the servers in the backend.'],
  ['connections_reused_total', 'reuse', 'counter', 'Total number of connections reused.'],
  ['http_average_queue_latency_milliseconds', 'qtime', 'gauge', 'Average latency in the queue in milliseconds.'],
  ['http_average_connect_latency_milliseconds', 'ctime', 'gauge', 'Average connect latency in milliseconds.'],
  ['http_average_response_latency_milliseconds', 'rtime', 'gauge', 'Average response latency in milliseconds.'],
];

const serverFields: typeof fields = [
  ['check_failures_total', 'chkfail', 'counter', 'Total number of failed health checks.'],
  ['downtime_seconds_total', 'downtime', 'counter', 'Total downtime in seconds.'],
];

const codes = ['1xx', '2xx', '3xx', '4xx', '5xx', 'other'];

/** With more backends than this, they have no series either, so that one router's Routes do not overload Prometheus. */
const backendThreshold = 10_000;

type Labels = Readonly<Record<string, string>>;

interface Metric {
  reset(): void;
  set(labels: Labels, value: number): void;
}

/** Metrics of hosts and paths with the names of OpenShift's router. */
export class HttpMetrics {
  readonly #registry: Registry;
  readonly #serverThreshold: number;
  readonly #metrics = new Map<string, Metric>();
  /** Values of counters before HAProxy's last reload, which restarts them at 0. */
  readonly #bases = new Map<string, { base: number; last: number }>();
  readonly #up: Gauge;
  readonly #reloads: Gauge;
  readonly #workers: Gauge;
  readonly #expiry: Gauge;
  readonly #scrapes: Counter;

  /** @param serverThreshold with more servers than this, they have no individual series */
  constructor(registry: Registry, serverThreshold: number) {
    this.#registry = registry;
    this.#serverThreshold = serverThreshold;
    const registers = [registry];
    this.#up = new Gauge({ name: 'haproxy_up', help: 'Was the last scrape of HAProxy successful.', registers });
    this.#scrapes = new Counter({
      name: 'haproxy_exporter_total_scrapes',
      help: 'Current total HAProxy scrapes.',
      registers,
    });
    this.#reloads = new Gauge({
      name: 'egress_router_ingress_haproxy_reloads',
      help: 'Reloads of HAProxy since the agent started, by cause.',
      labelNames: ['cause'],
      registers,
    });
    this.#workers = new Gauge({
      name: 'egress_router_ingress_haproxy_workers',
      help: 'Workers of HAProxy: the current one, and old ones that still have connections.',
      labelNames: ['generation'],
      registers,
    });
    this.#expiry = new Gauge({
      name: 'egress_router_ingress_certificate_expiry_timestamp_seconds',
      help: 'When the certificate of a Route expires, in seconds since 1970.',
      labelNames: ['namespace', 'route'],
      registers,
    });
  }

  /** Reads HAProxy's statistics. Call it before exporting metrics. Never rejects. */
  async refresh(engine: HaproxyEngine, desired: DesiredSites | undefined): Promise<void> {
    this.#scrapes.inc();
    for (const metric of this.#metrics.values()) metric.reset();
    this.#collectCertificates(desired);
    try {
      const { reloads, workers, oldWorkers } = await engine.describe();
      for (const [cause, count] of Object.entries(reloads)) this.#reloads.set({ cause }, count);
      this.#workers.set({ generation: 'current' }, workers);
      this.#workers.set({ generation: 'old' }, oldWorkers);
      const owners = new Map(
        desired?.served.flatMap(({ request, backends }) => backends.map(({ id }) => [id, request.owner.meta] as const)),
      );
      const servers = [...(desired?.backends.values() ?? [])].reduce((sum, one) => sum + one.servers.length, 0);
      const rows = await engine.readStats({ servers: servers <= this.#serverThreshold });
      let backends = 0;
      for (const row of rows) {
        if (row.kind === 'backend' && ++backends > backendThreshold) continue;
        this.#record(row, owners.get(row.name));
      }
      this.#up.set(1);
    } catch {
      this.#up.set(0);
    }
  }

  #collectCertificates(desired: DesiredSites | undefined): void {
    this.#expiry.reset();
    for (const { request, keyPair } of desired?.served ?? []) {
      if (keyPair === undefined) continue;
      const { namespace, name } = request.owner.meta;
      this.#expiry.set({ namespace, route: name }, keyPair.expires / 1000);
    }
  }

  #record(row: StatRow, route: ObjectMeta | undefined): void {
    const { kind, name, server = '', fields: cells } = row;
    const labels =
      kind === 'frontend'
        ? { frontend: name }
        : { ...describeBackend(name, route), ...(kind === 'server' && describeServer(server)) };
    const more = kind === 'frontend' ? [] : kind === 'backend' ? backendFields : [...backendFields, ...serverFields];
    for (const [suffix, field, type, help] of [...fields, ...more]) {
      const value = Number(cells.get(field) || Number.NaN);
      if (!Number.isNaN(value)) this.#set(`haproxy_${kind}_${suffix}`, help, type, labels, value);
    }
    for (const code of codes) {
      const value = Number(cells.get(`hrsp_${code}`) || Number.NaN);
      const help = 'Total of HTTP responses, by code.';
      if (!Number.isNaN(value))
        this.#set(`haproxy_${kind}_http_responses_total`, help, 'counter', { ...labels, code }, value);
    }
    if (kind === 'frontend') return;
    const isUp = /^(UP|OPEN|no check)/.test(cells.get('status') ?? '');
    const help = `Current health status of the ${kind} (1 = UP, 0 = DOWN).`;
    this.#set(`haproxy_${kind}_up`, help, 'gauge', labels, isUp ? 1 : 0);
  }

  #set(name: string, help: string, type: 'gauge' | 'counter', labels: Labels, value: number): void {
    let metric = this.#metrics.get(name);
    if (metric === undefined) {
      metric = new Gauge({ name, help, labelNames: Object.keys(labels), registers: [this.#registry] });
      this.#metrics.set(name, metric);
    }
    metric.set(labels, type === 'counter' ? this.#accumulate(name, labels, value) : value);
  }

  /** Continues counters that restart at 0 in a new worker. */
  #accumulate(name: string, labels: Labels, value: number): number {
    const key = `${name} ${Object.values(labels).join(' ')}`;
    const known = this.#bases.get(key) ?? { base: 0, last: 0 };
    if (value < known.last) known.base += known.last;
    known.last = value;
    this.#bases.set(key, known);
    return known.base + value;
  }
}

/** Returns OpenShift's labels: the kind of backend and its Route. */
function describeBackend(name: string, route: ObjectMeta | undefined): Labels {
  const backend = route === undefined ? name : name.slice(0, name.indexOf(':'));
  return { backend, namespace: route?.namespace ?? '', route: route?.name ?? '' };
}

/** Returns the labels of `pod:NAME:SERVICE:PORT:IP:PORT`. */
function describeServer(id: string): Labels {
  // Authors of EndpointSlices name ports and pods.
  const parts = escapeUnprintable(id).split(':');
  const [kind = ''] = parts;
  const place = kind === 'pod' ? parts.slice(4) : parts.slice(3);
  return {
    server: place.join(':'),
    pod: kind === 'pod' ? (parts[1] ?? '') : '',
    service: (kind === 'pod' ? parts[2] : parts[1]) ?? '',
  };
}
