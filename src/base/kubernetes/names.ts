/**
 * Names under which programs of this project are known in a cluster: what others read in statuses, Events,
 * `metadata.managedFields` and Leases. One list, so that no two programs have the same.
 */

export const clusterNames = {
  /** Field manager, Event source and Lease of the controller of EgressRouters; value of `app.kubernetes.io/managed-by`. */
  controller: 'egress-router-controller',
  /** Field manager and Event source of the daemon of every node. It has no Lease: each has its own node. */
  node: 'egress-router-node',
  /** Event source of the ingress agent. */
  agent: 'ingress-agent',
  /** `spec.controllerName` of GatewayClasses that are the agent's, and in the statuses of routes. */
  gatewayController: 'egress-router.io/ingress-agent',
  /** Lease by which one of the agents of a router name writes statuses. */
  agentLease: (routerName: string): string => `ingress-agent-${routerName}`,
  /** Lease whose annotations list the nodes whose agents serve, with their addresses. */
  agentRoster: (routerName: string): string => `ingress-agent-${routerName}-nodes`,
} as const;
