import { keyOf } from '../../base/read/object-meta.ts';
import { byAgeAndName } from '../claims/order.ts';
import type { ReferenceChecks } from '../intent/references.ts';
import { includesNamespace, type LabelsOfNamespace } from './allowed-namespaces.ts';
import type { Gateway } from './gateway.ts';
import { type AddressSources, addressesOf, type GatewayAddressVerdict } from './gateway-addresses.ts';
import type { GatewayClass } from './gateway-class.ts';
import { chooseClasses } from './gateway-classes.ts';
import type { GatewayListener } from './listener.ts';
import { ListenerClaims } from './listener-claims.ts';
import { decideListeners, type ListenerDecision, yieldToEarlier } from './listener-decision.ts';
import type { ListenerHolder } from './listener-holder.ts';
import { findOverlapping, ListenerIndex } from './listener-index.ts';
import type { ListenerSet } from './listener-set.ts';
import type { ReferenceGrant } from './reference-grant.ts';
import type { Refusal } from './refusal.ts';

/** Input of the decisions about Gateways and their listeners. */
export interface GatewaySettings extends AddressSources {
  readonly classes: readonly GatewayClass[];
  readonly gateways: readonly Gateway[];
  readonly listenerSets: readonly ListenerSet[];
  readonly grants: readonly ReferenceGrant[];
  /** Checks ConfigMaps. Absent: their content does not matter. */
  readonly references?: ReferenceChecks;
  readonly labelsOfNamespace: LabelsOfNamespace;
  /** The only class that is served. Absent: all classes of this controller. */
  readonly className: string | undefined;
  /** Whether listeners of protocols HTTP, HTTPS and TLS are served. */
  readonly servesSites: boolean;
}

/** A Gateway or ListenerSet with the decisions about its listeners. */
export interface DecidedHolder extends ListenerHolder {
  /** The Gateway itself, or that of the ListenerSet. */
  readonly gateway: Gateway;
  readonly addresses: GatewayAddressVerdict;
  /** Whether its listeners are served. */
  readonly isServed: boolean;
  /** In the order of the spec. */
  readonly listeners: readonly ListenerDecision[];
}

/** A Gateway of our classes with the decisions about its listeners. */
export interface DecidedGateway extends DecidedHolder {
  readonly kind: 'Gateway';
}

/** A ListenerSet of one of these Gateways. */
export interface DecidedSet extends DecidedHolder {
  readonly kind: 'ListenerSet';
  readonly set: ListenerSet;
  /** Why none of its listeners is attached. */
  readonly refusal?: Refusal<'NotAllowed' | 'ParentNotAccepted'>;
}

/** All decisions, by `NAMESPACE/NAME`. */
export interface DecidedGateways {
  readonly gateways: ReadonlyMap<string, DecidedGateway>;
  readonly sets: ReadonlyMap<string, DecidedSet>;
}

/** Returns all Gateways and ListenerSets, oldest first. */
export function listHolders({ gateways, sets }: DecidedGateways): readonly DecidedHolder[] {
  return [...gateways.values(), ...sets.values()].sort(byAgeAndName);
}

/** Decides about the Gateways of our classes and their ListenerSets. */
export function decideGateways(settings: GatewaySettings): DecidedGateways {
  const isOfOurs = chooseClasses(settings.classes, settings.className);
  const gateways = new Map<string, DecidedGateway>();
  for (const gateway of settings.gateways) {
    if (isOfOurs(gateway.className)) gateways.set(keyOf(gateway.meta), decideGateway(gateway, settings));
  }
  const sets = decideSets(gateways, settings);
  const claims = new ListenerClaims();
  const claimed = new Map<DecidedHolder, readonly ListenerDecision[]>();
  // The oldest object gets a port that several Gateways request.
  for (const holder of listHolders({ gateways, sets })) {
    const { listeners, addresses } = holder;
    claimed.set(holder, holder.isServed ? claims.decide(listeners, addresses.addresses) : listeners);
  }
  const markOverlaps = findOverlaps(claimed);
  const finish = <Holder extends DecidedHolder>(holder: Holder): Holder => ({
    ...holder,
    listeners: markOverlaps(holder),
  });
  return {
    gateways: new Map(Array.from(gateways, ([key, one]) => [key, finish(one)])),
    sets: new Map(Array.from(sets, ([key, one]) => [key, finish(one)])),
  };
}

