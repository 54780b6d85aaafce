import type { KubeApi } from '../../../src/base/kubernetes/cluster-api.ts';
import { KubeLease } from '../../../src/base/kubernetes/lease.ts';
import { clusterNames } from '../../../src/base/kubernetes/names.ts';
import { IngressAgent } from '../../../src/ingress/agent/agent.ts';
import { openHostPods } from '../../../src/ingress/agent/cluster.ts';
import { defaultClosedPorts, HostGuard } from '../../../src/ingress/backends/host-guard.ts';
import { defaultPolicy } from '../../../src/ingress/claims/policy.ts';
import { GatewaySites } from '../../../src/ingress/gateway/gateway-sites.ts';
import { Inventory } from '../../../src/ingress/objects/inventory.ts';
import {
  gatewayKinds,
  KubernetesSource,
  laterGatewayKinds,
  nodeKinds,
  ordinaryKinds,
  poolKinds,
  siteRouteKinds,
} from '../../../src/ingress/objects/source/kubernetes.ts';
import { AddressBook } from '../../../src/ingress/pools/address-book.ts';
import { MemoryKernel } from '../../../src/ingress/ports/kernel-api.ts';
import { ListenerWatch } from '../../../src/ingress/ports/listeners.ts';
import { PortPlane } from '../../../src/ingress/ports/port-plane.ts';
import { ClusterStatus } from '../../../src/ingress/status/cluster-status.ts';
import { AgentMetrics } from '../../../src/ingress/status/metrics.ts';
import { NodeRoster } from '../../../src/ingress/status/node-roster.ts';
import { reportAddresses } from '../../../src/ingress/status/plan-addresses.ts';
import { silentLog } from '../../lab/silent-log.ts';
import { noReferences } from '../../unit/ingress/no-references.ts';

/** Paths of the lists that a cluster with Routes and Gateways has. */
export const agentPaths = {
  Route: '/apis/route.openshift.io/v1/routes',
  Service: '/api/v1/services',
  EndpointSlice: '/apis/discovery.k8s.io/v1/endpointslices',
  Namespace: '/api/v1/namespaces',
  Node: '/api/v1/nodes',
  Pod: '/api/v1/pods',
  HTTPRoute: '/apis/gateway.networking.k8s.io/v1/httproutes',
  GRPCRoute: '/apis/gateway.networking.k8s.io/v1/grpcroutes',
  TLSRoute: '/apis/gateway.networking.k8s.io/v1/tlsroutes',
  ListenerSet: '/apis/gateway.networking.k8s.io/v1/listenersets',
  BackendTLSPolicy: '/apis/gateway.networking.k8s.io/v1/backendtlspolicies',
  GatewayClass: '/apis/gateway.networking.k8s.io/v1/gatewayclasses',
  Gateway: '/apis/gateway.networking.k8s.io/v1/gateways',
  TCPRoute: '/apis/gateway.networking.k8s.io/v1alpha2/tcproutes',
  UDPRoute: '/apis/gateway.networking.k8s.io/v1alpha2/udproutes',
  ReferenceGrant: '/apis/gateway.networking.k8s.io/v1beta1/referencegrants',
  IngressAddressPool: '/apis/egress-router.io/v1alpha1/ingressaddresspools',
  Lease: '/apis/coordination.k8s.io/v1/leases',
  Event: '/api/v1/events',
} as const;
const times = { firstPause: 5, longestPause: 50, absentPause: 50 };

/** A whole agent but for the kernel, on a node of its own. */
export class AgentNode {
  readonly kernel = new MemoryKernel();
  readonly lease: KubeLease;
  readonly #agent: IngressAgent;
  readonly #roster: NodeRoster;

  /**
   * @param gatewayClass the only one that is served, or all of ours
   * @param addresses of the node, for Gateways
   * @param hasSites whether it reads routes for hosts, which it cannot serve without HAProxy
   */
  constructor(
    api: KubeApi,
    name: string,
    gatewayClass = 'ours',
    addresses: readonly string[] = ['192.0.2.10', '2001:db8::10'],
    hasSites = false,
  ) {
    this.lease = new KubeLease(
      api,
      { namespace: 'egress-router-system', name: 'ingress-agent-public', holder: name, duration: 0.6 },
      () => status.review(),
      () => undefined,
    );
    this.#roster = new NodeRoster(
      api,
      {
        namespace: 'egress-router-system',
        name: clusterNames.agentRoster('public'),
        node: name,
        times: { beat: 100, lifetime: 600, removal: 2000 },
      },
      () => undefined,
    );
    const identity = { routerName: 'tcp', controllerName: clusterNames.gatewayController };
    const status: ClusterStatus = new ClusterStatus(api, identity, this.lease, silentLog);
    const inventory = new Inventory();
    const metrics = new AgentMetrics();
    const guard = new HostGuard(
      { openNetworks: [], closedPorts: defaultClosedPorts },
      { inventory, pods: openHostPods(api, inventory, () => undefined) },
    );
    const book = new AddressBook(inventory, {
      pools: [],
      router: [],
      balancerClass: clusterNames.gatewayController,
    });
    const plane = new PortPlane(
      {
        name: 'ingress',
        node: name,
        policy: { ...defaultPolicy, ...(gatewayClass !== 'all' && { gatewayClass }) },
        defaults: { balance: 'source' },
        checkInterval: 0,
        syncInterval: 0,
      },
      {
        inventory,
        kernel: this.kernel,
        log: silentLog,
        metrics,
        guard,
        listeners: new ListenerWatch(() => new Set()),
        nodeAddresses: () => addresses,
        roster: this.#roster,
        book,
      },
    );
    const sites = new GatewaySites(inventory, {
      className: gatewayClass === 'all' ? undefined : gatewayClass,
      addresses: () => ({ addresses: plane.gatewayAddresses, assignments: plane.assignments }),
      ownPorts: { http: 80, https: 443 },
      sitePorts: () => plane.sitePorts,
      references: noReferences,
    });
    this.#agent = new IngressAgent({
      source: new KubernetesSource(
        api,
        {
          kinds: [
            ...ordinaryKinds,
            ...nodeKinds,
            ...poolKinds,
            ...gatewayKinds,
            ...(hasSites ? [...siteRouteKinds, ...laterGatewayKinds] : []),
          ],
          times,
        },
        status,
      ),
      inventory,
      planes: [plane],
      gateways: () => {
        // Without HAProxy, only rejected routes for hosts get a status.
        for (const source of sites.sources) source.listChanged(undefined);
        return plane.gateways && { ...plane.gateways, ...(hasSites && { sites }) };
      },
      holdingOf: () => ({ state: 'held' }),
      addresses: () =>
        reportAddresses({
          services: inventory.all('Service'),
          assignments: plane.assignments,
          balancerClass: clusterNames.gatewayController,
          holdingOf: () => ({ state: 'held' }),
        }),
      guard,
      status,
      log: silentLog,
      metrics,
    });
    this.lease.start();
    this.#agent.start();
  }

  /** Open ports with how many places each leads to. */
  get ports(): string {
    const ports = this.kernel.rules?.ports ?? [];
    return ports
      .map(({ protocol, port, endpoints }) => `${protocol} ${port} > ${endpoints.length}`)
      .sort()
      .join(', ');
  }

  stop(): void {
    void this.#agent.stop(false);
    void this.#roster.close(false);
    this.lease.close();
  }
}
