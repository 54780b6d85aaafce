import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKubeApi } from '../../../src/base/kubernetes/client.ts';
import { clusterNames } from '../../../src/base/kubernetes/names.ts';
import type { Flow } from '../../../src/base/model/observed.ts';
import type { AttachmentState } from '../../../src/egress/model/state.ts';
import { startNode } from '../../../src/egress/node/daemon.ts';
import { parseNodeOptions } from '../../../src/egress/node/node-options.ts';
import type { ApplyOutcome, CheckOutcome, NodeRouters, WireAnswer } from '../../../src/egress/node/routers-api.ts';
import { SecretKeys } from '../../../src/ingress/agent/addresses/keys.ts';
import { LeaseMembers } from '../../../src/ingress/agent/addresses/members.ts';
import { isBeingRemoved } from '../../../src/ingress/agent/removal.ts';
import { silentLog } from '../../lab/silent-log.ts';
import { writeRoute } from '../../unit/ingress/samples.ts';
import { until } from '../../until.ts';
import { ScriptedWires } from '../egress/node/scripted-wires.ts';
import { AgentNode, agentPaths } from '../lab/agent-node.ts';
import { type KubeObject, TestApiServer } from '../lab/api-server.ts';
import { clusterPaths } from '../lab/cluster.ts';
import { ControllerLab } from '../lab/controller-lab.ts';
import { writeKubeconfig } from '../lab/kubeconfig.ts';
import { ingressPermissions, listPermissions, permissionOf } from './rbac.ts';
import { render } from './rendered.ts';

/** Compares requests with permissions; `unseen` lists permissions that no request uses here. */
function compare(requests: readonly string[], name: string, unseen: readonly string[]): void {
  const used = new Set([...requests.map(permissionOf), ...unseen]);
  const allowed = listPermissions(render('default'), name);
  assert.deepEqual([...used.difference(allowed)].sort(), [], 'is asked for and not allowed');
  assert.deepEqual([...allowed.difference(used)].sort(), [], 'is allowed and not asked for');
}

