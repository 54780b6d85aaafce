import type { ClientVerification } from '../intent/listener.ts';
import type { ReferenceChecks } from '../intent/references.ts';
import { decideValidation } from './client-validation.ts';
import type { Gateway } from './gateway.ts';
import { covers } from './hostname.ts';
import { type GatewayListener, type L7Listener, type ListenerReading, protocolCure } from './listener.ts';
import type { ListenerHolder } from './listener-holder.ts';
import { gatewayGroup } from './parts.ts';
import { isReferenceGranted, type ReferenceGrant } from './reference-grant.ts';
import type { Refusal } from './refusal.ts';
import type { GatewayRouteKind } from './route.ts';

/** The decision about a listener, as far as it depends on its Gateway and ListenerSets alone. */
export interface ListenerDecision {
  readonly name: string;
  readonly reading: ListenerReading;
  /** The listener, if it is valid and its protocol is supported. */
  readonly listener?: GatewayListener;
  /** Kinds of routes that can be attached, sorted. */
  readonly kinds: readonly GatewayRouteKind[];
  /** Why it is not accepted. */
  readonly refusal?: Refusal;
  /** Another listener of the Gateway excludes it. */
  readonly conflict?: Refusal<'ProtocolConflict' | 'HostnameConflict'>;
  /** An object that it refers to cannot be used. */
  readonly unresolved?: Refusal<
    | 'InvalidRouteKinds'
    | 'InvalidCertificateRef'
    | 'RefNotPermitted'
    | 'InvalidCACertificateRef'
    | 'InvalidCACertificateKind'
  >;
  /** Verification of client certificates. Absent: none. */
  readonly clients?: ClientVerification;
  /** A ConfigMap has not been read yet, so the listener is not served. */
  readonly isWaiting?: true;
  /** Whether certificates are missing, so that it cannot be served. */
  readonly lacksCertificate: boolean;
  /** Another HTTPS listener on the same port covers some of the same names. */
  readonly overlaps: boolean;
}

/** Context of the decisions. */
export interface ListenerContext {
  readonly grants: readonly ReferenceGrant[];
  /** Checks ConfigMaps. Absent: their content does not matter. */
  readonly references?: ReferenceChecks;
  /** Whether listeners of protocols HTTP, HTTPS and TLS are served. */
  readonly servesSites: boolean;
}

/** Kinds of routes that fit each protocol. */
const kindsOfProtocol: Readonly<Record<GatewayListener['protocol'], readonly GatewayRouteKind[]>> = {
  http: ['GRPCRoute', 'HTTPRoute'],
  https: ['GRPCRoute', 'HTTPRoute'],
  tls: ['TLSRoute'],
  tcp: ['TCPRoute'],
  udp: ['UDPRoute'],
};

/** A Gateway or ListenerSet with its listeners. */
interface ReadHolder extends ListenerHolder {
  readonly listeners: readonly ListenerReading[];
}

/**
 * Decides about the listeners of a Gateway or ListenerSet, in the order of its spec, without regard to those of other
 * objects.
 */
export function decideListeners(
  holder: ReadHolder,
  gateway: Gateway,
  context: ListenerContext,
): readonly ListenerDecision[] {
  const usable = holder.listeners.flatMap((reading) => listenerOf(reading, context) ?? []);
  return holder.listeners.map((reading) => {
    const listener = listenerOf(reading, context);
    if (listener === undefined) {
      return {
        name: nameOf(reading),
        reading,
        kinds: [],
        refusal: describeUnusable(reading, context),
        lacksCertificate: false,
        overlaps: false,
      };
    }
    return decideListener(holder, gateway, reading, listener, usable, context);
  });
}

function decideListener(
  holder: ReadHolder,
  gateway: Gateway,
  reading: ListenerReading,
  listener: GatewayListener,
  others: readonly GatewayListener[],
  { grants, references }: ListenerContext,
): ListenerDecision {
  // Listeners of a ListenerSet are decided in order: the first one wins.
  const conflict = holder.kind === 'Gateway' ? findConflict(listener, others) : undefined;
  const fitting = kindsOfProtocol[listener.protocol];
  const { kinds: named } = listener;
  const kinds =
    named === undefined
      ? fitting
      : fitting.filter((kind) => named.some((one) => one.group === gatewayGroup && one.kind === kind));
  const isForeign = (named ?? []).some(
    (one) => one.group !== gatewayGroup || !(fitting as readonly string[]).includes(one.kind),
  );
  const certificate = findCertificateFault(holder, listener, grants);
  const validation =
    listener.protocol === 'https' ? decideValidation(gateway, listener.port, grants, references) : undefined;
  const unresolved = isForeign
    ? ({
        reason: 'InvalidRouteKinds',
        message: `allowedRoutes.kinds: must be ${fitting.join(' or ')} only`,
      } as const)
    : (certificate ?? validation?.unresolved);
  const refusal = conflict ?? validation?.refusal;
  return {
    name: listener.name,
    reading,
    listener,
    kinds,
    ...(refusal !== undefined && { refusal }),
    ...(conflict !== undefined && { conflict }),
    ...(unresolved !== undefined && { unresolved }),
    lacksCertificate: certificate !== undefined,
    ...(validation?.clients !== undefined && { clients: validation.clients }),
    ...(validation?.isWaiting && { isWaiting: true as const }),
    overlaps: false,
  };
}

/** Returns the listener if it is valid and served. */
function listenerOf(reading: ListenerReading, { servesSites }: ListenerContext): GatewayListener | undefined {
  if (reading.kind === 'l4') return reading.listener;
  return reading.kind === 'l7' && servesSites ? reading.listener : undefined;
}

