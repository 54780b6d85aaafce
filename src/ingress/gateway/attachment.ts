import { includesNamespace, type LabelsOfNamespace } from './allowed-namespaces.ts';
import type { DecidedGateways, DecidedHolder } from './decide-gateways.ts';
import { listHostnames } from './hostname.ts';
import type { GatewayListener } from './listener.ts';
import { isL7, placeOf } from './listener-decision.ts';
import type { Refusal } from './refusal.ts';
import type { GatewayRoute, ParentRef } from './route.ts';

/** A listener that accepts a route. */
export interface Attachment {
  readonly holder: DecidedHolder;
  readonly listener: GatewayListener;
  /** Names that the route serves there; `undefined` in the list means every name. Empty for ports. */
  readonly hostnames: readonly (string | undefined)[];
}

/** Result of one parent of a route. */
export interface ParentDecision {
  readonly parent: ParentRef;
  /** Where the route is served. With a {@link refusal}, its requests get errors there. */
  readonly attachments: readonly Attachment[];
  /** Why it is not accepted. */
  readonly refusal?: Refusal;
}

/**
 * Decides where a route is attached: for each parent that is one of our Gateways or of their ListenerSets, the listeners
 * that it selects and that accept it.
 */
export function attachRoute(
  route: GatewayRoute,
  { gateways, sets }: DecidedGateways,
  labelsOf: LabelsOfNamespace,
): readonly ParentDecision[] {
  return route.parents.flatMap((parent): ParentDecision[] => {
    const key = `${parent.namespace}/${parent.name}`;
    const decided = parent.kind === 'Gateway' ? gateways.get(key) : sets.get(key);
    return decided === undefined ? [] : [attach(route, parent, decided, labelsOf)];
  });
}

function attach(
  route: GatewayRoute,
  parent: ParentRef,
  holder: DecidedHolder,
  labelsOf: LabelsOfNamespace,
): ParentDecision {
  const refuse = (reason: string, message: string): ParentDecision => ({
    parent,
    attachments: [],
    refusal: { reason, message },
  });
  const { kind, meta, listeners } = holder;
  const meant = listeners.filter(({ reading }) => isMeant(parent, placeOf(reading)));
  if (meant.length === 0) {
    return refuse('NoMatchingParent', `the ${kind} has no such listener; check sectionName and port`);
  }
  const fitting = meant.flatMap(({ listener, kinds }) =>
    listener !== undefined && kinds.includes(route.kind) ? [listener] : [],
  );
  if (fitting.length === 0) {
    const message = `the listener does not accept ${route.kind}s; check its protocol and allowedRoutes.kinds`;
    return refuse('NotAllowedByListeners', message);
  }
  const allowing = fitting.filter((listener) =>
    includesNamespace(listener.allowed, route.meta.namespace, meta.namespace, labelsOf),
  );
  if (allowing.length === 0) {
    const message = 'the listener does not accept routes from this namespace; check allowedRoutes';
    return refuse('NotAllowedByListeners', message);
  }
  const attachments = allowing.flatMap((listener): Attachment[] => {
    if (!isL7(listener)) return [{ holder, listener, hostnames: [] }];
    const hostnames = listHostnames(listener.hostname, route.hostnames ?? []);
    return hostnames.length === 0 ? [] : [{ holder, listener, hostnames }];
  });
  if (attachments.length === 0) {
    const message = 'no hostname of the route matches the hostname of the listener';
    return refuse('NoMatchingListenerHostname', message);
  }
  // A refused route answers with errors, because its requests must not reach a rule with fewer conditions.
  return { parent, attachments, ...(route.refusal !== undefined && { refusal: route.refusal }) };
}

/** Returns whether a parent selects a listener of its Gateway. */
function isMeant({ section, port }: ParentRef, listener: { readonly name: string; readonly port?: number }): boolean {
  return (section ?? listener.name) === listener.name && (port ?? listener.port) === listener.port;
}