describe('RBAC allows exactly what is requested', () => {
  it('by the controller', async () => {
    const lab = new ControllerLab();
    await lab.up();
    try {
      lab.cluster.podStatus = () => ({ status: { conditions: [{ type: 'Ready', status: 'False' }] }, annotations: {} });
      // Another client changed the status meanwhile, so the controller reads the object.
      lab.server.fail({ on: /PATCH .*status/, answer: 409 });
      lab.putRouter('web');
      lab.putRouter('bad', { spec: { addresses: [] } });
      lab.start();
      const wanted = [/PUT .*leases/, /POST .*events/, /GET .*fieldSelector/, /GET .*egressrouters\/[a-z]+$/];
      // An address leaves a pool, and a node is cordoned.
      const addresses = ['192.168.12.98/24', '192.168.12.97/24'].map((ip) => ({ ip, gateway: '192.168.12.1' }));
      lab.putRouter('pool', { spec: { addresses } });
      for (const node of ['n1', 'n2']) lab.cluster.putNode(node);
      await until(
        () => lab.names('pods').length === 3,
        () => lab.names('pods'),
      );
      lab.putRouter('pool', { spec: { addresses: addresses.slice(1) } });
      lab.cluster.putNode('n1', true);
      wanted.push(/DELETE .*deployments/, /DELETE .*attachment-definitions/, /DELETE .*pods/);
      await until(
        () => wanted.every((one) => lab.server.requests.some((line) => one.test(line))),
        () => lab.server.requests,
      );
    } finally {
      await lab.down();
    }
    compare(lab.server.requests, 'egress-router-controller', [
      // Server-side apply of an object that is not there is a creation, too.
      'create k8s.cni.cncf.io/network-attachment-definitions',
      'create apps/deployments',
      // What blockOwnerDeletion needs where the API server insists on it.
      'update network.operator.openshift.io/egressrouters/finalizers',
    ]);
  }).timeout(20_000);

  it('by the agent', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rbac-'));
    const server = new TestApiServer([...Object.values(agentPaths), '/api/v1/secrets']);
    const url = await server.start();
    const kubeconfig = writeKubeconfig(folder, url);
    server.put(agentPaths.IngressAddressPool, {
      metadata: { name: 'lan', uid: 'lan' },
      spec: { addresses: ['192.0.2.50-192.0.2.59'] },
    });
    server.put(agentPaths.Service, {
      metadata: { namespace: 'shop', name: 'balanced', uid: 'balanced' },
      spec: { type: 'LoadBalancer', loadBalancerClass: clusterNames.gatewayController, ports: [{ port: 80 }] },
    });
    server.put('/api/v1/secrets', { metadata: { namespace: 'egress-router-system', name: 'keys', uid: 'keys' } });
    server.put(agentPaths.Route, writeRoute({ name: 'low', port: 80 }) as unknown as KubeObject);
    server.put(agentPaths.Node, {
      metadata: { name: 'n2', uid: 'n2' },
      status: { addresses: [{ type: 'InternalIP', address: '192.0.2.20' }] },
    });
    server.put(agentPaths.EndpointSlice, {
      metadata: { namespace: 'shop', name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
      ports: [{ port: 80 }],
      endpoints: [{ addresses: ['192.0.2.20'], targetRef: { kind: 'Pod', name: 'web-1' } }],
    });
    for (const kind of ['HTTPRoute', 'GRPCRoute', 'TLSRoute', 'TCPRoute', 'UDPRoute'] as const) {
      const isPort = kind === 'TCPRoute' || kind === 'UDPRoute';
      server.put(agentPaths[kind], {
        metadata: { namespace: 'shop', name: 'a', uid: kind },
        spec: { parentRefs: [{ name: 'gw', ...(!isPort && { sectionName: 'none' }) }], rules: [{}] },
      });
    }
    server.put(agentPaths.ListenerSet, {
      metadata: { namespace: 'shop', name: 'more', uid: 'more' },
      spec: { parentRef: { name: 'gw' }, listeners: [{ name: 'a', protocol: 'TCP', port: 2001 }] },
    });
    // No route uses the Service any more.
    server.put(agentPaths.BackendTLSPolicy, {
      metadata: { namespace: 'shop', name: 'web', uid: 'policy' },
      spec: { targetRefs: [{ group: '', kind: 'Service', name: 'web' }], validation: { hostname: 'web.test' } },
      status: { ancestors: [{ controllerName: clusterNames.gatewayController, ancestorRef: { name: 'gw' } }] },
    });
    server.put(agentPaths.Gateway, {
      metadata: { namespace: 'shop', name: 'gw', uid: 'gw' },
      spec: { gatewayClassName: 'ours', listeners: [{ name: 'a', protocol: 'TCP', port: 2000 }] },
    });
    server.put(agentPaths.GatewayClass, {
      metadata: { name: 'ours', uid: 'ours' },
      spec: { controllerName: clusterNames.gatewayController },
    });
    const written = [
      'routes',
      'gatewayclasses',
      'gateways',
      'httproutes',
      'grpcroutes',
      'tlsroutes',
      'tcproutes',
      'udproutes',
      'listenersets',
      'backendtlspolicies',
      'ingressaddresspools',
      'services',
    ];
    for (const plural of written) {
      server.fail({ on: new RegExp(`PATCH .*/${plural}/[^/]+/status`), answer: 409 });
    }
    const api = openKubeApi(kubeconfig);
    const node = new AgentNode(api, 'n1', 'ours', undefined, true);
    const namespace = 'egress-router-system';
    await isBeingRemoved(api, { namespace, name: 'ingress-agent' });
    const keys = new SecretKeys(api, { namespace, name: 'keys' }, { isHeld: true }, () => undefined);
    keys.start(() => undefined);
    const members = new LeaseMembers(api, { namespace, name: 'members', isGone: () => false }, () => undefined);
    members.join({ node: 'n1', addresses: ['192.0.2.10'], port: 1941 }, () => undefined);
    try {
      await until(
        () =>
          [
            'routes/low',
            'gatewayclasses/ours',
            'gateways/gw',
            'tcproutes/a',
            'udproutes/a',
            'ingressaddresspools/lan',
            'services/balanced',
            'httproutes/a',
            'grpcroutes/a',
            'tlsroutes/a',
            'listenersets/more',
            'backendtlspolicies/web',
          ].every((path) => server.requests.some((line) => line.startsWith('GET ') && line.endsWith(`/${path}`))) &&
          server.all(agentPaths.Event).length > 0 &&
          server.requests.some((line) => /^PUT .*leases/.test(line)) &&
          server.requests.some((line) => /^GET .*\/pods\/web-1/.test(line)) &&
          server.requests.some((line) => /^PATCH .*\/secrets\/keys/.test(line)) &&
          server.requests.some((line) => /^PATCH .*\/leases\/members/.test(line)) &&
          server.watchCount === 18,
        () => server.requests,
        6000,
      );
    } finally {
      node.stop();
      keys.close();
      await members.close(false);
      await server.stop();
      rmSync(folder, { recursive: true });
    }
    // Only an agent with HAProxy asks for Ingresses; their test looks at its requests.
    compare(server.requests, 'ingress-agent', ingressPermissions);
  }).timeout(10_000);

  it('by the node daemon', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rbac-'));
    const [pods, definitions] = [clusterPaths.pods, clusterPaths.definitions];
    const server = new TestApiServer([pods, definitions, clusterPaths.events]);
    const api = openKubeApi(writeKubeconfig(folder, await server.start()));
    const config = '{"type":"egress-router"}';
    server.put(definitions, { metadata: { namespace: 'shop', name: 'nad' }, spec: { config } });
    const annotations = { 'k8s.v1.cni.cncf.io/networks': 'nad' };
    server.put(pods, {
      metadata: { namespace: 'shop', name: 'web', uid: 'u', annotations },
      spec: { nodeName: 'n1', readinessGates: [{ conditionType: 'egress-router.io/router-ready' }] },
    });
    const options = parseNodeOptions(
      ['--target', folder, '--listen-port', '0', '--node-name', 'n1', '--conflict-interval', '100ms'],
      {},
    );
    assert.ok(options !== undefined);
    const daemon = await startNode(options, {
      api,
      routers: new OneRouter(),
      wires: new ScriptedWires(),
      log: silentLog,
      stateFolder: folder,
    });
    try {
      await until(
        () =>
          server.requests.includes('PATCH /api/v1/namespaces/shop/pods/web') &&
          server.requests.includes('PATCH /api/v1/namespaces/shop/pods/web/status') &&
          server.requests.some((line) => line.includes('/pods?fieldSelector=metadata.name%3Dweb&')),
        () => server.requests,
      );
    } finally {
      await daemon.stop();
      await server.stop();
      rmSync(folder, { recursive: true });
    }
    assert.ok(
      server.requests
        .filter((line) => line.includes('/pods?'))
        .every((line) => /spec.nodeName%3Dn1|shop\/pods/.test(line)),
    );
    compare(server.requests, 'egress-router-node', []);
  });
});