function nameOf(reading: ListenerReading): string {
  return 'listener' in reading ? reading.listener.name : reading.name;
}

/** Returns name and port of a listener, as far as they are known. */
export function placeOf(reading: ListenerReading): { readonly name: string; readonly port?: number } {
  if ('listener' in reading) return reading.listener;
  return { name: reading.name, ...(reading.port !== undefined && { port: reading.port }) };
}

function describeUnusable(reading: ListenerReading, { servesSites }: ListenerContext): Refusal {
  if (reading.kind === 'other') {
    const message = `protocol ${reading.protocol.slice(0, 80)} is not supported: ${protocolCure}`;
    return { reason: 'UnsupportedProtocol', message };
  }
  const { protocol } = reading.kind === 'unreadable' ? reading : reading.listener;
  const needsSites = protocol !== undefined && protocol !== 'tcp' && protocol !== 'udp';
  if (reading.kind === 'unreadable' && (servesSites || !needsSites)) {
    return { reason: reading.reason, message: reading.problem };
  }
  const message = `protocol ${protocol?.toUpperCase()} is not supported: this agent serves only TCP and UDP; set --http-port, --https-port and --listener-ports`;
  return { reason: 'UnsupportedProtocol', message };
}

/** Protocols that can share a port: their listeners differ in hostname. */
const families = { http: 'http', https: 'tls', tls: 'tls', tcp: 'tcp', udp: 'udp' } as const;

/**
 * Returns why two listeners on one address exclude each other: by protocol, or by hostname. Undefined: they do not.
 */
export function findClash(
  one: GatewayListener,
  other: GatewayListener,
): 'ProtocolConflict' | 'HostnameConflict' | undefined {
  if (one.port !== other.port) return undefined;
  // UDP and TCP ports are separate.
  if ((one.protocol === 'udp') !== (other.protocol === 'udp')) return undefined;
  if (families[one.protocol] !== families[other.protocol]) return 'ProtocolConflict';
  if (!isL7(one) || !isL7(other)) return 'ProtocolConflict';
  return one.hostname === other.hostname ? 'HostnameConflict' : undefined;
}

/** Returns whether the router terminates the TLS of a listener. */
export function endsTls(listener: GatewayListener): listener is L7Listener {
  return isL7(listener) && listener.tls?.isPassthrough === false;
}

export function isL7(listener: GatewayListener): listener is L7Listener {
  return listener.protocol !== 'tcp' && listener.protocol !== 'udp';
}

/** Returns the decision about a listener of a ListenerSet after those about earlier ones of the same Gateway. */
export function yieldToEarlier(decision: ListenerDecision, earlier: readonly ListenerDecision[]): ListenerDecision {
  const { listener } = decision;
  if (listener === undefined) return decision;
  const clashes = earlier.flatMap((one) =>
    one.listener === undefined ? [] : (findClash(listener, one.listener) ?? []),
  );
  const reason = clashes.find((one) => one === 'ProtocolConflict') ?? clashes[0];
  if (reason === undefined) return decision;
  const what = reason === 'ProtocolConflict' ? 'port with a protocol that cannot share it' : 'port and hostname';
  const conflict = { reason, message: `an earlier listener of the Gateway or its ListenerSets has this ${what}` };
  return { ...decision, refusal: conflict, conflict };
}

/** Within one Gateway, none of the conflicting listeners is served (Gateway API, "Distinct Listeners"). */
function findConflict(
  listener: GatewayListener,
  others: readonly GatewayListener[],
): ListenerDecision['conflict'] | undefined {
  const clashes = others.flatMap((other) => (other === listener ? [] : (findClash(listener, other) ?? [])));
  if (clashes.includes('ProtocolConflict')) {
    const message = 'another listener of the Gateway has the same port and a protocol that cannot share it';
    return { reason: 'ProtocolConflict', message };
  }
  if (clashes.length === 0) return undefined;
  return { reason: 'HostnameConflict', message: 'another listener of the Gateway has the same port and hostname' };
}

/** Returns whether two HTTPS listeners that share a port have names in common. */
export function isOverlapping({ listener: one }: ListenerDecision, { listener: other }: ListenerDecision): boolean {
  if (one === undefined || other === undefined) return false;
  if (one.protocol !== 'https' || other.protocol !== 'https' || one.port !== other.port) return false;
  return covers(one.hostname, other.hostname) || covers(other.hostname, one.hostname);
}

function findCertificateFault(
  { kind, meta }: ListenerHolder,
  listener: GatewayListener,
  grants: readonly ReferenceGrant[],
): ListenerDecision['unresolved'] | undefined {
  if (!endsTls(listener)) return undefined;
  const { certificates = [] } = listener.tls ?? {};
  if (certificates.length === 0) {
    return { reason: 'InvalidCertificateRef', message: 'tls.certificateRefs: must name a Secret' };
  }
  const from = { kind, namespace: meta.namespace };
  for (const { path, name, namespace, refusal } of certificates) {
    if (refusal !== undefined || namespace === undefined) {
      return { reason: 'InvalidCertificateRef', message: refusal ?? path };
    }
    if (isReferenceGranted(grants, from, { kind: 'Secret', namespace, name })) continue;
    const message = `${path}: no ReferenceGrant of namespace ${namespace} allows Secret ${name}`;
    return { reason: 'RefNotPermitted', message };
  }
  return undefined;
}
