import { clusterNames } from '../../base/kubernetes/names.ts';
import { isName } from '../../base/read/object-meta.ts';
import { showValue } from '../../base/read/show-value.ts';
import { isAnywhere } from './label-selector.ts';
import { annotations as keys } from './names.ts';
import type { IngressControllerSpec } from './spec.ts';
import { portsOf, type Strategy, usualPorts } from './strategy.ts';

/** How a router gets a virtual address, which the ingress nodes hold as that of its Service (docs/virtual-addresses.md). */
export interface VirtualAddress {
  /** `spec.loadBalancerClass` of the Service. */
  readonly className: string;
  /** The only pool that may assign the address. Absent: every pool that admits the namespace of routers. */
  readonly pool?: string;
}

/** Returns the virtual address that an IngressController requests, or undefined if it requests none. */
export function readVirtualAddress(
  strategy: Pick<Strategy, 'type'>,
  annotations: Readonly<Record<string, string>>,
): VirtualAddress | undefined {
  const { [keys.addressPool]: pool, [keys.loadBalancerClass]: written } = annotations;
  const className = written || clusterNames.gatewayController;
  switch (strategy.type) {
    case 'HostNetwork':
      return pool ? { className, pool } : undefined;
    case 'LoadBalancerService':
      if (pool) return { className, pool };
      return written === clusterNames.gatewayController ? { className } : undefined;
    default:
      return undefined;
  }
}

/** Returns why an IngressController cannot have the virtual address that it requests, one sentence each. */
export function checkVirtualAddress(
  { nodePlacement }: IngressControllerSpec,
  strategy: Strategy,
  annotations: Readonly<Record<string, string>>,
): readonly string[] {
  const { pool } = readVirtualAddress(strategy, annotations) ?? {};
  if (pool === undefined) return [];
  const problems: string[] = [];
  if (!isName(pool)) {
    problems.push(`annotation ${keys.addressPool} ${showValue(pool)}: must be the name of an IngressAddressPool`);
  }
  // A node selector is the choice of its author, as without a pool.
  if (strategy.type === 'HostNetwork' && isAnywhere(nodePlacement?.nodeSelector)) {
    const own = Object.values(portsOf(strategy));
    const taken = Object.values(usualPorts).filter((port) => own.includes(port));
    if (taken.length > 0) {
      problems.push(
        `spec.endpointPublishingStrategy.hostNetwork: port ${taken.join(', ')} belongs to the DaemonSet ingress-agent, which holds the addresses of pools on the same nodes; set other values of httpPort, httpsPort and statsPort, which clients do not see: at the address, the ports are ${usualPorts.http} and ${usualPorts.https}. If that DaemonSet does not use the port, select the nodes in spec.nodePlacement.nodeSelector`,
      );
    }
  }
  return problems;
}