/** A node with one router, which takes every configuration. */
class OneRouter implements NodeRouters {
  readonly blindness = undefined;
  #questions = 0;
  list(): readonly AttachmentState[] {
    const id = { containerId: 'c', ifname: 'net1' };
    const state = { id, link: 'net1', pod: { namespace: 'shop', name: 'web' }, addresses: [] };
    return [state as unknown as AttachmentState];
  }
  isAlive(): boolean {
    return true;
  }
  retain(): void {
    // It keeps nothing.
  }
  applyAnswers = () => ({ kind: 'unchanged' as const });
  endConnections = () => undefined;
  apply(): ApplyOutcome {
    return { kind: 'applied', added: 1, removed: 0 };
  }
  listFlows(): readonly Flow[] {
    return [];
  }
  check(): CheckOutcome {
    return { differences: [], problems: [] };
  }
  announce(): void {
    // No client receives it.
  }
  /** Another host has its address, once its pod is known. */
  ask(): Promise<WireAnswer> {
    const conflicts = this.#questions++ === 0 ? [] : [{ address: '192.168.12.99', mac: '02:00:00:00:00:01' }];
    return Promise.resolve({ gateways: [], conflicts, isCutOff: false });
  }
  listProblems(): readonly string[] {
    return [];
  }
  listChanged(): readonly AttachmentState[] {
    return [];
  }
  suspend(): void {
    // It has no interface.
  }
  isSuspended(): boolean {
    return false;
  }
  resume(): void {
    // It has no interface.
  }
  close(): void {
    // It has no interface.
  }
  listen(): void {
    // Nothing is heard.
  }
  reopen(): void {
    // It was never closed.
  }
}
