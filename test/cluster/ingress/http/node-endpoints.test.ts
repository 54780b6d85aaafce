import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { HttpNode, serverAddress } from '../../../lab/http-node.ts';
import { inNamespace } from '../../../netns/base/linux/wire.ts';
import { route } from '../../../netns/ingress/http/objects.ts';
import { agentPaths } from '../../lab/agent-node.ts';
import { type KubeObject, TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';

describe('endpoints on the addresses of a node, by the agent as built', () => {
  let node: HttpNode;
  let server: TestApiServer;

  beforeEach(async function () {
    this.timeout(30_000);
    node = new HttpNode('erne', { ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms', ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s' });
    await node.up();
    for (const port of [8001, 10_250]) await node.serve({ name: `s${port}`, port });
    server = new TestApiServer(Object.values(agentPaths), { address: 'any' });
    const kubeconfig = writeKubeconfig(node.folder, await inNamespace('erne', () => server.start()));
    server.put(agentPaths.Namespace, { metadata: { name: 'shop' } });
    server.put(agentPaths.Node, {
      metadata: { name: 'n2' },
      status: { addresses: [{ type: 'InternalIP', address: '10.97.0.3' }] },
    });
    // The first two are the address of a server of the node, the last of one of another node.
    add('plain', serverAddress, 8001);
    add('kubelet', serverAddress, 10_250, 'host');
    add('host', serverAddress, 8001, 'host');
    add('forged', serverAddress, 8001, 'other');
    add('neighbour', '10.97.0.3', 8001);
    putPod('host', { hostNetwork: true });
    putPod('other', {});
    node.launchInCluster(kubeconfig, '--cleanup-on-exit');
    await node.ready();
  });
  afterEach(async () => {
    await node.end('SIGTERM');
    await server.stop();
    node.down();
  });

  /** A Route to one endpoint, which names a pod. */
  function add(name: string, address: string, port: number, pod?: string): void {
    server.put(agentPaths.Route, route(name, `${name}.test`, { service: name }) as KubeObject);
    server.put(agentPaths.Service, {
      metadata: { namespace: 'shop', name },
      spec: { ports: [{ name: 'web', port: 80 }] },
    });
    server.put(agentPaths.EndpointSlice, {
      metadata: { namespace: 'shop', name, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: 'web', port }],
      endpoints: [
        {
          addresses: [address],
          conditions: { ready: true },
          ...(pod !== undefined && { targetRef: { kind: 'Pod', name: pod } }),
        },
      ],
    });
  }

  function putPod(name: string, spec: object, phase = 'Running'): void {
    server.put(agentPaths.Pod, {
      metadata: { namespace: 'shop', name },
      spec,
      status: { phase, podIP: serverAddress, podIPs: [{ ip: serverAddress }] },
    });
  }

  async function statusOf(host: string): Promise<number> {
    return (await node.ask('http', host, '/')).status;
  }

  it('are refused, but for running pods with the node’s network, and on ports of the kubelet always', async () => {
    const hosts = ['plain', 'kubelet', 'host', 'forged', 'neighbour'];
    const answers = await Promise.all(hosts.map(async (host) => [host, await statusOf(`${host}.test`)]));
    assert.deepEqual(Object.fromEntries(answers), { plain: 503, kubelet: 503, host: 200, forged: 503, neighbour: 503 });
    assert.equal((await node.ask('http', 'host.test', '/')).echo?.server, 's8001');
  }).timeout(30_000);
});