function decideGateway(gateway: Gateway, settings: GatewaySettings): DecidedGateway {
  const { meta, listeners } = gateway;
  const addresses = addressesOf(gateway, settings);
  return {
    kind: 'Gateway',
    meta,
    gateway,
    addresses,
    isServed: !gateway.hasParameters && addresses.refusal === undefined,
    listeners: decideListeners({ kind: 'Gateway', meta, listeners }, gateway, settings),
  };
}

/** Decides about ListenerSets: earlier listeners of the same Gateway exclude later ones that conflict with them. */
function decideSets(
  gateways: ReadonlyMap<string, DecidedGateway>,
  settings: GatewaySettings,
): ReadonlyMap<string, DecidedSet> {
  const decided = new Map<string, DecidedSet>();
  const earlier = new Map<DecidedGateway, ListenerIndex>();
  for (const set of [...settings.listenerSets].sort(byAgeAndName)) {
    const parent = set.parent === undefined ? undefined : gateways.get(set.parent);
    if (parent === undefined) continue;
    const { meta } = set;
    const { gateway, addresses } = parent;
    const holder = { kind: 'ListenerSet' as const, meta, gateway, addresses, set };
    const refusal = findSetRefusal(set, parent, settings.labelsOfNamespace);
    if (refusal !== undefined) {
      decided.set(keyOf(meta), { ...holder, isServed: false, listeners: [], refusal });
      continue;
    }
    const known = earlier.get(parent) ?? new ListenerIndex(parent.listeners.flatMap(({ listener }) => listener ?? []));
    earlier.set(parent, known);
    const own = { kind: 'ListenerSet' as const, meta, listeners: set.listeners };
    const listeners = decideListeners(own, gateway, settings).map((one) => {
      const next = yieldToEarlier(one, known);
      if (next.conflict === undefined && next.listener !== undefined) known.add(next.listener);
      return next;
    });
    decided.set(keyOf(meta), { ...holder, isServed: parent.isServed, listeners });
  }
  return decided;
}

function findSetRefusal(
  { meta }: ListenerSet,
  { gateway, isServed }: DecidedGateway,
  labelsOf: LabelsOfNamespace,
): DecidedSet['refusal'] {
  if (!includesNamespace(gateway.allowedSets, meta.namespace, gateway.meta.namespace, labelsOf)) {
    const message =
      'the Gateway does not accept ListenerSets from this namespace; ask its owner to set spec.allowedListeners';
    return { reason: 'NotAllowed', message };
  }
  return isServed
    ? undefined
    : { reason: 'ParentNotAccepted', message: 'the Gateway is not served; see its conditions' };
}

/** Returns a function that marks the listeners of a holder that overlap with others of the same Gateway. */
function findOverlaps(
  claimed: ReadonlyMap<DecidedHolder, readonly ListenerDecision[]>,
): (holder: DecidedHolder) => readonly ListenerDecision[] {
  const byGateway = new Map<Gateway, GatewayListener[]>();
  for (const [{ gateway }, listeners] of claimed) {
    const known = byGateway.get(gateway) ?? [];
    byGateway.set(gateway, known);
    for (const { listener } of listeners) if (listener !== undefined) known.push(listener);
  }
  const overlapping = new Set([...byGateway.values()].flatMap((listeners) => [...findOverlapping(listeners)]));
  return (holder) =>
    (claimed.get(holder) ?? []).map((one) => {
      const overlaps = one.listener !== undefined && overlapping.has(one.listener);
      return overlaps === one.overlaps ? one : { ...one, overlaps };
    });
}
