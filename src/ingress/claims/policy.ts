import type { LabelSelector } from './label-selector.ts';
import { nodeServicePorts } from './node-ports.ts';
import type { PortRange } from './port-ranges.ts';

/** What the administrator lets Routes have. */
export interface AdmissionPolicy {
  /** Only Routes that name this router; absent: whatever they name. */
  readonly routerName?: string;
  /** The only class of Gateways that is served; absent: every class whose controller this is. */
  readonly gatewayClass?: string;
  readonly routeLabels: LabelSelector;
  /** Labels that a Route's namespace must have. */
  readonly namespaceLabels: LabelSelector;
  /** Domains that hosts must be in; empty: any. */
  readonly allowedDomains: readonly string[];
  /** Domains that no host may be in; comes before `allowedDomains`. */
  readonly deniedDomains: readonly string[];
  readonly allowedPorts: readonly PortRange[];
  /** Ports that nobody gets, whatever else allows them. */
  readonly reservedPorts: readonly PortRange[];
  /** Ports of programs that nodes run themselves; nobody gets them either. */
  readonly nodeServicePorts: readonly PortRange[];
  /** Ports that Kubernetes hands out itself; nobody gets them either. */
  readonly nodePorts: readonly PortRange[];
  /** Ports that belong to one namespace alone, beside the allowed ones. */
  readonly namespacePorts: ReadonlyMap<string, readonly PortRange[]>;
}

/** A policy that takes every Route, with the ports that are free on an ordinary node. */
export const defaultPolicy: AdmissionPolicy = {
  routeLabels: [],
  namespaceLabels: [],
  allowedDomains: [],
  deniedDomains: [],
  allowedPorts: [{ from: 1024, to: 29999 }],
  reservedPorts: [],
  nodeServicePorts,
  nodePorts: [{ from: 30000, to: 32767 }],
  namespacePorts: new Map(),
};
