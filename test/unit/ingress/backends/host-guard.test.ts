import assert from 'node:assert/strict';
import { type Address, parseAddress, parsePrefix } from '../../../../src/base/model/address.ts';
import { describeBackends } from '../../../../src/ingress/backends/describe-backends.ts';
import { EndpointFinder, listIdled } from '../../../../src/ingress/backends/endpoints.ts';
import { defaultClosedPorts, HostGuard } from '../../../../src/ingress/backends/host-guard.ts';
import { ReviewedHostPods } from '../../../../src/ingress/backends/host-pods.ts';
import { Inventory } from '../../../../src/ingress/objects/inventory.ts';
import { readObject } from '../../../../src/ingress/objects/kinds.ts';

const choice = { protocol: 'tcp' } as const;
const backend = { service: 'web', weight: 100 };

function addresses(...texts: readonly string[]): readonly Address[] {
  return texts.map((text) => parseAddress(text) as Address);
}

/** A node with 10.0.0.1 and fd00::1, and the cluster address 10.96.0.9 by IPVS. */
class World {
  readonly inventory = new Inventory();
  readonly pods = new Map<string, unknown>();
  readonly changed: string[] = [];
  own = addresses('10.0.0.1', 'fd00::1');
  readonly guard: HostGuard;
  readonly finder: EndpointFinder;

  constructor(openNetworks: readonly string[] = []) {
    const pods = new ReviewedHostPods(
      (namespace, name) => Promise.resolve(this.pods.get(`${namespace}/${name}`)),
      () => true,
      () => undefined,
    );
    this.guard = new HostGuard(
      { openNetworks: openNetworks.flatMap((text) => parsePrefix(text) ?? []), closedPorts: defaultClosedPorts },
      {
        inventory: this.inventory,
        pods,
        readInterfaces: () => ({ own: this.own, virtual: addresses('10.96.0.9') }),
      },
    );
    this.finder = new EndpointFinder(this.inventory, 'n1', this.guard);
    this.put({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec: { ports: [{ port: 80 }] } });
  }

  put(object: Record<string, unknown>): void {
    const metadata = { namespace: 'shop', ...(object.metadata as Record<string, unknown>) };
    const reading = readObject({ ...object, metadata: object.kind === 'Node' ? object.metadata : metadata });
    assert.ok(reading.outcome === 'object', JSON.stringify(reading));
    this.inventory.put(reading.object);
    this.finder.forget(['shop/web']);
  }

  slice(address: string, port: number, pod?: string): void {
    this.put({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
      ports: [{ port }],
      endpoints: [{ addresses: [address], ...(pod !== undefined && { targetRef: { kind: 'Pod', name: pod } }) }],
    });
  }

  node(name: string, ...list: readonly string[]): void {
    const status = { addresses: list.map((address) => ({ type: 'InternalIP', address })) };
    this.put({ apiVersion: 'v1', kind: 'Node', metadata: { name }, status });
    this.guard.refresh();
    this.finder.forget(['shop/web']);
  }

  get found(): readonly string[] {
    return this.finder.find(backend, 'shop', choice).map(({ address, port }) => `${address.text} ${port}`);
  }

  get notes(): string {
    return describeBackends([backend], 'shop', [choice], this.finder).join('\n');
  }
}

const hostPod = {
  spec: { hostNetwork: true },
  status: { phase: 'Running', podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] },
};

