import type { FieldRequirement } from './field-selector.ts';
import type { LabelSelector } from './label-selector.ts';
import { nodeServicePorts } from './node-ports.ts';
import type { PortRange } from './port-ranges.ts';

/** What one namespace may have of a router; absent: as much as it asks for. */
export interface NamespaceQuota {
  /** Open ports. */
  readonly ports?: number;
  /** Endpoints of its ports; those of ports with the same backends count once. */
  readonly endpoints?: number;
}

/** What a quota must look like, for messages. */
export const namespaceQuotaCure = 'must be such as "ports=500,endpoints=10000", or one of the two';

/** Reads a quota. Undefined for anything else. */
export function parseNamespaceQuota(text: string): NamespaceQuota | undefined {
  const quota: { ports?: number; endpoints?: number } = {};
  for (const part of text.split(',').map((word) => word.trim())) {
    const [, name, digits] = /^(ports|endpoints)=(\d{1,9})$/.exec(part) ?? [];
    if ((name !== 'ports' && name !== 'endpoints') || quota[name] !== undefined) return undefined;
    quota[name] = Number(digits);
  }
  return quota;
}

/** What the administrator lets Routes have. */
export interface AdmissionPolicy {
  /** Only Routes that name this router; absent: whatever they name. */
  readonly routerName?: string;
  /** The only class of Gateways that is served; absent: every class whose controller this is. */
  readonly gatewayClass?: string;
  readonly routeLabels: LabelSelector;
  /** Labels that a Route's namespace must have. */
  readonly namespaceLabels: LabelSelector;
  /** Conditions on fields of a Route. */
  readonly routeFields?: readonly FieldRequirement[];
  /** Domains that hosts must be in; empty: any. */
  readonly allowedDomains: readonly string[];
  /** Domains that no host may be in; comes before `allowedDomains`. */
  readonly deniedDomains: readonly string[];
  readonly allowedPorts: readonly PortRange[];
  /** Ports that no object gets, whatever else allows them. */
  readonly reservedPorts: readonly PortRange[];
  /** Ports of the node's own programs, which no object gets either. */
  readonly nodeServicePorts: readonly PortRange[];
  /** Ports that Kubernetes assigns itself, which no object gets either. */
  readonly nodePorts: readonly PortRange[];
  /** Ports that belong to one namespace alone, beside the allowed ones. */
  readonly namespacePorts: ReadonlyMap<string, readonly PortRange[]>;
  readonly namespaceQuota?: NamespaceQuota;
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
