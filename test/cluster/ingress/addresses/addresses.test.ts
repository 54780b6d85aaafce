import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { after, before, describe, it } from 'mocha';
import { clusterNames } from '../../../../src/base/kubernetes/names.ts';
import {
  AddressCluster,
  addressOf,
  keySecret,
  type NodeName,
  nodes,
  secretsPath,
  systemNamespace,
} from '../../lab/address-cluster.ts';
import { agentPaths } from '../../lab/agent-node.ts';
import type { KubeObject } from '../../lab/api-server.ts';

const created = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();

function gateway(name: string, second: number, addresses: readonly string[] = []): KubeObject {
  return {
    metadata: { namespace: 'shop', name, uid: `gateway-${name}`, creationTimestamp: created(second), generation: 1 },
    spec: {
      gatewayClassName: 'ours',
      listeners: [{ name: 'main', protocol: 'TCP', port: 80 }],
      addresses: addresses.map((value) => ({ type: 'IPAddress', value })),
    },
  } as KubeObject;
}

function attach(name: string, service: string): KubeObject {
  return {
    metadata: { namespace: 'shop', name, uid: `route-${name}`, creationTimestamp: created(0) },
    spec: { parentRefs: [{ name }], rules: [{ backendRefs: [{ name: service, port: 3306 }] }] },
  } as KubeObject;
}

interface WrittenGateway {
  readonly status?: {
    readonly addresses?: readonly { readonly value: string }[];
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
  };
}

