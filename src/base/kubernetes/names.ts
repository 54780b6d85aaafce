/**
 * Names of the programs of this project in a cluster, as they appear in statuses, Events, `metadata.managedFields`
 * and Leases. One list keeps them distinct.
 */

export const clusterNames = {
  /**
   * Field manager, Event source and Lease of the controller of EgressRouters, and value of
   * `app.kubernetes.io/managed-by`.
   */
  controller: 'egress-router-controller',
  /** Field manager and Event source of the node daemon. It has no Lease, because each daemon owns its node. */
  node: 'egress-router-node',
  /** Event source of the ingress agent. */
  agent: 'ingress-agent',
  /** `spec.controllerName` of the agent's GatewayClasses, also used in the statuses of routes. */
  gatewayController: 'egress-router.io/ingress-agent',
  /** Lease of the agents of one router name. Its holder writes statuses. */
  agentLease: (routerName: string): string => `ingress-agent-${routerName}`,
  /** Lease whose annotations list the nodes whose agents serve, with their addresses. */
  agentRoster: (routerName: string): string => `ingress-agent-${routerName}-nodes`,
  /** Lease whose annotations list the nodes that hold virtual addresses. */
  addressMembers: (routerName: string): string => `ingress-agent-${routerName}-members`,
  /** Secret with the keys of the heartbeats between these nodes. */
  addressKeys: (routerName: string): string => `ingress-agent-${routerName}-keys`,
  /** Namespace of the routers of IngressControllers, as on OpenShift. Only administrators write there. */
  routerNamespace: 'openshift-ingress',
  /** Annotation of a Service or an IngressController: the only pool that may assign its virtual addresses. */
  addressPool: 'egress-router.io/address-pool',
  /** Condition of a Service of type LoadBalancer: whether ingress nodes hold its virtual addresses. */
  addressCondition: 'egress-router.io/AddressHeld',
} as const;
