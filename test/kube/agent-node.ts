import { KubeLease } from '../../src/cluster/lease.ts';
import type { KubeApi } from '../../src/cluster/port.ts';
import { silentLog } from '../../src/daemon/log.ts';
import { IngressAgent } from '../../src/ingress/agent.ts';
import { defaultPolicy } from '../../src/ingress/claims/policy.ts';
import { AgentMetrics } from '../../src/ingress/metrics.ts';
import { KubernetesSource } from '../../src/ingress/objects/source/kubernetes.ts';
import { MemoryDataPlane } from '../../src/ingress/ports/data-plane.ts';
import { ListenerWatch } from '../../src/ingress/ports/listeners.ts';
import { ClusterStatus } from '../../src/ingress/status/cluster-status.ts';

/** Paths of the lists that a cluster with Routes and Gateways has. */
export const agentPaths = {
  Route: '/apis/route.openshift.io/v1/routes',
  Service: '/api/v1/services',
  EndpointSlice: '/apis/discovery.k8s.io/v1/endpointslices',
  Namespace: '/api/v1/namespaces',
  Gateway: '/apis/gateway.networking.k8s.io/v1/gateways',
  TCPRoute: '/apis/gateway.networking.k8s.io/v1alpha2/tcproutes',
  UDPRoute: '/apis/gateway.networking.k8s.io/v1alpha2/udproutes',
  ReferenceGrant: '/apis/gateway.networking.k8s.io/v1beta1/referencegrants',
  Lease: '/apis/coordination.k8s.io/v1/leases',
  Event: '/api/v1/events',
} as const;
const times = { firstPause: 5, longestPause: 50, absentPause: 50 };

/** A whole agent but for the kernel, on a node of its own. */
export class AgentNode {
  readonly dataPlane = new MemoryDataPlane();
  readonly lease: KubeLease;
  readonly #agent: IngressAgent;

  constructor(api: KubeApi, name: string) {
    let status: ClusterStatus | undefined;
    this.lease = new KubeLease(
      api,
      { namespace: 'egress-router-system', name: 'ingress-agent-public', holder: name, duration: 0.6 },
      () => status?.review(),
      () => undefined,
    );
    const writer = new ClusterStatus(api, { routerName: 'tcp' }, this.lease, silentLog);
    status = writer;
    const source = new KubernetesSource(api, { hasGateways: true, times }, writer);
    this.#agent = new IngressAgent(
      {
        name: 'ingress',
        node: name,
        policy: { ...defaultPolicy, gatewayClass: 'ours' },
        defaults: { balance: 'source' },
        syncInterval: 0,
        checkInterval: 0,
      },
      {
        source,
        status: writer,
        dataPlane: this.dataPlane,
        log: silentLog,
        metrics: new AgentMetrics(),
        listeners: new ListenerWatch(() => new Set()),
      },
    );
    this.lease.start();
    this.#agent.start();
  }

  /** Open ports with how many places each leads to. */
  get ports(): string {
    const ports = this.dataPlane.rules?.ports ?? [];
    return ports
      .map(({ protocol, port, endpoints }) => `${protocol} ${port} > ${endpoints.length}`)
      .sort()
      .join(', ');
  }

  stop(): void {
    this.#agent.stop(false);
    this.lease.close();
  }
}
