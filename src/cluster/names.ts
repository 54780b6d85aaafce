/** Names under which the daemons appear in a cluster, in one place so that no two are the same. */
export const clusterNames = {
  /** The controller of the Gateway API (GatewayClass, `spec.controllerName`). */
  gatewayController: 'egress-router.io/ingress-agent',
  /** The Lease of the agents that share statuses of one router. */
  agentLease: (routerName: string) => `ingress-agent-${routerName}`,
} as const;
