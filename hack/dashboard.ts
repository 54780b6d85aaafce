/** A panel of the dashboard: a title, its unit in Grafana's words, and queries with their legends. */
interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly queries: Readonly<Record<string, string>>;
  readonly description?: string;
  /** Default: a graph over time. */
  readonly type?: 'timeseries' | 'stat' | 'table';
}

const rate = (metric: string): string => `rate(${metric}[$__rate_interval])`;
const router = '{{namespace}}/{{pod}} {{interface}}';

/** Rows of the dashboard with their panels. A test compares the metrics with those that the programs export. */
const rows: Readonly<Record<string, readonly Panel[]>> = {
  'Egress routers': [
    {
      title: 'Routers by condition',
      unit: 'short',
      type: 'stat',
      queries: { '{{condition}}': 'sum by (condition) (egress_router_controller_routers)' },
    },
    {
      title: 'Closed by an address conflict',
      unit: 'short',
      type: 'stat',
      queries: { closed: 'sum(egress_router_closed) or vector(0)' },
      description: 'Routers whose address another machine uses.',
    },
    {
      title: 'Suspended after being cut off',
      unit: 'short',
      type: 'stat',
      queries: { suspended: 'sum(egress_router_suspended) or vector(0)' },
      description: 'Routers that send nothing, because they may have been replaced.',
    },
    {
      title: 'Different from their configuration',
      unit: 'short',
      type: 'stat',
      queries: { different: 'count(egress_router_state_right == 0) or vector(0)' },
    },
    {
      title: 'Gateways that do not answer',
      unit: 'short',
      type: 'stat',
      queries: { silent: 'count(egress_router_gateway_reachable == 0) or vector(0)' },
    },
    {
      title: 'Connections',
      unit: 'short',
      queries: { [router]: 'sum by (namespace, pod, interface) (egress_router_connections)' },
    },
    {
      title: 'New connections per second',
      unit: 'cps',
      queries: {
        '{{namespace}} {{redirect}}': `sum by (namespace, redirect) (${rate('egress_router_connections_total')})`,
      },
    },
    {
      title: 'Traffic',
      unit: 'Bps',
      queries: {
        '{{namespace}} sent': `sum by (namespace) (${rate('egress_router_sent_bytes_total')})`,
        '{{namespace}} received': `sum by (namespace) (${rate('egress_router_received_bytes_total')})`,
      },
    },
    {
      title: 'Connections that a destination refused or did not answer, per second',
      unit: 'cps',
      queries: {
        '{{namespace}} {{redirect}} {{kind}}': `sum by (namespace, redirect, kind) (${rate('egress_router_refusals_total')})`,
      },
    },
    {
      title: 'Source ports in use',
      unit: 'percentunit',
      queries: { [`${router} {{destination}}`]: 'topk(10, egress_router_source_port_use_ratio)' },
      description: 'At 100 % no further connection to the destination is possible: add an address to the pool.',
    },
    {
      title: 'Moves to another node',
      unit: 'short',
      queries: {
        'moved: {{reason}}':
          'sum by (reason) (increase(egress_router_controller_router_moves_total[$__rate_interval]))',
        'suppressed: {{reason}}':
          'sum by (reason) (increase(egress_router_controller_router_moves_suppressed_total[$__rate_interval]))',
      },
    },
    {
      title: 'Address conflicts',
      unit: 'short',
      queries: {
        [`${router} {{address}}`]:
          'sum by (namespace, pod, interface, address) (increase(egress_router_address_conflicts_total[$__rate_interval]))',
      },
    },
    {
      title: 'Reconciliations and live changes per second',
      unit: 'ops',
      queries: {
        'controller: {{outcome}}': `sum by (outcome) (${rate('egress_router_controller_reconciles_total')})`,
        'node daemons: {{outcome}}': `sum by (outcome) (${rate('egress_router_live_changes_total')})`,
      },
    },
  ],
  'Ingress agent': [
    {
      title: 'Routes by outcome',
      unit: 'short',
      type: 'stat',
      queries: { '{{outcome}}': 'max by (outcome) (egress_router_ingress_routes)' },
    },
    {
      title: 'HAProxy answers',
      unit: 'short',
      type: 'stat',
      queries: { '{{instance}}': 'haproxy_up' },
    },
    {
      title: 'Problems with objects',
      unit: 'short',
      type: 'stat',
      queries: { '{{instance}}': 'egress_router_ingress_source_problems' },
      description: 'The log of the agent names each.',
    },
    {
      title: 'Open ports and endpoints',
      unit: 'short',
      queries: {
        ports: 'max(egress_router_ingress_ports)',
        endpoints: 'max(egress_router_ingress_endpoints)',
        'dead endpoints': 'max(egress_router_ingress_dead_endpoints)',
      },
    },
    {
      title: 'Responses per second by code',
      unit: 'reqps',
      queries: { '{{code}}': `sum by (code) (${rate('haproxy_backend_http_responses_total')})` },
    },
    {
      title: 'Busiest Routes, connections per second',
      unit: 'cps',
      queries: {
        '{{namespace}}/{{route}}': `topk(10, sum by (namespace, route) (${rate('haproxy_backend_connections_total')}))`,
      },
    },
    {
      title: 'Current sessions',
      unit: 'short',
      queries: { '{{instance}} {{frontend}}': 'sum by (instance, frontend) (haproxy_frontend_current_sessions)' },
    },
    {
      title: 'Time until a change is in force, 99th percentile',
      unit: 's',
      queries: {
        '{{plane}}': `histogram_quantile(0.99, sum by (le, plane) (${rate('egress_router_ingress_change_delay_seconds_bucket')}))`,
      },
    },
    {
      title: 'Syncs per second',
      unit: 'ops',
      queries: { '{{plane}} {{outcome}}': `sum by (plane, outcome) (${rate('egress_router_ingress_syncs_total')})` },
    },
    {
      title: 'Newly rejected Routes',
      unit: 'short',
      queries: { '{{reason}}': 'sum by (reason) (increase(egress_router_ingress_refusals_total[$__rate_interval]))' },
    },
    {
      title: 'Reloads and workers of HAProxy',
      unit: 'short',
      queries: {
        'reloads: {{cause}}': 'sum by (cause) (egress_router_ingress_haproxy_reloads)',
        'workers: {{generation}}': 'sum by (generation) (egress_router_ingress_haproxy_workers)',
      },
    },
    {
      title: 'Certificates that expire first',
      unit: 's',
      type: 'table',
      queries: {
        '{{namespace}}/{{route}}':
          'bottomk(10, min by (namespace, route) (egress_router_ingress_certificate_expiry_timestamp_seconds) - time())',
      },
    },
  ],
  Programs: [
    {
      title: 'CPU',
      unit: 'percentunit',
      queries: { '{{job}} {{instance}}': rate('process_cpu_seconds_total{job=~"$job"}') },
    },
    {
      title: 'Memory',
      unit: 'bytes',
      queries: { '{{job}} {{instance}}': 'process_resident_memory_bytes{job=~"$job"}' },
    },
    {
      title: 'Delay of the event loop, 99th percentile',
      unit: 's',
      queries: { '{{job}} {{instance}}': 'nodejs_eventloop_lag_p99_seconds{job=~"$job"}' },
    },
  ],
};