describe('Endpoints on addresses of nodes', () => {
  const refused: readonly (readonly [string, string, number])[] = [
    ['this node’s address', '10.0.0.1', 22],
    ['this node’s IPv6 address', 'fd00::1', 22],
    ['this node’s IPv6 address in another form', 'FD00:0:0::0001', 22],
    ['an IPv4 address in NAT64', '64:ff9b::10.0.0.1', 22],
    ['an IPv4 address in 6to4', '2002:a00:1::1', 22],
    ['an IPv4-compatible address', '::10.0.0.1', 22],
    ['another node’s address', '10.0.0.2', 22],
    ['another node’s external address', '203.0.113.7', 22],
    ['a cluster address that IPVS holds', '10.96.0.9', 22],
  ];
  for (const [title, address, port] of refused) {
    it(`rejects and reports ${title}`, () => {
      const world = new World();
      world.node('n2', '10.0.0.2', '203.0.113.7', 'n2.example');
      world.slice(address, port);
      assert.deepEqual(world.found, []);
      assert.match(world.notes, /^Service web: ignored .*:22: is an address of a node/);
    });
  }

  it('keeps endpoints with other addresses', () => {
    const world = new World();
    world.node('n2', '10.0.0.2');
    world.slice('10.128.0.5', 10250);
    assert.deepEqual(world.found, ['10.128.0.5 10250']);
    assert.equal(world.notes, '');
  });

  it('rejects an endpoint when a node with its address appears, and marks its Service as changed', () => {
    const world = new World();
    world.slice('10.0.0.3', 22);
    assert.deepEqual(world.found, ['10.0.0.3 22']);
    const journal = world.inventory.openJournal();
    world.node('n3', '10.0.0.3');
    assert.ok(journal.take().of('Service').has('shop/web'));
    assert.deepEqual(world.found, []);
  });

  it('rejects an endpoint when this node gets its address', () => {
    const world = new World();
    world.slice('10.0.0.4', 22);
    assert.deepEqual(world.found, ['10.0.0.4 22']);
    world.own = [...world.own, ...addresses('10.0.0.4')];
    const journal = world.inventory.openJournal();
    world.guard.refresh();
    assert.ok(journal.take().of('Service').has('shop/web'));
    world.finder.forget(['shop/web']);
    assert.deepEqual(world.found, []);
  });

  it('allows networks that an administrator configured, except the kubelet’s port', () => {
    const world = new World(['10.0.0.0/24']);
    world.slice('10.0.0.1', 8080);
    assert.deepEqual(world.found, ['10.0.0.1 8080']);
    world.slice('10.0.0.1', 10250);
    assert.deepEqual(world.found, []);
    assert.match(world.notes, /10\.0\.0\.1:10250: is a port of the node itself/);
  });

  const pods: readonly (readonly [string, unknown, boolean])[] = [
    ['runs with hostNetwork on that address', hostPod, true],
    ['does not exist', undefined, false],
    ['has a network of its own', { ...hostPod, spec: {} }, false],
    ['does not run yet', { ...hostPod, status: { ...hostPod.status, phase: 'Pending' } }, false],
    ['has ended', { ...hostPod, status: { ...hostPod.status, phase: 'Succeeded' } }, false],
    ['runs on another node', { ...hostPod, status: { phase: 'Running', podIP: '10.0.0.2' } }, false],
  ];
  for (const [title, pod, isAllowed] of pods) {
    it(`${isAllowed ? 'allows' : 'rejects'} an endpoint whose pod ${title}`, async () => {
      const world = new World();
      if (pod !== undefined) world.pods.set('shop/web-x', pod);
      world.pods.set('other/web-x', hostPod);
      world.slice('10.0.0.1', 8080, 'web-x');
      await world.guard.settle();
      assert.deepEqual(world.found, isAllowed ? ['10.0.0.1 8080'] : []);
      world.slice('10.0.0.1', 10250, 'web-x');
      assert.deepEqual(world.found, []);
      world.guard.close();
    });
  }

  it('reads no pod with a path as its name', async () => {
    const read: string[] = [];
    const pods = new ReviewedHostPods(
      (namespace, name) => Promise.resolve(void read.push(`${namespace}/${name}`)),
      () => true,
      () => undefined,
    );
    for (const name of ['..', '../secrets/a', 'a?b', 'a/log', '', 'A']) pods.addressesOf(name, 'shop/web');
    pods.addressesOf('web-1', 'shop/web');
    await pods.settle();
    assert.deepEqual(read, ['shop/web-1']);
  });

  it('rejects an idled Service’s cluster address only if it is a node’s', () => {
    const world = new World();
    const idle = (clusterIP: string) => {
      const annotations = { 'idling.alpha.openshift.io/idled-at': '2026-01-01T00:00:00Z' };
      const spec = { clusterIP, ports: [{ port: 80, protocol: 'TCP' }] };
      world.put({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', annotations }, spec });
      return listIdled(world.finder, backend, 'shop', choice).map(({ address }) => address.text);
    };
    assert.deepEqual(idle('10.96.0.5'), ['10.96.0.5']);
    assert.deepEqual(idle('10.96.0.9'), ['10.96.0.9']);
    assert.deepEqual(idle('10.0.0.1'), []);
    assert.match(world.notes, /ignored 10\.0\.0\.1:80: is an address of a node/);
  });
});
