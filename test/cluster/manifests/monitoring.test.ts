import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'mocha';
import { parse } from 'yaml';
import { ControllerMetrics } from '../../../src/egress/controller/metrics.ts';
import { NodeMetrics } from '../../../src/egress/node/metrics.ts';
import { HttpMetrics } from '../../../src/ingress/http/http-metrics.ts';
import { noAssignments } from '../../../src/ingress/pools/assign.ts';
import { AddressMetrics } from '../../../src/ingress/status/address-metrics.ts';
import { AgentMetrics } from '../../../src/ingress/status/metrics.ts';
import { executable } from '../../lab/executable.ts';
import { HttpNode } from '../../lab/http-node.ts';
import { Lab } from '../../lab/lab.ts';
import { addresses as at } from '../../lab/names.ts';
import { asPrivileged } from '../../lab/rights.ts';
import { inNamespace } from '../../netns/base/linux/wire.ts';
import { configure } from '../../netns/egress/cni/configurations.ts';
import { route, service } from '../../netns/ingress/http/objects.ts';
import { until } from '../../until.ts';
import { type KubeObject, TestApiServer } from '../lab/api-server.ts';
import { ControllerLab } from '../lab/controller-lab.ts';
import { writeKubeconfig } from '../lab/kubeconfig.ts';
import { Program } from '../lab/program.ts';
import { type KubeDocument, render, renderFolder } from './rendered.ts';
import { findMistakes, hasSchema } from './strict.ts';

/** An expression of Prometheus, where it is used, and the labels that its legend or text shows. */
interface Expression {
  readonly place: string;
  readonly text: string;
  readonly shown: readonly string[];
}

/** Labels that Prometheus adds. */
const addedLabels = ['instance', 'job'];

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const dashboard = JSON.parse(readFileSync('manifests/monitoring/dashboard.json', 'utf8')) as {
  readonly panels: readonly (Panel & { readonly id: number; readonly gridPos: Readonly<Record<string, number>> })[];
};

function readExpressions(): readonly Expression[] {
  const { groups } = parse(readFileSync('manifests/monitoring/alerts.yaml', 'utf8'));
  const shownIn = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, label = '']) => label);
  return [
    ...dashboard.panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr, legendFormat }) => ({
        place: title,
        text: expr,
        shown: shownIn(legendFormat, /\{\{(\w+)\}\}/g),
      })),
    ),
    ...groups.flatMap(({ rules }: { readonly rules: readonly Readonly<Record<string, string>>[] }) =>
      rules.map(({ alert = '', expr = '', annotations }) => ({
        place: alert,
        text: expr,
        shown: shownIn(JSON.stringify(annotations), /\$labels\.(\w+)/g),
      })),
    ),
  ];
}

/** Names of the metrics in an expression, those of the parts of a histogram without their ending. */
function listMetrics({ text }: Expression): readonly string[] {
  const names = text.match(/\b(?:egress_router|haproxy|process|nodejs)_\w+/g) ?? [];
  return names.map((name) => name.replace(/_bucket$/, ''));
}

/** Labels that an expression selects or groups by. */
function listLabels({ text }: Expression): readonly string[] {
  const groups = [...text.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels = '']) => labels.split(/, */));
  const selected = [...text.matchAll(/\{([^}]*)\}/g)].flatMap(([, labels = '']) =>
    [...labels.matchAll(/(\w+)(?:=|!)/g)].map(([, label = '']) => label),
  );
  return [...groups, ...selected].filter((label) => label !== 'le');
}

/** Metrics of an answer to a scrape, with the labels of their samples. */
function readScrape(text: string): ReadonlyMap<string, Set<string>> {
  const metrics = new Map([...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name = '']) => [name, new Set<string>()]));
  for (const [, name = '', labels = ''] of text.matchAll(/^(\w+)\{(.*)\} /gm)) {
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) metrics.get(name)?.add(label);
  }
  return metrics;
}

/** Labels that the programs declare; a metric without samples yet does not show them in a scrape. */
function listDeclaredLabels(): ReadonlyMap<string, readonly string[]> {
  const agent = new AgentMetrics().registry;
  new HttpMetrics(agent, 0);
  new AddressMetrics(agent, { state: () => undefined, assignments: () => noAssignments });
  const registries = [new ControllerMetrics(() => []).registry, new NodeMetrics(() => 0).registry, agent];
  return new Map(
    registries
      .flatMap((registry) => registry.getMetricsAsArray())
      .map((metric) => [metric.name, (metric as unknown as { labelNames: readonly string[] }).labelNames]),
  );
}

