import assert from 'node:assert/strict';
import { clusterNames } from '../../../../src/base/kubernetes/names.ts';
import { places } from '../../../../src/ingress/operator/names.ts';
import { addressOf, nodes } from '../../lab/address-cluster.ts';
import { agentPaths } from '../../lab/agent-node.ts';
import type { KubeObject } from '../../lab/api-server.ts';
import { type Place, RouterCluster } from '../../lab/router-cluster.ts';

const poolKey = 'egress-router.io/address-pool';
const created = (second: number) => new Date(Date.UTC(2026, 0, 1) + second * 1000).toISOString();

/** Routers with HostNetwork, both on node a, with ports that the ingress agent does not use. */
const ports = {
  one: { http: 8080, https: 8443, stats: 1937 },
  two: { http: 8081, https: 8444, stats: 1938 },
  cloud: { http: 80, https: 443, stats: 1936 },
} as const;
type Name = keyof typeof ports;

interface Status {
  readonly loadBalancer?: { readonly ingress?: unknown };
}

function strategyOf(name: Name): object {
  if (name === 'cloud') return { type: 'LoadBalancerService' };
  const { http, https, stats } = ports[name];
  return { type: 'HostNetwork', hostNetwork: { httpPort: http, httpsPort: https, statsPort: stats } };
}

