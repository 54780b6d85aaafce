import type { ClientVerification } from '../intent/listener.ts';
import type { ReferenceChecks } from '../intent/references.ts';
import { decideValidation } from './client-validation.ts';
import type { Gateway } from './gateway.ts';
import { type GatewayListener, type L7Listener, type ListenerReading, protocolCure } from './listener.ts';
import type { ListenerHolder } from './listener-holder.ts';
import { type ListenerClash, ListenerIndex } from './listener-index.ts';
import { gatewayGroup } from './parts.ts';
import { findMissingGrant, type ReferenceGrant } from './reference-grant.ts';
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
  readonly conflict?: Refusal<ListenerClash>;
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

/** The Gateway of the listeners, as far as it validates clients. */
type Validated = Pick<Gateway, 'meta' | 'clientValidation'>;

/**
 * Decides about the listeners of a Gateway or ListenerSet, in the order of its spec, without regard to those of other
 * objects.
 */
export function decideListeners(
  holder: ReadHolder,
  gateway: Validated,
  context: ListenerContext,
): readonly ListenerDecision[] {
  const usable = new ListenerIndex(holder.listeners.flatMap((reading) => listenerOf(reading, context) ?? []));
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
  gateway: Validated,
  reading: ListenerReading,
  listener: GatewayListener,
  all: ListenerIndex,
  { grants, references }: ListenerContext,
): ListenerDecision {
  // Listeners of a ListenerSet are decided in order: the first one wins.
  const conflict = holder.kind === 'Gateway' ? findConflict(listener, all) : undefined;
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

/** Returns whether the router terminates the TLS of a listener. */
export function endsTls(listener: GatewayListener): listener is L7Listener {
  return isL7(listener) && listener.tls?.isPassthrough === false;
}

export function isL7(listener: GatewayListener): listener is L7Listener {
  return listener.protocol !== 'tcp' && listener.protocol !== 'udp';
}

/** Returns the decision about a listener of a ListenerSet after those about earlier ones of the same Gateway. */
export function yieldToEarlier(decision: ListenerDecision, earlier: ListenerIndex): ListenerDecision {
  const { listener } = decision;
  const reason = listener && earlier.findClash(listener);
  if (reason === undefined) return decision;
  const what = reason === 'ProtocolConflict' ? 'port with a protocol that cannot share it' : 'port and hostname';
  const conflict = { reason, message: `an earlier listener of the Gateway or its ListenerSets has this ${what}` };
  return { ...decision, refusal: conflict, conflict };
}

/** Within one Gateway, none of the conflicting listeners is served (Gateway API, "Distinct Listeners"). */
function findConflict(listener: GatewayListener, all: ListenerIndex): ListenerDecision['conflict'] | undefined {
  const reason = all.findClash(listener, true);
  if (reason === undefined) return undefined;
  const what = reason === 'ProtocolConflict' ? 'port and a protocol that cannot share it' : 'port and hostname';
  return { reason, message: `another listener of the Gateway has the same ${what}` };
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
    const missing = findMissingGrant(grants, from, { kind: 'Secret', namespace, name }, path);
    if (missing !== undefined) return missing;
  }
  return undefined;
}
