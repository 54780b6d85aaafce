import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKubeApi } from '../../../../src/base/kubernetes/client.ts';
import type { KubeApi } from '../../../../src/base/kubernetes/cluster-api.ts';
import { writeRoute, writeSlice } from '../../../unit/ingress/samples.ts';
import { until } from '../../../until.ts';
import { AgentNode, agentPaths as paths } from '../../lab/agent-node.ts';
import { type KubeObject, TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';

const created = (seconds: number): string => new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString();

interface Conditions {
  readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
}

function show({ conditions }: Conditions): string[] {
  return conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`);
}

describe('Two agents on one cluster', () => {
  let server: TestApiServer;
  let api: KubeApi;
  let folder: string;
  let nodes: AgentNode[];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'agents-'));
    server = new TestApiServer(Object.values(paths));
    const url = await server.start();
    const kubeconfig = writeKubeconfig(folder, url);
    api = openKubeApi(kubeconfig);
    nodes = [];
  });

  afterEach(async () => {
    for (const node of nodes) node.stop();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  function put(kind: keyof typeof paths, object: object): void {
    server.put(paths[kind], { apiVersion: 'v1', kind, ...object } as unknown as KubeObject);
  }

  function putRoute(name: string, port: number, seconds: number): void {
    const route = writeRoute({ name, port }) as { metadata: object };
    put('Route', { ...route, metadata: { ...route.metadata, uid: name, creationTimestamp: created(seconds) } });
  }

  function putServices(...names: readonly string[]): void {
    for (const name of names) {
      put('Service', { metadata: { namespace: 'shop', name }, spec: { ports: [{ name: 'main', port: 3306 }] } });
      const ports = [{ name: 'main', port: 3306 }];
      put('EndpointSlice', writeSlice(name, [{ address: '10.0.0.1' }], ports));
    }
  }

  function startNodes(...names: readonly string[]): void {
    for (const name of names) nodes.push(new AgentNode(api, name));
  }

  // biome-ignore lint/suspicious/noExplicitAny: a status is whatever was written
  const statusOf = (kind: keyof typeof paths, name: string): any => server.get(paths[kind], `shop/${name}`)?.status;
  const admissionOf = (name: string): string => {
    const [entry, ...more] = statusOf('Route', name)?.ingress ?? [];
    return entry === undefined || more.length > 0 ? 'nothing' : show(entry).join();
  };
  const patches = (): number => server.requests.filter((line) => /^PATCH .*\/status/.test(line)).length;

  it('open the same ports, and write each status once', async () => {
    putServices('web');
    putRoute('old', 2000, 1);
    putRoute('young', 2000, 2);
    putRoute('other', 2001, 3);
    startNodes('n1', 'n2');
    const want = 'tcp 2000 > 1, tcp 2001 > 1';
    const done = (): boolean =>
      nodes.every(({ ports }) => ports === want) &&
      admissionOf('young') === 'Admitted False PortAlreadyClaimed' &&
      admissionOf('other') === 'Admitted True undefined';
    const describeAll = () => [nodes.map(({ ports }) => ports), admissionOf('young'), admissionOf('other')];
    await until(done, describeAll);
    await new Promise((resolve) => setTimeout(resolve, 1200));
    assert.equal(patches(), 3);
    assert.equal(server.all(paths.Event).length, 1);
  }).timeout(6000);

  it('continue when the writer stops, and the other one writes statuses', async () => {
    putServices('web');
    putRoute('old', 2000, 1);
    putRoute('young', 2000, 2);
    startNodes('n1', 'n2');
    await until(
      () => admissionOf('young') === 'Admitted False PortAlreadyClaimed' && admissionOf('old') !== 'nothing',
      () => [admissionOf('old'), admissionOf('young')],
    );
    const writer = nodes.findIndex(({ lease }) => lease.isHeld);
    nodes[writer]?.stop();
    server.remove(paths.Route, 'shop/old');
    await until(
      () => admissionOf('young') === 'Admitted True undefined',
      () => admissionOf('young'),
    );
    assert.equal(nodes[1 - writer]?.ports, 'tcp 2000 > 1');
    assert.equal(nodes[writer]?.ports, 'tcp 2000 > 1', 'rules stay when an agent ends');
  }).timeout(6000);

  it('serve Gateways and report on listeners and routes, next to other controllers', async () => {
    putServices('web');
    putRoute('claimed', 2000, 0);
    put('Gateway', {
      metadata: { namespace: 'shop', name: 'gw', uid: 'gw', creationTimestamp: created(1), generation: 7 },
      spec: {
        gatewayClassName: 'ours',
        listeners: [
          { name: 'mysql', protocol: 'TCP', port: 13306 },
          { name: 'taken', protocol: 'TCP', port: 2000 },
          { name: 'web', protocol: 'HTTP', port: 8080 },
        ],
      },
    });
    const theirs = { controllerName: 'theirs', parentRef: { name: 'gw' }, conditions: [] };
    putL4Route('a', [{ name: 'gw', sectionName: 'mysql' }], 'web', { parents: [theirs] });
    putL4Route('b', [{ name: 'gw', sectionName: 'nowhere' }, { name: 'elsewhere' }], 'missing');
    startNodes('n1', 'n2');
    await until(
      () => statusOf('Gateway', 'gw') !== undefined && statusOf('TCPRoute', 'b') !== undefined,
      () => server.requests.slice(-5),
    );
    const gateway = statusOf('Gateway', 'gw');
    assert.deepEqual(show(gateway), ['Accepted True ListenersNotValid', 'Programmed True Programmed']);
    assert.equal(gateway.conditions[0].observedGeneration, 7);
    // biome-ignore lint/suspicious/noExplicitAny: a status is whatever was written
    const listeners = gateway.listeners.map((one: any) => [one.name, one.attachedRoutes, show(one)[0]]);
    assert.deepEqual(listeners, [
      ['mysql', 1, 'Accepted True Accepted'],
      ['taken', 0, 'Accepted False PortUnavailable'],
      ['web', 0, 'Accepted False UnsupportedProtocol'],
    ]);
    await until(
      () => statusOf('TCPRoute', 'a').parents.length === 2,
      () => statusOf('TCPRoute', 'a'),
    );
    const [first, second] = statusOf('TCPRoute', 'a').parents;
    assert.deepEqual(first, theirs);
    assert.deepEqual(second.parentRef, { name: 'gw', sectionName: 'mysql' });
    assert.deepEqual(show(second), ['Accepted True Accepted', 'ResolvedRefs True ResolvedRefs']);
    const [lost, ...none] = statusOf('TCPRoute', 'b').parents;
    assert.deepEqual(show(lost), ['Accepted False NoMatchingParent', 'ResolvedRefs False BackendNotFound']);
    assert.deepEqual(none, []);
    const before = patches();
    await new Promise((resolve) => setTimeout(resolve, 1200));
    assert.equal(patches(), before);
    // A wish that is withdrawn takes its entry along.
    putL4Route('b', [{ name: 'elsewhere' }], 'missing', statusOf('TCPRoute', 'b'));
    await until(
      () => statusOf('TCPRoute', 'b').parents.length === 0,
      () => statusOf('TCPRoute', 'b'),
    );
  }).timeout(8000);

  function putL4Route(name: string, parentRefs: readonly object[], service: string, status?: object): void {
    put('TCPRoute', {
      metadata: { namespace: 'shop', name, uid: name, creationTimestamp: created(2) },
      spec: { parentRefs, rules: [{ backendRefs: [{ name: service, port: 3306 }] }] },
      ...(status !== undefined && { status }),
    });
  }

  it('reject a Service of another namespace until a ReferenceGrant allows it', async () => {
    putServices('web');
    put('Gateway', {
      metadata: { namespace: 'shop', name: 'gw', uid: 'gw', creationTimestamp: created(1) },
      spec: { gatewayClassName: 'ours', listeners: [{ name: 'mysql', protocol: 'TCP', port: 13306 }] },
    });
    put('TCPRoute', {
      metadata: { namespace: 'shop', name: 'a', uid: 'a', creationTimestamp: created(2) },
      spec: {
        parentRefs: [{ name: 'gw' }],
        rules: [{ backendRefs: [{ name: 'ledger', namespace: 'bank', port: 3306 }] }],
      },
    });
    startNodes('n1');
    const reasonOf = (): string => (statusOf('TCPRoute', 'a')?.parents ?? []).flatMap(show)[1] ?? 'nothing';
    await until(() => reasonOf() === 'ResolvedRefs False RefNotPermitted', reasonOf);
    put('ReferenceGrant', {
      metadata: { namespace: 'bank', name: 'grant' },
      spec: {
        from: [{ group: 'gateway.networking.k8s.io', kind: 'TCPRoute', namespace: 'shop' }],
        to: [{ group: '', kind: 'Service' }],
      },
    });
    await until(() => reasonOf() === 'ResolvedRefs False BackendNotFound', reasonOf);
    put('Service', {
      metadata: { namespace: 'bank', name: 'ledger' },
      spec: { ports: [{ name: 'main', port: 3306 }] },
    });
    await until(() => reasonOf() === 'ResolvedRefs True ResolvedRefs', reasonOf);
  }).timeout(6000);
});