// Grafana replaces it by the data source that the reader selects.
const source = { type: 'prometheus', uid: '$datasource' };
const [width, height, columns] = [8, 8, 3];

/** Returns the dashboard in Grafana's JSON model. */
export function makeDashboard(): string {
  const panels: object[] = [];
  let top = 0;
  for (const [title, members] of Object.entries(rows)) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y: top, w: 24, h: 1 },
      panels: [],
    });
    top += 1;
    for (const [index, panel] of members.entries()) {
      const place = {
        x: (index % columns) * width,
        y: top + Math.floor(index / columns) * height,
        w: width,
        h: height,
      };
      panels.push(makePanel(panels.length + 1, panel, place));
    }
    top += Math.ceil(members.length / columns) * height;
  }
  return `${JSON.stringify({ ...frame, panels }, undefined, 2)}\n`;
}

function makePanel(id: number, { title, unit, queries, description, type = 'timeseries' }: Panel, gridPos: object) {
  const isNow = type !== 'timeseries';
  return {
    id,
    type,
    title,
    ...(description !== undefined && { description }),
    gridPos,
    datasource: source,
    fieldConfig: { defaults: { unit, min: type === 'timeseries' ? 0 : null }, overrides: [] },
    options: type === 'timeseries' ? { legend: { displayMode: 'list', placement: 'bottom' } } : {},
    targets: Object.entries(queries).map(([legendFormat, expr], index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: source,
      expr,
      legendFormat,
      ...(isNow && { instant: true }),
      ...(type === 'table' && { format: 'table' }),
    })),
  };
}

const frame = {
  uid: 'egress-router',
  title: 'Egress routers and ingress agent',
  tags: ['egress-router', 'ingress'],
  editable: true,
  schemaVersion: 39,
  version: 1,
  refresh: '30s',
  time: { from: 'now-1h', to: 'now' },
  templating: {
    list: [
      { name: 'datasource', type: 'datasource', query: 'prometheus', label: 'Data source' },
      {
        name: 'job',
        type: 'query',
        label: 'Job',
        datasource: source,
        query: 'label_values(process_cpu_seconds_total, job)',
        regex: '/egress-router|ingress-agent/',
        multi: true,
        includeAll: true,
        refresh: 2,
      },
    ],
  },
};