describe('virtual addresses in a cluster', () => {
  const cluster = new AddressCluster();
  const { server } = cluster;
  before(async () => {
    await cluster.up();
    server.put(agentPaths.GatewayClass, {
      metadata: { name: 'ours', uid: 'ours' },
      spec: { controllerName: clusterNames.gatewayController },
    } as KubeObject);
    server.put(agentPaths.IngressAddressPool, {
      metadata: { name: 'lan', uid: 'lan', generation: 1, creationTimestamp: created(0) },
      spec: { addresses: ['192.0.2.200-192.0.2.203', addressOf('a')], subnet: '192.0.2.0/24' },
    } as KubeObject);
    for (const [name, service, second] of [
      ['first', 'one', 1],
      ['second', 'two', 2],
    ] as const) {
      server.put(agentPaths.Gateway, gateway(name, second));
      server.put(agentPaths.TCPRoute, attach(name, service));
    }
    for (const node of nodes)
      for (const program of ['ingress-agent', 'ingress-addresses'] as const) cluster.run(node, program);
  });
  after(() => cluster.down());

  function statusOf(name: string): string {
    const found = server.get(agentPaths.Gateway, `shop/${name}`) as WrittenGateway | undefined;
    const programmed = found?.status?.conditions?.find(({ type }) => type === 'Programmed');
    return `${programmed?.status} ${found?.status?.addresses?.map(({ value }) => value).join()}`;
  }

  function addressOfGateway(name: string): string {
    return statusOf(name).split(' ')[1] ?? '';
  }

  const isAddress = /^192\.0\.2\.20[0-3]$/;

  it('are assigned to Gateways, one each, which one node holds before the status names it', async () => {
    for (const name of ['first', 'second']) {
      await cluster.expect(
        () => statusOf(name).startsWith('True '),
        () => statusOf(name),
      );
      const address = addressOfGateway(name);
      assert.match(address, isAddress);
      await cluster.settle(
        () => cluster.holders(address),
        (one) => one.length === 1,
      );
    }
    assert.notEqual(addressOfGateway('first'), addressOfGateway('second'));
    for (const [name, host] of [
      ['first', 'one'],
      ['second', 'two'],
    ] as const) {
      const answer = `${addressOf(host)} 3306`;
      await cluster.settle(
        () => cluster.reach(addressOfGateway(name), 80),
        (one) => one.endsWith(answer),
      );
      assert.equal(await cluster.reach(addressOfGateway(name), 22), 'ECONNREFUSED');
    }
  });

  it('share keys that the leader created, readable by root only, and know all members', async () => {
    const secret = server.get(secretsPath, `${systemNamespace}/${keySecret}`) as { data?: Record<string, string> };
    assert.deepEqual(Object.keys(secret.data ?? {}), ['keys.json']);
    const readKeys = () => nodes.map((node) => cluster.read<{ keys: unknown[] }>(node, 'keys.json'));
    const areSame = () => readKeys().every((keys, _, [first]) => keys !== undefined && isDeepStrictEqual(keys, first));
    await cluster.expect(areSame, readKeys);
    assert.equal(readKeys()[0]?.keys.length, 1);
    assert.equal(statSync(join(cluster.folder, 'a', 'keys.json')).mode & 0o777, 0o600);
    for (const node of nodes) {
      const count = () => cluster.wanted(node)?.members.length;
      await cluster.expect(() => count() === nodes.length, count);
      const members = cluster.wanted(node)?.members.map((one) => [one.node, one.addresses, one.port]);
      assert.deepEqual(
        members,
        nodes.map((name) => [name, [addressOf(name)], 1941]),
      );
    }
  });

  it('are counted in the status of the pool, which reports an address of a node', () => {
    const pool = server.get(agentPaths.IngressAddressPool, 'lan') as {
      status?: { assigned: number; free: number; conditions: { type: string; status: string; message: string }[] };
    };
    const { assigned, free, conditions = [] } = pool.status ?? {};
    assert.deepEqual([assigned, free], [2, 2]);
    const [{ type, status, message } = { type: '', status: '', message: '' }] = conditions;
    assert.deepEqual(
      [type, status, message],
      ['Ready', 'False', `${addressOf('a')} is not assigned, because it belongs to node a`],
    );
  });

  it('are assigned to Services of our class, on the node with its endpoint if the policy is Local', async () => {
    cluster.putSlice('web', [{ address: '10.0.0.9', node: 'b' }]);
    server.put(agentPaths.Service, {
      metadata: { namespace: 'shop', name: 'web', uid: 'service-web', creationTimestamp: created(5) },
      spec: {
        type: 'LoadBalancer',
        loadBalancerClass: clusterNames.gatewayController,
        externalTrafficPolicy: 'Local',
        ipFamilies: ['IPv4'],
        clusterIP: '172.30.0.9',
        ports: [{ name: 'main', protocol: 'TCP', port: 3306 }],
      },
    } as KubeObject);
    const read = () =>
      server.get(agentPaths.Service, 'shop/web') as {
        status?: { loadBalancer?: { ingress?: readonly { ip: string }[] } };
      };
    const addresses = () => read().status?.loadBalancer?.ingress?.map(({ ip }) => ip) ?? [];
    await cluster.expect(() => addresses().length === 1, read);
    const [address = ''] = addresses();
    assert.match(address, isAddress);
    await cluster.settle(
      () => cluster.holders(address),
      (one) => one.join() === 'b',
    );
    const wanted = cluster.wanted('a')?.addresses.find((one) => one.address === address);
    assert.deepEqual(wanted, {
      address,
      interface: 'eth0',
      owner: 'Service shop/web',
      eligibleNodes: ['b'],
      ports: [{ protocol: 'TCP', port: 3306 }],
      translated: true,
    });
    // The endpoint moves, and the address follows.
    cluster.putSlice('web', [{ address: '10.0.0.9', node: 'a' }]);
    await cluster.settle(
      () => cluster.holders(address),
      (one) => one.join() === 'a',
    );
    server.remove(agentPaths.Service, 'shop/web');
    await cluster.settle(
      () => cluster.holders(address),
      (one) => one.length === 0,
    );
  });

  it('go to the older Gateway that requests them, and to the younger once it is free', async () => {
    const free = ['192.0.2.200', '192.0.2.201', '192.0.2.202', '192.0.2.203'].find(
      (one) => one !== addressOfGateway('first') && one !== addressOfGateway('second'),
    ) as string;
    server.put(agentPaths.Gateway, gateway('older', 3, [free]));
    server.put(agentPaths.Gateway, gateway('younger', 4, [free]));
    await cluster.expect(
      () => statusOf('older') === `True ${free}`,
      () => statusOf('older'),
    );
    await cluster.expect(
      () => statusOf('younger') === 'False ',
      () => statusOf('younger'),
    );
    server.remove(agentPaths.Gateway, 'shop/older');
    await cluster.expect(
      () => statusOf('younger') === `True ${free}`,
      () => statusOf('younger'),
    );
    server.remove(agentPaths.Gateway, 'shop/younger');
  });

  it('stay with their Gateway after another writer has changed the status', async () => {
    const [first, second] = [addressOfGateway('first'), addressOfGateway('second')];
    // The younger claims the address of the older.
    server.edit(agentPaths.Gateway, 'shop/second', { status: { addresses: [{ type: 'IPAddress', value: first }] } });
    await cluster.expect(
      () => addressOfGateway('second') !== first,
      () => statusOf('second'),
    );
    assert.equal(addressOfGateway('first'), first);
    assert.match(await cluster.reach(first, 80), new RegExp(`${addressOf('one')} 3306$`));
    assert.match(second, isAddress);
  });

  it('move to the other node when their holder dies, and the status stays', async () => {
    const address = addressOfGateway('first');
    const dead = await cluster.settle(
      () => cluster.holders(address),
      (one) => one.length === 1,
    );
    await cluster.cut(dead[0] as NodeName);
    const answer = `${addressOf('one')} 3306`;
    await cluster.settle(
      () => cluster.reach(address, 80),
      (one) => one.endsWith(answer),
    );
    assert.equal(statusOf('first'), `True ${address}`);
  });
});
