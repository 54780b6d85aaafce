import { hostname } from 'node:os';
import { openKubeApi } from '../cluster/client.ts';
import { KubeLease } from '../cluster/lease.ts';
import type { AgentLog } from '../daemon/log.ts';
import type { Cluster } from './daemon.ts';
import { KubernetesSource } from './objects/source/kubernetes.ts';
import type { SourceSink } from './objects/source/source.ts';
import type { AgentOptions } from './options.ts';
import { ClusterStatus } from './status/cluster-status.ts';

/** Kubernetes as source and as place of statuses. Throws an Error when no API server is configured. */
export function openCluster(options: AgentOptions, log: AgentLog, report: SourceSink['report']): Cluster {
  const api = openKubeApi(options.kubeconfig);
  const { identity, settings, leaseNamespace, routerNameKey } = options;
  const lease: KubeLease = new KubeLease(
    api,
    {
      namespace: leaseNamespace,
      name: `ingress-agent-${identity.routerName}`,
      // A restarted agent is another holder, since its predecessor may still be writing.
      holder: `${settings.node}_${hostname()}_${process.pid}`,
    },
    () => writer.review(),
    (problem) => report('lease', problem),
  );
  const writer = new ClusterStatus(api, identity, lease, log);
  const hasGateways = settings.policy.gatewayClass !== undefined;
  const source = new KubernetesSource(api, { routerNameKey, hasGateways }, writer);
  return {
    source: {
      start: (sink) => {
        lease.start();
        source.start(sink);
      },
      close: () => {
        source.close();
        lease.close();
      },
    },
    status: writer,
  };
}