describe('The virtual address of an IngressController, with the compiled programs', function () {
  this.timeout(120_000);
  const routers = new RouterCluster();
  const { cluster, lab } = routers;
  const { server } = cluster;
  const log = { access: { destination: { type: 'Container' } } };

  function putPool(addresses: readonly string[], ...names: readonly string[]): void {
    server.put(agentPaths.IngressAddressPool, {
      metadata: { name: 'routers', uid: 'pool', creationTimestamp: created(0) },
      spec: { addresses, subnet: '192.0.2.0/24', namespaces: { names } },
    } as KubeObject);
  }

  function putController(name: Name, spec: object = {}): void {
    const metadata = { annotations: { [poolKey]: 'routers' } };
    const pages = routers.putPage(name);
    lab.put(name, { endpointPublishingStrategy: strategyOf(name), logging: log, ...pages, ...spec }, metadata);
  }

  const endpoint = (name: Name, place: Place, state: 'ready' | 'draining' | 'unready' = 'ready') => ({
    ...ports[name],
    place,
    state,
  });

  before(async () => {
    await routers.up();
    // The third router finds no address.
    putPool(['192.0.2.200', '192.0.2.201'], places.routers);
    for (const name of ['one', 'two', 'cloud'] as const) {
      putController(name);
      await lab.awaitCondition(name, 'ConfigurationApplied', 'True AsExpected');
    }
    for (const node of nodes) routers.run('one', node);
    routers.run('two', 'a');
    routers.run('cloud', 'pod');
  });

  after(() => routers.down());

  const address = { one: '', two: '', cloud: '' };

  it('is reported only when a node with a ready router holds it', async () => {
    for (const name of ['one', 'two'] as const) {
      await cluster.expect(
        () => routers.reasonOf(agentPaths.Service, `${places.routers}/router-${name}`) !== '',
        () => routers.service(name),
      );
      assert.deepEqual(routers.addressesOf(name), []);
      const reason = await lab.awaitCondition(name, 'LoadBalancerReady', 'False AddressNotAssigned');
      assert.match(reason.message, /only an ingress node with a ready endpoint of the Service can hold it$/);
      assert.equal(lab.condition(name, 'LoadBalancerManaged')?.reason, 'WantedByAddressPool');
      // The routers answer at the nodes.
      await cluster.settle(
        () => routers.get(addressOf('a'), 'http', ports[name].http),
        (text) => text.trim() === `router ${name}`,
      );
      routers.putEndpoints(name, [endpoint(name, 'a')]);
      address[name] = await routers.awaitAddress(name);
      assert.equal(await routers.awaitHolder(address[name]), 'a');
      await lab.awaitCondition(name, 'LoadBalancerReady', 'True LoadBalancerProvisioned');
    }
    assert.notEqual(address.one, address.two);
  });

  it('is missing while the pool is full, with the reason, and assigned when the pool grows', async () => {
    const { message } = await lab.awaitCondition('cloud', 'LoadBalancerReady', 'False AddressNotAssigned');
    assert.match(message, /no free address; ask the administrator to extend them$/);
    putPool(['192.0.2.200-192.0.2.202'], places.routers);
    routers.putEndpoints('cloud', [endpoint('cloud', 'pod')]);
    address.cloud = await routers.awaitAddress('cloud');
    assert.equal(new Set(Object.values(address)).size, 3);
    await lab.awaitCondition('cloud', 'LoadBalancerReady', 'True LoadBalancerProvisioned');
  });

  it('reaches nothing else on the node before its Service is translated', async () => {
    assert.equal(await cluster.reach(addressOf('a'), 80), `${addressOf('client')} ${addressOf('a')} 80`);
    for (const one of Object.values(address)) assert.equal(await cluster.reach(one, 80), 'ECONNREFUSED');
  });

  it('leads to its own router on ports 80 and 443, and shows it the client', async () => {
    await routers.startProxies();
    for (const name of ['one', 'two', 'cloud'] as const) await routers.awaitAnswer(address[name], name);
    for (const [name, place] of [
      ['one', 'a'],
      ['two', 'a'],
      ['cloud', 'pod'],
    ] as const) {
      await cluster.expect(
        () => routers.outputOf(name, place).includes(addressOf('client')),
        () => routers.outputOf(name, place),
      );
    }
    for (const port of [8080, 8081, 1937, 22]) assert.equal(await cluster.reach(address.one, port), 'ECONNREFUSED');
  });

  it('is not given to an older Service or Gateway of a tenant that requests it', async () => {
    const metadata = { namespace: 'shop', name: 'thief', creationTimestamp: created(0), generation: 1 };
    server.put(agentPaths.Service, {
      metadata: { ...metadata, uid: 'thief-service', annotations: { [poolKey]: 'routers' } },
      spec: {
        type: 'LoadBalancer',
        loadBalancerClass: clusterNames.gatewayController,
        loadBalancerIP: address.one,
        ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
      },
      status: { loadBalancer: { ingress: [{ ip: address.one }] } },
    } as KubeObject);
    server.put(agentPaths.GatewayClass, {
      metadata: { name: 'ours', uid: 'ours' },
      spec: { controllerName: clusterNames.gatewayController },
    } as KubeObject);
    server.put(agentPaths.Gateway, {
      metadata: { ...metadata, uid: 'thief-gateway' },
      spec: {
        gatewayClassName: 'ours',
        listeners: [{ name: 'main', protocol: 'TCP', port: 80 }],
        addresses: [{ type: 'IPAddress', value: address.two }],
      },
    } as KubeObject);
    const programmed = () =>
      (
        server.get(agentPaths.Gateway, 'shop/thief')?.status as { conditions?: { type: string; reason: string }[] }
      )?.conditions?.find(({ type }) => type === 'Programmed')?.reason;
    // Also where tenants may use the pool.
    for (const [reason, ...names] of [
      ['AddressNotUsable', places.routers],
      ['AddressNotAssigned', places.routers, 'shop'],
    ] as const) {
      putPool(['192.0.2.200-192.0.2.202'], ...names);
      await cluster.expect(
        () => routers.reasonOf(agentPaths.Service, 'shop/thief').startsWith(reason) && programmed() === reason,
        () => [server.get(agentPaths.Service, 'shop/thief'), programmed()],
      );
      const { status } = server.get(agentPaths.Service, 'shop/thief') as unknown as { status: Status };
      assert.deepEqual(status.loadBalancer?.ingress, []);
      for (const name of ['one', 'two'] as const) {
        assert.deepEqual(routers.addressesOf(name), [address[name]]);
        await routers.awaitAnswer(address[name], name);
      }
    }
    server.remove(agentPaths.Service, 'shop/thief');
    server.remove(agentPaths.Gateway, 'shop/thief');
  });

  it('moves to the node with a ready router', async () => {
    // The last router terminates, and still serves.
    routers.putEndpoints('one', [endpoint('one', 'a', 'unready'), endpoint('one', 'b', 'draining')]);
    await routers.awaitHolder(address.one, 'b');
    await routers.awaitAnswer(address.one, 'one');
    routers.putEndpoints('one', [endpoint('one', 'a'), endpoint('one', 'b', 'draining')]);
    await routers.awaitHolder(address.one, 'a');
    routers.putEndpoints('one', [endpoint('one', 'a', 'unready'), endpoint('one', 'b')]);
    await routers.awaitHolder(address.one, 'b');
    await routers.awaitAnswer(address.one, 'one');
    assert.equal(await routers.awaitHolder(address.two), 'a');
    assert.deepEqual(routers.addressesOf('one'), [address.one]);
    assert.equal(lab.condition('one', 'LoadBalancerReady')?.status, 'True');
  });

  it('survives a kill of each program', async () => {
    await lab.program?.end('SIGKILL');
    for (const node of nodes) await routers.restart(node, 'ingress-agent');
    await routers.restart('b', 'ingress-addresses');
    routers.startController();
    await routers.awaitAnswer(address.one, 'one');
    await routers.awaitHolder(address.one, 'b');
    lab.put('one', { ...(lab.controller('one')?.spec as object), replicas: 2 });
    await lab.awaitObserved('one');
    for (const name of ['one', 'two', 'cloud'] as const) {
      assert.equal(await routers.awaitAddress(name), address[name]);
      assert.equal(lab.condition(name, 'LoadBalancerReady')?.status, 'True');
    }
  });

  it('stays when another type of the strategy is refused', async () => {
    putController('two', { endpointPublishingStrategy: { type: 'Private' } });
    const { message } = await lab.awaitCondition('two', 'Admitted', 'False Invalid');
    assert.match(message, /type cannot change from HostNetwork to Private/);
    assert.equal(lab.condition('two', 'LoadBalancerReady')?.status, 'True');
    assert.deepEqual(routers.addressesOf('two'), [address.two]);
    await routers.awaitAnswer(address.two, 'two');
    putController('two');
    await lab.awaitCondition('two', 'Admitted', 'True Valid');
  });

  it('changes with the pool, and ends with it', async () => {
    putPool(['192.0.2.203-192.0.2.205'], places.routers);
    const before = address.one;
    address.one = await routers.awaitAddress('one', (one) => /\.20[345]$/.test(one));
    await routers.awaitHolder(address.one, 'b');
    await routers.awaitAnswer(address.one, 'one');
    await cluster.settle(
      () => cluster.holders(before),
      (holders) => holders.length === 0,
    );
    server.remove(agentPaths.IngressAddressPool, 'routers');
    const { message } = await lab.awaitCondition('one', 'LoadBalancerReady', 'False AddressNotUsable');
    assert.match(
      message,
      /names "routers", which is no pool of addresses that the namespace openshift-ingress may use/,
    );
    assert.deepEqual(routers.addressesOf('one'), []);
    await cluster.settle(
      () => cluster.holders(address.one),
      (holders) => holders.length === 0,
    );
    // A pool of others is none.
    putPool(['192.0.2.203-192.0.2.205'], 'shop');
    await lab.awaitCondition('one', 'LoadBalancerReady', 'False AddressNotUsable');
    putPool(['192.0.2.203-192.0.2.205'], places.routers);
    for (const name of ['one', 'two', 'cloud'] as const) {
      address[name] = await routers.awaitAddress(name);
      await routers.awaitAnswer(address[name], name);
    }
  });

  it('is free again when the IngressController is deleted, or loses the annotation', async () => {
    lab.delete('two');
    await cluster.expect(
      () => routers.service('two') === undefined && lab.controller('two') === undefined,
      () => lab.trouble,
    );
    await cluster.settle(
      () => cluster.holders(address.two),
      (holders) => holders.length === 0,
    );
    const pool = () => server.get(agentPaths.IngressAddressPool, 'routers')?.status as { free?: number } | undefined;
    await cluster.expect(() => pool()?.free === 1, pool);
    await routers.awaitAnswer(address.one, 'one');
    lab.put('one', lab.controller('one')?.spec as object, { annotations: {} });
    await lab.awaitCondition(
      'one',
      'LoadBalancerManaged',
      'False EndpointPublishingStrategyExcludesManagedLoadBalancer',
    );
    assert.equal(routers.service('one'), undefined);
    await cluster.settle(
      () => cluster.holders(address.one),
      (holders) => holders.length === 0,
    );
    await cluster.expect(() => pool()?.free === 2, pool);
  });

  it('does not replace the load balancer of a cloud until its Service is deleted', async () => {
    const spec = { endpointPublishingStrategy: { type: 'LoadBalancerService' } };
    lab.put('aws', spec);
    await lab.awaitCondition('aws', 'LoadBalancerReady', 'False LoadBalancerPending');
    const key = `${places.routers}/router-aws`;
    server.edit(agentPaths.Service, key, { status: { loadBalancer: { ingress: [{ ip: '203.0.113.9' }] } } });
    await lab.awaitCondition('aws', 'LoadBalancerReady', 'True LoadBalancerProvisioned');
    lab.put('aws', spec, { annotations: { [poolKey]: 'routers' } });
    const { message } = await lab.awaitCondition('aws', 'ConfigurationApplied', 'False ApplyFailed');
    assert.match(message, /router-aws: spec.loadBalancerClass cannot change from none to .*; delete the Service/);
    assert.deepEqual(routers.addressesOf('aws'), ['203.0.113.9']);
    server.remove(agentPaths.Service, key);
    await lab.awaitCondition('aws', 'ConfigurationApplied', 'True AsExpected');
    assert.equal(routers.service('aws')?.spec.loadBalancerClass, clusterNames.gatewayController);
    assert.match(routers.reasonOf(agentPaths.Service, key), /^(AddressNotAssigned .*)?$/);
  });

  it('moves to another node with a router when its node dies', async () => {
    putController('one');
    address.one = await routers.awaitAddress('one');
    routers.putEndpoints('one', [endpoint('one', 'a'), endpoint('one', 'b')]);
    await routers.awaitAnswer(address.one, 'one');
    const dead = await routers.awaitHolder(address.one);
    await cluster.cut(dead);
    await routers.awaitHolder(address.one, dead === 'a' ? 'b' : 'a');
    await routers.awaitAnswer(address.one, 'one');
    assert.deepEqual(routers.addressesOf('one'), [address.one]);
  });
});
