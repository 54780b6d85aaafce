import { clusterNames } from '../../base/kubernetes/names.ts';
import type { Labels } from '../../base/read/object-meta.ts';
import { matchesLabels } from '../claims/label-selector.ts';
import { byAgeAndName } from '../claims/order.ts';
import type { RouteBackend } from '../route/backend.ts';
import type { PortRequest } from '../route/port-demand.ts';
import { judgeAddresses } from './addresses.ts';
import type { Gateway, GatewayListener } from './gateway.ts';
import type { GatewayClass } from './gateway-class.ts';
import type { L4Route, ParentRef } from './l4-route.ts';
import type { ReferenceGrant } from './reference-grant.ts';

/** What the ports of Gateways are made of. */
export interface GatewayObjects {
  readonly classes: readonly GatewayClass[];
  readonly gateways: readonly Gateway[];
  readonly l4Routes: readonly L4Route[];
  readonly grants: readonly ReferenceGrant[];
  /** Labels of a namespace; undefined when it does not exist. */
  readonly labelsOfNamespace: (namespace: string) => Labels | undefined;
  /** Addresses of the ingress nodes. */
  readonly addresses: readonly string[];
}

/** What Gateways were made of when a data plane decided about them. */
export interface GatewaySnapshot extends GatewayObjects {
  /** The only class that is served; absent: all of ours. */
  readonly className: string | undefined;
}

/**
 * Tells whether Gateways of a class are served: those whose controller this is, and of them only
 * `narrowedTo` where that is given. A class that is given and that nobody has defined counts too: with
 * manifests alone a Gateway needs no GatewayClass.
 */
export function chooseClasses(
  classes: readonly GatewayClass[],
  narrowedTo: string | undefined,
): (className: string) => boolean {
  const served = new Set(classes.filter((one) => isOurs(one) && !one.hasParameters).map(({ meta }) => meta.name));
  if (narrowedTo === undefined) return (name) => served.has(name);
  const isDefined = classes.some(({ meta }) => meta.name === narrowedTo);
  return (name) => name === narrowedTo && (served.has(name) || !isDefined);
}

/** Whether a class names this controller. */
export function isOurs({ controllerName }: GatewayClass): boolean {
  return controllerName === clusterNames.gatewayController;
}

/** The listeners of a Gateway that can be served, in the order of its spec. */
function listL4Listeners({ listeners }: Gateway): readonly GatewayListener[] {
  return listeners.flatMap((reading) => (reading.kind === 'l4' ? [reading.listener] : []));
}

/** Whether another listener of the Gateway has the same protocol and port: then none of them may be served. */
export function isConflicted(gateway: Gateway, listener: GatewayListener): boolean {
  return listL4Listeners(gateway).some(
    (other) => other !== listener && other.port === listener.port && other.protocol === listener.protocol,
  );
}

/**
 * What the listeners of all Gateways of served classes ask for, so that one decision is made about every
 * port. A listener belongs to its Gateway, as old as that; connections go to the backends of the oldest
 * route attached to it (then by namespace and name), and nowhere when there is none. The same listener,
 * attached route and permissions give the same request.
 */
export class ListenerRequests {
  readonly #made = new WeakMap<
    GatewayListener,
    { readonly attached: L4Route | undefined; readonly forbidden: string; readonly request: PortRequest }
  >();