describe('monitoring', function () {
  this.timeout(90_000);
  const metrics = new Map<string, Set<string>>();
  const merge = (text: string): void => {
    for (const [name, labels] of readScrape(text)) {
      metrics.set(name, new Set([...(metrics.get(name) ?? []), ...labels]));
    }
  };

  before('scrape the programs as built', async () => {
    merge(await scrapeAgent());
    merge(await scrapeNodeDaemon());
    merge(await scrapeController());
  });

  for (const expression of readExpressions()) {
    it(`${expression.place}: ${expression.text} uses metrics and labels that the programs export`, () => {
      const names = listMetrics(expression);
      assert.notEqual(names.length, 0);
      const declared = listDeclaredLabels();
      for (const name of names) {
        assert.ok(metrics.has(name), `no program exports ${name}`);
        const known = [...addedLabels, ...(declared.get(name) ?? []), ...(metrics.get(name) ?? [])];
        for (const label of listLabels(expression)) assert.ok(known.includes(label), `${name} has no label ${label}`);
        const isGrouped = /\bby \(/.test(expression.text);
        for (const label of expression.shown) {
          assert.ok((isGrouped ? listLabels(expression) : known).includes(label), `${label} is not in the result`);
        }
      }
    });
  }

  it('finds a metric and a label that no program exports', () => {
    assert.equal(metrics.has('egress_router_ingress_nothing'), false);
    assert.ok(metrics.get('haproxy_backend_http_responses_total')?.has('code'), 'HAProxy served a request');
    assert.ok(metrics.get('egress_router_connections')?.has('redirect'), 'the daemon counted a router');
    assert.equal(metrics.get('haproxy_backend_http_responses_total')?.has('nothing'), false);
  });

  it('has a dashboard whose panels do not overlap and have identifiers of their own', () => {
    const { panels } = dashboard;
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    for (const [index, { title, gridPos }] of panels.entries()) {
      const { x = 0, y = 0, w = 0, h = 0 } = gridPos;
      assert.ok(x >= 0 && x + w <= 24, title);
      const isCrossed = panels.slice(0, index).some(({ gridPos: other }) => {
        const { x: left = 0, y: top = 0, w: width = 0, h: height = 0 } = other;
        return x < left + width && left < x + w && y < top + height && top < y + h;
      });
      assert.ok(!isCrossed, title);
    }
  });

  it('has Services for pods that exist, on ports that they have', async () => {
    const objects = renderFolder('monitoring');
    const workloads = render('default').filter(({ kind }) => kind === 'Deployment' || kind === 'DaemonSet');
    const services = objects.filter(({ kind }) => kind === 'Service');
    assert.equal(services.length, workloads.length);
    for (const object of objects) {
      if (hasSchema(object)) assert.deepEqual(await findMistakes(object), [], object.metadata.name);
    }
    for (const { metadata, spec } of services) {
      const workload = workloads.find(({ spec: { template } }) =>
        Object.entries(spec.selector).every(([key, value]) => template.metadata.labels[key] === value),
      );
      assert.ok(workload, metadata.name);
      const ports = workload.spec.template.spec.containers.flatMap(({ ports = [] }: KubeDocument) => ports);
      const probed = workload.spec.template.spec.containers.map(
        ({ readinessProbe }: KubeDocument) => readinessProbe?.httpGet?.port,
      );
      for (const { port, targetPort } of spec.ports) {
        // Pods with hostNetwork that may run twice on a node declare no ports.
        if (probed.includes(targetPort) && targetPort === port) continue;
        const named = ports.find(({ name }: { readonly name: string }) => name === targetPort);
        assert.equal(named?.containerPort, port, metadata.name);
      }
    }
    const map = objects.find(({ kind }) => kind === 'ConfigMap');
    assert.deepEqual(JSON.parse(map?.data['egress-router.json']), dashboard);
  });

  it('has ServiceMonitors for these Services, with credentials that are created', async () => {
    const objects = renderFolder('monitoring/operator');
    const services = renderFolder('monitoring').filter(({ kind }) => kind === 'Service');
    for (const object of objects) {
      if (hasSchema(object)) assert.deepEqual(await findMistakes(object), [], object.metadata.name);
    }
    const monitors = objects.filter(({ kind }) => kind === 'ServiceMonitor');
    assert.equal(monitors.length, services.length);
    const secret = objects.find(({ kind }) => kind === 'Secret');
    for (const { metadata, spec } of monitors) {
      const service = services.find(({ metadata: { name } }) => name === `${metadata.name}-metrics`);
      assert.ok(service, metadata.name);
      assert.deepEqual(spec.selector.matchLabels, (service.metadata as { readonly labels?: object }).labels);
      const [{ port, authorization, basicAuth }] = spec.endpoints;
      assert.equal(port, 'metrics');
      // The page of the documentation creates the agent's.
      assert.equal(
        authorization?.credentials.name ?? basicAuth.username.name,
        authorization ? secret?.metadata.name : 'ingress-agent-stats',
      );
    }
    const rules = objects.find(({ kind }) => kind === 'PrometheusRule');
    assert.deepEqual(rules?.spec, parse(readFileSync('manifests/monitoring/alerts.yaml', 'utf8')));
  });
});

async function scrapeAgent(): Promise<string> {
  const node = new HttpNode('ermon');
  try {
    await node.up();
    await node.serve({ name: 'web', port: 8001 });
    node.write('web', ...service('web', [8001]), route('web', 'web.test'));
    await node.start('--cleanup-on-exit', '--shutdown-delay', '1ms');
    assert.equal((await node.ask('http', 'web.test', '/')).status, 200);
    return (await node.ask('http', 'localhost', '/metrics', { address: '127.0.0.1', port: 1936 })).body;
  } finally {
    await node.end('SIGTERM');
    node.down();
  }
}

async function scrapeNodeDaemon(): Promise<string> {
  const lab = await Lab.up('ermon');
  const folder = mkdtempSync(join(tmpdir(), 'ermon-'));
  const [pods, definitions] = ['/api/v1/pods', '/apis/k8s.cni.cncf.io/v1/network-attachment-definitions'];
  const server = new TestApiServer([pods, definitions, '/api/v1/events'], { address: 'any' });
  let daemon: Program | undefined;
  try {
    const kubeconfig = writeKubeconfig(folder, await inNamespace(lab.netns('node'), () => server.start()));
    const config = configure([4], {}, { log_file: '/var/log/egress-router/ermon' });
    server.put(definitions, { metadata: { namespace: 'shop', name: 'nad' }, spec: { config: JSON.stringify(config) } });
    const annotations = { 'k8s.v1.cni.cncf.io/networks': '[{"name":"nad"}]' };
    const metadata = { namespace: 'shop', name: 'router', uid: 'pod-1', annotations };
    server.put(pods, { metadata, spec: { nodeName: 'n1' } } as KubeObject);
    const args = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=router';
    assert.equal((await lab.plugin('ADD', config, { args })).status, 0);
    const options = ['--kubeconfig', kubeconfig, '--node-name', 'n1', '--target', folder];
    const install = ['--source', executable('egress-router'), '--count-interval', '100ms'];
    const program = [...asPrivileged('node/daemonset.yaml'), executable('egress-router-node'), ...options, ...install];
    daemon = new Program('/sbin/ip', ['netns', 'exec', lab.netns('node'), ...program], { TMPDIR: folder });
    let text = '';
    await lab.serveOutside({ tcp: [80], udp: [] });
    const client = await lab.agent('far');
    const read = async (): Promise<boolean> => {
      await client.reach('tcp', at.pod[4], 8080);
      text = await lab.run('node', 'busybox', ['wget', '-qO-', 'http://127.0.0.1:9463/metrics']).catch(() => '');
      return text.includes('egress_router_connections{');
    };
    for (const deadline = Date.now() + 20_000; !(await read()) && Date.now() < deadline; );
    assert.match(text, /egress_router_connections\{/, daemon.output);
    return text;
  } finally {
    await daemon?.end();
    await lab.plugin('DEL', configure([4]));
    lab.down();
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}

async function scrapeController(): Promise<string> {
  const lab = new ControllerLab('executable');
  const port = 20_000 + (process.pid % 10_000);
  try {
    await lab.up();
    lab.putRouter('web');
    lab.start({}, { port });
    await until(
      () => lab.conditionsOf('web')[0] === 'Available=True RouterReady',
      () => lab.server.requests.slice(-5),
      20_000,
    );
    return await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  } finally {
    await lab.down();
  }
}
