import type { Address } from '../../base/model/address.ts';
import { fallbackOf, type Protocol, type RedirectSet } from '../../base/model/redirect.ts';
import type { EgressRules } from './rules.ts';

/** The first packet of a connection to the router. */
export interface FirstPacket {
  readonly protocol: Protocol;
  readonly destination: Address;
  readonly port: number;
  /** Incoming interface. */
  readonly incoming: string;
  /** Whether the destination is an address of the pod. */
  readonly local: boolean;
}

/** Where the rules send a connection. */
export type Trace =
  | {
      readonly kind: 'redirected';
      readonly target: Address;
      readonly port: number;
      /** Source address that the target sees. */
      readonly source: Address;
      readonly by: 'redirect' | 'fallback';
      /** The DNS name of the target, and all addresses of this family that share connections. */
      readonly name?: string;
      readonly targets?: readonly Address[];
    }
  /** A redirect to a name that has no address of this family. */
  | { readonly kind: 'unresolved'; readonly name: string }
  /** Delivered to the pod itself; if nothing listens there, the kernel refuses it. */
  | { readonly kind: 'delivered' }
  | { readonly kind: 'refused'; readonly with: 'tcp-reset' | 'port-unreachable' }
  | { readonly kind: 'dropped' };

/** Traces a connection's first packet through the rules of an egress router. Both backends must behave the same. */
export function traceEgress(rules: EgressRules, packet: FirstPacket): Trace {
  const { family } = packet.destination;
  if (packet.incoming === rules.egressLink) return { kind: 'dropped' };
  const source = rules.reserved.find((address) => address.family === family);
  if (packet.incoming !== rules.podLinks[family] || source === undefined) return { kind: 'delivered' };
  if (!packet.local) {
    return { kind: 'refused', with: packet.protocol === 'tcp' ? 'tcp-reset' : 'port-unreachable' };
  }
  const redirect = rules.redirects.redirects.find(
    (one) => one.protocol === packet.protocol && one.port === packet.port && one.target.family === family,
  );
  if (redirect !== undefined) {
    return {
      kind: 'redirected',
      target: redirect.target,
      port: redirect.targetPort ?? redirect.port,
      source,
      by: 'redirect',
    };
  }
  const byName = traceNames(rules.redirects, packet, source);
  if (byName !== undefined) return byName;
  const fallback = fallbackOf(rules.redirects, family);
  if (fallback === undefined) return { kind: 'delivered' };
  return { kind: 'redirected', target: fallback, port: packet.port, source, by: 'fallback' };
}

/** Follows redirects to names, and the fallback if it is one. The first target represents all. */
function traceNames(set: RedirectSet, packet: FirstPacket, source: Address): Trace | undefined {
  const { named = [], fallbackName } = set;
  const { protocol, port, destination } = packet;
  const redirect = named.find((one) => one.protocol === protocol && one.port === port);
  const found = redirect ?? fallbackName;
  if (found === undefined) return undefined;
  const targets = found.targets.filter(({ family }) => family === destination.family);
  const [target] = targets;
  // Ports of an unresolved fallback are like ports without one.
  if (target === undefined) return redirect && { kind: 'unresolved', name: found.name };
  const by = redirect === undefined ? 'fallback' : 'redirect';
  return { kind: 'redirected', target, port: redirect?.targetPort ?? port, source, by, name: found.name, targets };
}
