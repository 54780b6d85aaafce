import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKubeApi } from '../../../../src/base/kubernetes/client.ts';
import type { KubeApi } from '../../../../src/base/kubernetes/cluster-api.ts';
import { KubeLease } from '../../../../src/base/kubernetes/lease.ts';
import { type ClusterObject, objectKey } from '../../../../src/ingress/objects/kinds.ts';
import { KubernetesSource, ordinaryKinds } from '../../../../src/ingress/objects/source/kubernetes.ts';
import { ClusterStatus } from '../../../../src/ingress/status/cluster-status.ts';
import type { RouteStatus } from '../../../../src/ingress/status/status.ts';
import { silentLog } from '../../../lab/silent-log.ts';
import { readRoute, writeRoute, writeSlice } from '../../../unit/ingress/samples.ts';
import { until } from '../../../until.ts';
import { type KubeObject, TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';

const routes = '/apis/route.openshift.io/v1/routes';
const slices = '/apis/discovery.k8s.io/v1/endpointslices';
const leases = '/apis/coordination.k8s.io/v1/leases';
const events = '/api/v1/events';
const collections = [routes, '/api/v1/services', slices, '/api/v1/namespaces', leases, events];
const times = { firstPause: 5, longestPause: 50, absentPause: 50 };

function route(name: string, port = 2000): KubeObject {
  return writeRoute({ name, port }) as unknown as KubeObject;
}

describe('A cluster', () => {
  let server: TestApiServer;
  let api: KubeApi;
  let folder: string;
  let source: KubernetesSource;
  let told: Map<string, ClusterObject>;
  let problems: Map<string, string>;
  let syncs: number;
  const closers: { close(): void }[] = [];

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'kube-'));
  });

  after(() => rmSync(folder, { recursive: true }));

  beforeEach(async () => {
    server = new TestApiServer(collections);
    const url = await server.start();
    const kubeconfig = writeKubeconfig(folder, url);
    api = openKubeApi(kubeconfig);
    told = new Map();
    problems = new Map();
    syncs = 0;
    source = new KubernetesSource(api, { kinds: ordinaryKinds, times });
  });

  afterEach(async () => {
    source.close();
    for (const closer of closers.splice(0)) closer.close();
    await server.stop();
  });

  function start(from = source): void {
    from.start({
      put: (object) => void told.set(`${object.kind} ${objectKey(object)}`, object),
      remove: (kind, key) => void told.delete(`${kind} ${key}`),
      synced: () => void syncs++,
      report: (place, problem) => void (problem === undefined ? problems.delete(place) : problems.set(place, problem)),
    });
  }

  async function startSynced(): Promise<void> {
    start();
    await until(
      () => syncs === 1 && server.watchCount === 4,
      () => [...problems],
    );
  }

  const names = () => [...told.keys()].sort();
  const seen = (...wanted: readonly string[]) =>
    until(
      () => names().join() === wanted.map((name) => `Route shop/${name}`).join(),
      () => [names(), [...problems]],
    );

  it('is reported completely first, then as it changes', async () => {
    server.put(routes, route('a'));
    server.put(slices, writeSlice('web', [{ address: '10.0.0.1' }]) as unknown as KubeObject);
    await startSynced();
    assert.deepEqual(names(), ['EndpointSlice shop/web-1', 'Route shop/a']);
    server.remove(slices, 'shop/web-1');
    server.put(routes, route('b'));
    await seen('a', 'b');
    server.remove(routes, 'shop/a');
    await seen('b');
    assert.equal(syncs, 1);
  });

  it('is never reported in part: an interrupted list of pages is read again', async () => {
    for (let index = 0; index < 1200; index++) server.put(routes, route(`r${index}`, 2000 + index));
    server.fail({ on: /routes\?.*continue=/, answer: 410 });
    server.fail({ on: /routes\?limit=500$/, answer: 500 });
    server.fail({ on: /routes\?.*continue=/, answer: 'cut' });
    let most = 0;
    const watching = setInterval(() => {
      if (syncs === 0) most = Math.max(most, told.size);
    }, 1);
    await startSynced();
    clearInterval(watching);
    assert.deepEqual([most, told.size, server.faultsLeft, problems.size], [0, 1200, 0, 0]);
  });

  it('resumes from the last event after an interrupted watch, without a new list', async () => {
    await startSynced();
    server.put(routes, route('a'));
    await seen('a');
    server.dropWatches();
    server.put(routes, route('b'));
    server.remove(routes, 'shop/a');
    await seen('b');
    assert.equal(server.requests.filter((line) => line.includes('/routes?limit')).length, 1);
  });

  it('resumes from a bookmark if the last event is no longer available', async () => {
    await startSynced();
    for (let index = 0; index < 3; index++)
      server.put(slices, writeSlice('web', [], [], `s${index}`) as unknown as KubeObject);
    server.compact();
    server.bookmark();
    await new Promise((resolve) => setTimeout(resolve, 50));
    server.dropWatches();
    server.put(routes, route('a'));
    await until(
      () => told.has('Route shop/a'),
      () => [...problems],
    );
    assert.equal(server.requests.filter((line) => line.includes('/routes?limit')).length, 1);
  });

  it('lists again after 410, and drops what was deleted in the meantime', async () => {
    server.put(routes, route('a'));
    await startSynced();
    server.fail({ on: /routes\?watch/, answer: 500 });
    server.dropWatches();
    server.remove(routes, 'shop/a');
    server.put(routes, route('b'));
    server.compact();
    await seen('b');
    assert.equal(syncs, 1);
  });

  const faults: readonly (readonly [name: string, answer: number | 'cut', headers?: Record<string, string>])[] = [
    ['an answer of 429 with a time to wait', 429, { 'retry-after': '1' }],
    ['an answer of 500', 500],
    ['an answer of 503', 503],
    ['an answer of 403', 403],
    ['a connection cut', 'cut'],
  ];
  for (const [name, answer, headers] of faults) {
    it(`converges after ${name}, on lists and on watches`, async () => {
      server.put(routes, route('a'));
      server.fail({ on: /GET .*routes\?limit/, answer, ...(headers && { headers }) });
      server.fail({ on: /GET .*routes\?watch/, answer, ...(headers && { headers }) });
      const begun = performance.now();
      await startSynced();
      server.put(routes, route('b'));
      await seen('a', 'b');
      assert.deepEqual([server.faultsLeft, problems.size], [0, 0]);
      assert.ok(headers === undefined || performance.now() - begun >= 1000);
    });
  }

  it('may lack the Route API, which is reported, and which is found when it appears', async () => {
    await server.stop();
    server = new TestApiServer(collections.filter((path) => path !== routes));
    const url = await server.start();
    const kubeconfig = writeKubeconfig(folder, url);
    source = new KubernetesSource(openKubeApi(kubeconfig), { kinds: ordinaryKinds, times });
    start();
    await until(
      () => syncs === 1,
      () => [...problems],
    );
    assert.equal(problems.get('Route'), 'the cluster does not serve Route in v1; running without it');
    server.addCollection(routes);
    server.put(routes, route('a'));
    await seen('a');
    assert.equal(problems.size, 0);
  });

  it('may lack optional kinds, or deny access to them, without delaying anything else', async () => {
    server.addCollection('/apis/gateway.networking.k8s.io/v1/gateways');
    for (let count = 0; count < 50; count++) server.fail({ on: /\/v1\/gateways\?/, answer: 403 });
    const optionalKinds = ['Gateway', 'GatewayClass'] as const;
    source = new KubernetesSource(api, { kinds: [...ordinaryKinds, ...optionalKinds], optionalKinds, times });
    await startSynced();
    assert.equal(problems.has('GatewayClass'), false);
    assert.match(problems.get('Gateway') ?? '', /403/);
  });

  it('keeps the last valid state of an object that becomes invalid', async () => {
    const slice = writeSlice('web', [{ address: '10.0.0.1' }]) as unknown as KubeObject;
    server.put(slices, slice);
    await startSynced();
    server.put(slices, { ...slice, ports: 7 });
    await until(() => problems.size === 1, names);
    assert.match(problems.get('EndpointSlice shop/web-1') ?? '', /^ports 7: must be a list of ports/);
    assert.ok(told.has('EndpointSlice shop/web-1'));
  });

  describe('statuses', () => {
    const status = (name: string, words: Partial<RouteStatus> = {}): RouteStatus => ({
      meta: readRoute(writeRoute({ name })).meta,
      wildcardPolicy: 'None',
      ports: ['tcp 2000'],
      admitted: true,
      ...words,
    });
    const refusal = { admitted: false, reason: 'PortNotAllowed', message: 'no' } as const;
    // biome-ignore lint/suspicious/noExplicitAny: a status is whatever was written
    const ingressOf = (name: string): any[] => (server.get(routes, `shop/${name}`)?.status as any)?.ingress ?? [];
    const describeIngress = (name: string) =>
      ingressOf(name).map(
        ({ routerName, conditions }) => `${routerName} ${conditions?.[0]?.status} ${conditions?.[0]?.reason}`,
      );

    function openWriter(isHeld = () => true): ClusterStatus {
      const writer = new ClusterStatus(
        api,
        { routerName: 'r1', controllerName: 'example.com/c' },
        {
          get isHeld() {
            return isHeld();
          },
        },
        silentLog,
      );
      closers.push(writer);
      return writer;
    }

    async function startWriting(writer: ClusterStatus): Promise<void> {
      source = new KubernetesSource(api, { kinds: ordinaryKinds, times }, writer);
      start();
      await until(
        () => syncs === 1 && server.watchCount === 4,
        () => [...problems],
      );
    }

    it('are written next to those of other routers, once, with an Event for a rejection', async () => {
      const other = { routerName: 'default', conditions: [{ type: 'Admitted', status: 'True' }] };
      server.put(routes, { ...route('a'), status: { ingress: [other] } });
      server.put(routes, route('b'));
      const writer = openWriter();
      await startWriting(writer);
      for (let count = 0; count < 3; count++) {
        writer.publish([status('a', refusal), status('b')], undefined);
        await until(
          () => ingressOf('b').length === 1,
          () => ingressOf('b'),
        );
      }
      await until(
        () => server.all(events).length === 1,
        () => server.all(events),
      );
      assert.deepEqual(describeIngress('a'), ['default True undefined', 'r1 False PortNotAllowed']);
      assert.deepEqual(describeIngress('b'), ['r1 True undefined']);
      await new Promise((resolve) => setTimeout(resolve, 150));
      assert.equal(server.requests.filter((line) => line.startsWith('PATCH')).length, 2);
      assert.equal(server.all(events)[0]?.reason, 'PortNotAllowed');
    });

    it('survive a concurrent write (409) and other faults', async () => {
      server.put(routes, route('a'));
      const writer = openWriter();
      await startWriting(writer);
      server.fail({ on: /PATCH/, answer: 409 });
      writer.publish([status('a')], undefined);
      await until(
        () => describeIngress('a')[0] === 'r1 True undefined',
        () => ingressOf('a'),
      );
      server.fail({ on: /PATCH/, answer: 500 });
      writer.publish([status('a', refusal)], undefined);
      await until(
        () => describeIngress('a')[0] === 'r1 False PortNotAllowed',
        () => ingressOf('a'),
      );
    }).timeout(5000);

    it('are removed from Routes that this router no longer serves', async () => {
      const mine = { routerName: 'r1', host: '', wildcardPolicy: 'None', conditions: [] };
      server.put(routes, { ...route('a'), status: { ingress: [mine] } });
      const writer = openWriter();
      await startWriting(writer);
      writer.publish([], undefined);
      await until(
        () => ingressOf('a').length === 0,
        () => ingressOf('a'),
      );
    });

    it('are left alone if another writer insists under the same name', async () => {
      server.put(routes, route('a'));
      const writer = openWriter();
      await startWriting(writer);
      writer.publish([status('a')], undefined);
      for (let count = 0; count < 12; count++) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        const theirs = {
          routerName: 'r1',
          host: '',
          wildcardPolicy: 'None',
          conditions: [{ type: 'Admitted', status: 'False' }],
        };
        server.put(routes, { ...route('a'), status: { ingress: [theirs] } });
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.equal(server.requests.filter((line) => line.startsWith('PATCH')).length, 5);
    }).timeout(5000);

    it('are written by one of two agents, and by the other after the first has stopped', async () => {
      server.put(routes, route('a'));
      const held: string[] = [];
      const open = (holder: string) => {
        const lease = new KubeLease(
          api,
          { namespace: 'shop', name: 'status', holder, duration: 0.6 },
          () => held.push(holder),
          (problem) => assert.equal(problem, undefined),
        );
        lease.start();
        closers.push(lease);
        return lease;
      };
      const first = open('one');
      await until(
        () => first.isHeld,
        () => held,
      );
      const second = open('two');
      await new Promise((resolve) => setTimeout(resolve, 1000));
      assert.deepEqual([held, first.isHeld, second.isHeld], [['one'], true, false]);
      first.close();
      await until(
        () => second.isHeld,
        () => held,
      );
      assert.deepEqual([held, first.isHeld], [['one', 'two'], false]);
    }).timeout(5000);
  });
});
