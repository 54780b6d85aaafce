import type { FieldRequirement } from './field-selector.ts';
import type { LabelSelector } from './label-selector.ts';
import { nodeServicePorts } from './node-ports.ts';
import type { PortRange } from './port-ranges.ts';

/** Limits of one namespace. Absent: none. */
export interface NamespaceQuota {
  /** Maximum number of open ports. */
  readonly ports?: number;
  /** Maximum number of endpoints of its ports. Ports with the same backends count once. */
  readonly endpoints?: number;
}

/** Expected format of a quota, for messages. */
export const namespaceQuotaCure = 'must be like "ports=500,endpoints=10000", or one of the two';

/** Parses a quota. Returns undefined for anything else. */
export function parseNamespaceQuota(text: string): NamespaceQuota | undefined {
  const quota: { ports?: number; endpoints?: number } = {};
  for (const part of text.split(',').map((word) => word.trim())) {
    const [, name, digits] = /^(ports|endpoints)=(\d{1,9})$/.exec(part) ?? [];
    if ((name !== 'ports' && name !== 'endpoints') || quota[name] !== undefined) return undefined;
    quota[name] = Number(digits);
  }
  return quota;
}

/** The administrator's rules for Routes and Gateways. */
export interface AdmissionPolicy {
  /** Selects Routes that name this router. Absent: all Routes. */
  readonly routerName?: string;
  /** The only class of Gateways that is served. Absent: every class of this controller. */
  readonly gatewayClass?: string;
  /** The only class of Ingresses that is served. Absent: every class of this controller. */
  readonly ingressClass?: string;
  readonly routeLabels: LabelSelector;
  /** Labels that a Route's namespace must have. */
  readonly namespaceLabels: LabelSelector;
  /** Conditions on fields of a Route. */
  readonly routeFields?: readonly FieldRequirement[];
  /** Domains that hosts must be in. Empty: any. */
  readonly allowedDomains: readonly string[];
  /** Domains that no host may be in. Takes precedence over `allowedDomains`. */
  readonly deniedDomains: readonly string[];
  readonly allowedPorts: readonly PortRange[];
  /** Ports that no object may open, even if another rule allows them. */
  readonly reservedPorts: readonly PortRange[];
  /** Ports of the node's own programs, which no object may open either. */
  readonly nodeServicePorts: readonly PortRange[];
  /** The NodePort range of Kubernetes, which no object may open either. */
  readonly nodePorts: readonly PortRange[];
  /** Additional ports that are reserved for one namespace. */
  readonly namespacePorts: ReadonlyMap<string, readonly PortRange[]>;
  readonly namespaceQuota?: NamespaceQuota;
}

/** A policy that selects every Route and allows the ports that are free on a typical node. */
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