  list(objects: GatewaySnapshot): readonly PortRequest[] {
    const isServed = chooseClasses(objects.classes, objects.className);
    const attachable = [...objects.l4Routes].sort(byAgeAndName);
    const requests: PortRequest[] = [];
    for (const gateway of objects.gateways) {
      if (!isServed(gateway.className) || gateway.hasParameters) continue;
      if (judgeAddresses(gateway.addresses, objects.addresses).refusal !== undefined) continue;
      for (const listener of listL4Listeners(gateway)) {
        if (isConflicted(gateway, listener)) continue;
        const attached = attachable.find((route) => isAttached(route, gateway, listener, objects.labelsOfNamespace));
        requests.push(this.#make(gateway, listener, attached, objects.grants));
      }
    }
    return requests;
  }

  #make(
    { meta }: Gateway,
    listener: GatewayListener,
    attached: L4Route | undefined,
    grants: readonly ReferenceGrant[],
  ): PortRequest {
    const backends = (attached?.backends ?? []).map(({ refusal, ...backend }): RouteBackend => {
      const isUsable = refusal === undefined && (attached === undefined || isGranted(attached, backend, grants));
      return isUsable ? backend : { ...backend, isForbidden: true };
    });
    const forbidden = backends.map(({ isForbidden }) => isForbidden === true).join();
    const known = this.#made.get(listener);
    if (known !== undefined && known.attached === attached && known.forbidden === forbidden) return known.request;
    const { name, protocol, port } = listener;
    const request: PortRequest = {
      meta: { ...meta, uid: listenerId(meta, name) },
      listener: name,
      demand: { ok: true, value: { ports: [{ protocol, port }], limits: {}, ignored: [], backends } },
    };
    this.#made.set(listener, { attached, forbidden, request });
    return request;
  }
}

/** Identifies the request of a listener among those of all objects. */
export function listenerId({ uid }: Gateway['meta'], listener: string): string {
  return `${uid}/${listener}`;
}

/** Whether a route is attached to a listener: it asks for that, and the listener takes it. */
export function isAttached(
  route: L4Route,
  gateway: Gateway,
  listener: GatewayListener,
  labelsOfNamespace: GatewayObjects['labelsOfNamespace'],
): boolean {
  return (
    takesKind(listener, route.protocol) &&
    route.parents.some((parent) => isMeant(parent, gateway, listener)) &&
    isAllowed(route, gateway.meta.namespace, listener, labelsOfNamespace)
  );
}

/** The kind of routes of a protocol. */
export function kindOfRoute(protocol: 'tcp' | 'udp'): string {
  return protocol === 'tcp' ? 'TCPRoute' : 'UDPRoute';
}

/** Whether a listener takes routes of a protocol: its own, unless `allowedRoutes.kinds` leaves that out. */
export function takesKind({ protocol, kinds }: GatewayListener, wanted: 'tcp' | 'udp'): boolean {
  if (protocol !== wanted) return false;
  return kinds === undefined || kinds.some((one) => isKindOf(one, protocol));
}

/** Whether a kind that a listener names is the one that fits its protocol. */
export function isKindOf(one: { readonly group: string; readonly kind: string }, protocol: 'tcp' | 'udp'): boolean {
  return one.group === 'gateway.networking.k8s.io' && one.kind === kindOfRoute(protocol);
}

/** Whether a route asks to be attached to a listener. */
export function isMeant(
  { namespace, name, section, port }: ParentRef,
  { meta }: Gateway,
  listener: { readonly name: string; readonly port?: number },
): boolean {
  return (
    namespace === meta.namespace &&
    name === meta.name &&
    (section ?? listener.name) === listener.name &&
    (port ?? listener.port) === listener.port
  );
}

/** Whether a listener takes routes of the namespace that a route is in; `home` is the Gateway's. */
export function isAllowed(
  { meta }: L4Route,
  home: string,
  { allowed }: GatewayListener,
  labelsOfNamespace: GatewayObjects['labelsOfNamespace'],
): boolean {
  switch (allowed.from) {
    case 'All':
      return true;
    case 'None':
      return false;
    case 'Same':
      return meta.namespace === home;
    case 'Selector': {
      const labels = labelsOfNamespace(meta.namespace);
      return labels !== undefined && matchesLabels(allowed.selector, labels);
    }
  }
}

/** Whether a route may use a Service: of its own namespace, or granted by a ReferenceGrant. */
export function isGranted(
  { meta, protocol }: L4Route,
  { namespace, service }: RouteBackend,
  grants: readonly ReferenceGrant[],
): boolean {
  if (namespace === undefined || namespace === meta.namespace) return true;
  const kind = kindOfRoute(protocol);
  return grants.some(
    ({ meta: grant, from, services }) =>
      grant.namespace === namespace &&
      from.some((one) => one.kind === kind && one.namespace === meta.namespace) &&
      (services === 'all' || services.includes(service)),
  );
}
