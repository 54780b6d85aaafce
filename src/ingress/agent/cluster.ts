import { randomUUID } from 'node:crypto';
import type { DaemonLog } from '../../base/daemon/log.ts';
import { openKubeApi } from '../../base/kubernetes/client.ts';
import { type KubeApi, KubeError } from '../../base/kubernetes/cluster-api.ts';
import type { Leadership } from '../../base/kubernetes/leadership.ts';
import { KubeLease } from '../../base/kubernetes/lease.ts';
import { clusterNames } from '../../base/kubernetes/names.ts';
import { ReviewedHostPods } from '../backends/host-pods.ts';
import { ClusterSecrets } from '../http/secrets.ts';
import type { Inventory } from '../objects/inventory.ts';
import {
  gatewayKinds,
  ingressKinds,
  KubernetesSource,
  laterGatewayKinds,
  nodeKinds,
  ordinaryKinds,
  poolKinds,
  siteRouteKinds,
} from '../objects/source/kubernetes.ts';
import { ClusterStatus } from '../status/cluster-status.ts';
import { NodeRoster } from '../status/node-roster.ts';
import { SecretKeys } from './addresses/keys.ts';
import { LeaseMembers } from './addresses/members.ts';
import type { Cluster, Report } from './daemon.ts';
import type { AgentOptions } from './options.ts';
import { isBeingRemoved } from './removal.ts';

/**
 * Opens Kubernetes as the source of objects and the destination of statuses. Throws an Error if no API server is
 * configured.
 */
export function openCluster(options: AgentOptions, inventory: Inventory, log: DaemonLog, report: Report): Cluster {
  const api = openKubeApi(options.kubeconfig);
  const { identity, ports, leaseNamespace: namespace, routerNameKey, dryRun, daemonSet, hostsOnly } = options;
  const openLease = (): KubeLease =>
    new KubeLease(
      api,
      {
        namespace,
        name: clusterNames.agentLease(identity.routerName),
        // A restarted agent needs another identity, because its predecessor may still be writing.
        holder: `${ports.node}_${randomUUID()}`,
      },
      () => status.review(),
      (problem) => report('lease', problem),
    );
  const lease = new TemporaryLease(openLease);
  const settings = { namespace, name: clusterNames.agentRoster(identity.routerName), node: ports.node };
  const roster = new NodeRoster(api, settings, (problem) => report('node addresses', problem));
  const members = new LeaseMembers(
    api,
    {
      namespace,
      name: clusterNames.addressMembers(identity.routerName),
      // Without a list of Nodes, nothing is known about them.
      isGone: (node) => !inventory.isEmpty('Node') && inventory.get('Node', node) === undefined,
    },
    (problem) => report('members', problem),
  );
  const keys = new SecretKeys(
    api,
    { namespace, name: clusterNames.addressKeys(identity.routerName) },
    lease,
    (problem) => report('heartbeat keys', problem),
  );
  const status = new ClusterStatus(api, identity, lease, log);
  // Without the option, a cluster may lack Gateways or deny access to them.
  const optionalKinds = [
    ...nodeKinds,
    ...poolKinds,
    ...siteRouteKinds,
    ...laterGatewayKinds,
    ...(ports.policy.gatewayClass === undefined ? gatewayKinds : []),
    ...(ports.policy.ingressClass === undefined ? ingressKinds : []),
  ];
  // Only HAProxy serves Ingresses, and routes of Gateways for hosts.
  const siteKinds = options.http?.settings.gateways === undefined ? [] : siteRouteKinds;
  const kinds = [
    ...ordinaryKinds,
    ...nodeKinds,
    ...(hostsOnly ? [] : [...poolKinds, ...gatewayKinds, ...laterGatewayKinds, ...siteKinds]),
    ...(hostsOnly || options.http === undefined ? [] : ingressKinds),
  ];
  const source = new KubernetesSource(api, { routerNameKey, ignoresPorts: hostsOnly, kinds, optionalKinds }, status);
  const isRemoved = async (): Promise<boolean> => {
    if (daemonSet === undefined || dryRun) return false;
    // Pods may be deleted before the DaemonSet when their namespace is deleted.
    if (inventory.get('Namespace', namespace)?.isTerminating === true) return true;
    return await isBeingRemoved(api, { namespace, name: daemonSet });
  };
  const checkDaemonSet = async (): Promise<void> => {
    if (!(await isRemoved())) return;
    log.warn(
      { namespace, daemonSet },
      'DaemonSet is gone or being deleted; this agent will remove its rules on exit. Check --daemon-set',
    );
  };
  return {
    source: {
      start: (sink) => {
        source.start(sink);
        void checkDaemonSet();
      },
      get waitingFor() {
        return source.waitingFor;
      },
      close: () => source.close(),
    },
    status,
    // A dry run writes nothing, so it must not keep another agent from writing.
    ...(!dryRun && { lease }),
    ...(!dryRun && { roster }),
    members,
    keys,
    ...(!dryRun && options.updatesStatus && { tell: (object, words) => status.tell(object, words) }),
    isRemoved,
    secrets: new ClusterSecrets(api),
    pods: openHostPods(api, inventory, (problem) => report('host network pods', problem)),
  };
}

/** Running pods with hostNetwork, read one by one. */
export function openHostPods(
  api: Pick<KubeApi, 'get'>,
  inventory: Inventory,
  report: (problem: string | undefined) => void,
): ReviewedHostPods {
  return new ReviewedHostPods(
    async (namespace, name) => {
      try {
        // Read from the server's cache, which is hardly older than the kubelet's report.
        return await api.get(`/api/v1/namespaces/${namespace}/pods/${name}`, { resourceVersion: '0' });
      } catch (error) {
        if (error instanceof KubeError && error.status === 404) return undefined;
        throw error;
      }
    },
    (service, pod) =>
      inventory.slicesOf(service).some(({ endpoints }) => endpoints.some(({ target }) => target === `pod:${pod}`)),
    report,
  );
}

/** A Lease that this agent is a candidate for at times. */
class TemporaryLease implements Leadership {
  readonly #open: () => KubeLease;
  #lease: KubeLease | undefined;

  constructor(open: () => KubeLease) {
    this.#open = open;
  }

  get isHeld(): boolean {
    return this.#lease?.isHeld === true;
  }

  start(): void {
    this.#lease ??= this.#open();
    this.#lease.start();
  }

  async release(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    await lease?.release();
  }
}
