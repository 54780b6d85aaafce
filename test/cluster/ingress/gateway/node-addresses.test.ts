import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { openKubeApi } from '../../../../src/base/kubernetes/client.ts';
import type { KubeApi } from '../../../../src/base/kubernetes/cluster-api.ts';
import { clusterNames } from '../../../../src/base/kubernetes/names.ts';
import { Lab } from '../../../lab/lab.ts';
import { asShipped } from '../../../lab/rights.ts';
import { inNamespace } from '../../../netns/base/linux/wire.ts';
import { until } from '../../../until.ts';
import { AgentNode, agentPaths as paths } from '../../lab/agent-node.ts';
import { type KubeObject, TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';

interface GatewayStatus {
  readonly addresses: readonly { readonly value: string }[];
  readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
}

describe('addresses of a Gateway, by two agents as built', () => {
  it('are those of both nodes, and of one when the agent of the other was killed', async () => {
    const lab = await Lab.up('erna');
    const folder = mkdtempSync(join(tmpdir(), 'erna-'));
    const server = new TestApiServer(Object.values(paths), { address: 'any' });
    const children: ChildProcess[] = [];
    try {
      const kubeconfig = writeKubeconfig(folder, await inNamespace(lab.netns('node'), () => server.start()));
      const spec = { controllerName: clusterNames.gatewayController };
      server.put(paths.GatewayClass, { metadata: { name: 'ours', uid: 'ours', generation: 1 }, spec });
      server.put(paths.Gateway, {
        metadata: { namespace: 'shop', name: 'gw', uid: 'gw', generation: 1 },
        spec: { gatewayClassName: 'ours', listeners: [{ name: 'sql', protocol: 'TCP', port: 15_432 }] },
      });
      for (const [node, address] of [
        ['n1', '192.0.2.1'],
        ['n2', '192.0.2.2'],
      ] as const) {
        // Both are in one network namespace here, so their rules need names of their own.
        const names = ['--name', node, '--node-name', node, '--gateway-addresses', address, '--stats-port', '0'];
        const words = ['netns', 'exec', lab.netns('node'), ...asShipped('ingress-agent'), ...names];
        const env = { PATH: process.env.PATH, KUBECONFIG: kubeconfig, POD_NAMESPACE: 'egress-router-system' };
        children.push(spawn('ip', words, { stdio: 'ignore', env }));
      }
      const addresses = (): string => {
        const status = server.get(paths.Gateway, 'shop/gw')?.status as GatewayStatus | undefined;
        return (status?.addresses ?? []).map(({ value }) => value).join();
      };
      await until(() => addresses() === '192.0.2.1,192.0.2.2', addresses, 40_000);
      children[1]?.kill('SIGKILL');
      await until(() => addresses() === '192.0.2.1', addresses, 90_000);
    } finally {
      for (const child of children) child.kill('SIGKILL');
      await server.stop();
      lab.down();
      rmSync(folder, { recursive: true });
    }
  }).timeout(150_000);
});

describe('addresses of a Gateway on several ingress nodes', () => {
  let server: TestApiServer;
  let api: KubeApi;
  let folder: string;
  const nodes = new Map<string, AgentNode>();

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'addresses-'));
    server = new TestApiServer(Object.values(paths));
    api = openKubeApi(writeKubeconfig(folder, await server.start()));
    putGateway('gw');
  });

  afterEach(async () => {
    for (const node of nodes.values()) node.stop();
    nodes.clear();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  function start(name: string, ...addresses: readonly string[]): void {
    nodes.set(name, new AgentNode(api, name, 'ours', addresses));
  }

  function putGateway(name: string, addresses: readonly string[] = []): void {
    const object = {
      kind: 'Gateway',
      metadata: { namespace: 'shop', name, uid: name, creationTimestamp: '2026-01-01T00:00:00Z', generation: 1 },
      spec: {
        gatewayClassName: 'ours',
        listeners: [{ name: 'sql', protocol: 'TCP', port: name === 'gw' ? 5432 : 5433 }],
        addresses: addresses.map((value) => ({ type: 'IPAddress', value })),
      },
    };
    server.put(paths.Gateway, object as unknown as KubeObject);
  }

  const statusOf = (name: string) => server.get(paths.Gateway, `shop/${name}`)?.status as GatewayStatus | undefined;
  const addressesOf = (name = 'gw'): string => (statusOf(name)?.addresses ?? []).map(({ value }) => value).join();
  const roster = () => server.get(paths.Lease, `egress-router-system/${clusterNames.agentRoster('public')}`);
  async function expect(addresses: string, name = 'gw'): Promise<void> {
    await until(
      () => addressesOf(name) === addresses,
      () => [addressesOf(name), statusOf(name)?.conditions, roster()?.metadata],
      6000,
    );
  }

  it('include all nodes, regardless of the writing agent, but not a dead node', async () => {
    start('n1', '192.0.2.1', '2001:db8::1');
    await expect('192.0.2.1,2001:db8::1');
    start('n2', '192.0.2.2', '2001:db8::2');
    await expect('192.0.2.1,192.0.2.2,2001:db8::1,2001:db8::2');
    const [writer] = [...nodes].find(([, { lease }]) => lease.isHeld) ?? assert.fail('no writer');
    nodes.get(writer)?.stop();
    await expect(writer === 'n1' ? '192.0.2.2,2001:db8::2' : '192.0.2.1,2001:db8::1');
    // Its entry goes later.
    await until(() => Object.keys(roster()?.metadata.annotations as object).length === 1, roster, 5000);
  }).timeout(15_000);

  it('exclude a node whose kernel rejects the rules', async () => {
    start('n1', '192.0.2.1');
    start('n2', '192.0.2.2');
    await expect('192.0.2.1,192.0.2.2');
    const [name, node] = [...nodes].find(([, { lease }]) => !lease.isHeld) ?? assert.fail('no other');
    node.kernel.failure = new Error('not permitted');
    putGateway('other');
    const left = name === 'n1' ? '192.0.2.2' : '192.0.2.1';
    await expect(left);
    await expect(left, 'other');
  }).timeout(15_000);

  it('may be requested on any node, and are at most 16, from as many nodes as possible', async () => {
    putGateway('static', ['192.0.2.2']);
    start('n1', ...Array.from({ length: 20 }, (_, index) => `198.51.100.${index + 1}`));
    await until(
      () => statusOf('static')?.conditions.some(({ reason }) => reason === 'AddressNotUsable') === true,
      () => statusOf('static'),
    );
    start('n2', '192.0.2.2');
    await expect('192.0.2.2', 'static');
    const some = Array.from({ length: 14 }, (_, index) => `198.51.100.${index + 2}`);
    await expect(['198.51.100.1', '192.0.2.2', ...some].join());
    const conditions = statusOf('static')?.conditions.map(({ type, status }) => `${type} ${status}`);
    assert.deepEqual(conditions, ['Accepted True', 'Programmed True']);
  }).timeout(15_000);
});
