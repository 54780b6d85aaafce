import type { Labels } from '../../base/read/object-meta.ts';
import { matchesLabels } from '../claims/label-selector.ts';
import type { DecidedGateway } from './decide-gateways.ts';
import type { Gateway } from './gateway.ts';
import { listHostnames } from './hostname.ts';
import type { GatewayListener } from './listener.ts';
import { isL7, placeOf, type Refusal } from './listener-decision.ts';
import type { GatewayRoute, ParentRef } from './route.ts';

/** Returns the labels of a namespace, or undefined if it does not exist. */
export type LabelsOfNamespace = (namespace: string) => Labels | undefined;

/** A listener that accepts a route. */
export interface Attachment {
  readonly gateway: Gateway;
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
 * Decides where a route is attached: for each parent that is one of our Gateways, the listeners that it selects
 * and that accept it.
 *
 * @param gateways by `NAMESPACE/NAME`
 */
export function attachRoute(
  route: GatewayRoute,
  gateways: ReadonlyMap<string, DecidedGateway>,
  labelsOf: LabelsOfNamespace,
): readonly ParentDecision[] {
  return route.parents.flatMap((parent): ParentDecision[] => {
    const decided = gateways.get(`${parent.namespace}/${parent.name}`);
    return decided === undefined ? [] : [attach(route, parent, decided, labelsOf)];
  });
}

function attach(
  route: GatewayRoute,
  parent: ParentRef,
  { gateway, listeners }: DecidedGateway,
  labelsOf: LabelsOfNamespace,
): ParentDecision {
  const refuse = (reason: string, message: string): ParentDecision => ({
    parent,
    attachments: [],
    refusal: { reason, message },
  });
  const meant = listeners.filter(({ reading }) => isMeant(parent, placeOf(reading)));
  if (meant.length === 0) {
    return refuse('NoMatchingParent', 'the Gateway has no such listener; check sectionName and port');
  }
  const fitting = meant.flatMap(({ listener, kinds }) =>
    listener !== undefined && kinds.includes(route.kind) ? [listener] : [],
  );
  if (fitting.length === 0) {
    const message = `the listener does not accept ${route.kind}s; check its protocol and allowedRoutes.kinds`;
    return refuse('NotAllowedByListeners', message);
  }
  const allowing = fitting.filter((listener) => isAllowed(route, gateway.meta.namespace, listener, labelsOf));
  if (allowing.length === 0) {
    const message = 'the listener does not accept routes from this namespace; check allowedRoutes';
    return refuse('NotAllowedByListeners', message);
  }
  const attachments = allowing.flatMap((listener): Attachment[] => {
    if (!isL7(listener)) return [{ gateway, listener, hostnames: [] }];
    const hostnames = listHostnames(listener.hostname, route.hostnames ?? []);
    return hostnames.length === 0 ? [] : [{ gateway, listener, hostnames }];
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

/** Returns whether a listener accepts routes from a route's namespace; `home` is the Gateway's. */
function isAllowed(
  { meta }: GatewayRoute,
  home: string,
  { allowed }: GatewayListener,
  labelsOf: LabelsOfNamespace,
): boolean {
  switch (allowed.from) {
    case 'All':
      return true;
    case 'None':
      return false;
    case 'Same':
      return meta.namespace === home;
    case 'Selector': {
      const labels = labelsOf(meta.namespace);
      return labels !== undefined && matchesLabels(allowed.selector, labels);
    }
  }
}
