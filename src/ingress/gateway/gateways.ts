import { clusterNames } from '../../base/kubernetes/names.ts';
import type { Address } from '../../base/model/address.ts';
import type { Labels } from '../../base/read/object-meta.ts';
import { matchesLabels } from '../claims/label-selector.ts';
import { byAgeAndName } from '../claims/order.ts';
import type { PortRequest } from '../intent/port-request.ts';
import type { ServiceShare } from '../intent/service-share.ts';
import type { Assignments } from '../pools/assign.ts';
import type { Gateway, GatewayListener } from './gateway.ts';
import { addressesOf } from './gateway-addresses.ts';
import type { GatewayClass } from './gateway-class.ts';
import type { L4Route, ParentRef } from './l4-route.ts';
import type { ReferenceGrant } from './reference-grant.ts';

/** Input of the ports of Gateways. */
export interface GatewayObjects {
  readonly classes: readonly GatewayClass[];
  readonly gateways: readonly Gateway[];
  readonly l4Routes: readonly L4Route[];
  readonly grants: readonly ReferenceGrant[];
  /** Returns the labels of a namespace, or undefined if it does not exist. */
  readonly labelsOfNamespace: (namespace: string) => Labels | undefined;
  /** Addresses of the ingress nodes. */
  readonly addresses: readonly string[];
  /** Addresses of pools. */
  readonly assignments: Assignments;
}

/** The input when a data plane decided about the Gateways. */
export interface GatewaySnapshot extends GatewayObjects {
  /** The only class that is served. Absent: all classes of this controller. */
  readonly className: string | undefined;
}

/**
 * Returns a function that decides whether Gateways of a class are served: classes of this controller, and only
 * `narrowedTo` if it is given. A class that is given but does not exist counts, too: with manifests a Gateway needs
 * no GatewayClass.
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

/** Returns whether a class names this controller. */
export function isOurs({ controllerName }: GatewayClass): boolean {
  return controllerName === clusterNames.gatewayController;
}

/** Returns the supported listeners of a Gateway in the order of its spec. */
function listL4Listeners({ listeners }: Gateway): readonly GatewayListener[] {
  return listeners.flatMap((reading) => (reading.kind === 'l4' ? [reading.listener] : []));
}

/** Returns whether another listener of the Gateway has the same protocol and port. Then none of them is served. */
export function isConflicted(gateway: Gateway, listener: GatewayListener): boolean {
  return listL4Listeners(gateway).some(
    (other) => other !== listener && other.port === listener.port && other.protocol === listener.protocol,
  );
}

/**
 * Returns the requests of the listeners of all served Gateways, so that one decision covers every port. A listener
 * has the age of its Gateway. Its connections go to the backends of the oldest attached route (then by namespace and
 * name), or nowhere if there is none. Equal listeners, routes and grants return the same request object.
 */
export class ListenerRequests {
  readonly #made = new WeakMap<
    GatewayListener,
    {
      readonly attached: L4Route | undefined;
      readonly forbidden: string;
      readonly places: string | undefined;
      readonly request: PortRequest;
    }
  >();

  list(objects: GatewaySnapshot): readonly PortRequest[] {
    const isServed = chooseClasses(objects.classes, objects.className);
    const attachable = [...objects.l4Routes].sort(byAgeAndName);
    const requests: PortRequest[] = [];
    for (const gateway of objects.gateways) {
      if (!isServed(gateway.className) || gateway.hasParameters) continue;
      const { refusal, virtual } = addressesOf(gateway, objects);
      if (refusal !== undefined) continue;
      for (const listener of listL4Listeners(gateway)) {
        if (isConflicted(gateway, listener)) continue;
        const attached = attachable.find((route) => isAttached(route, gateway, listener, objects.labelsOfNamespace));
        requests.push(this.#make(gateway, listener, { attached, virtual, grants: objects.grants }));
      }
    }
    return requests;
  }

  #make({ meta }: Gateway, listener: GatewayListener, { attached, virtual, grants }: ListenerContext): PortRequest {
    const backends = (attached?.backends ?? []).map(({ refusal, ...backend }): ServiceShare => {
      const isUsable = refusal === undefined && (attached === undefined || isGranted(attached, backend, grants));
      return isUsable ? backend : { ...backend, isForbidden: true };
    });
    const forbidden = backends.map(({ isForbidden }) => isForbidden === true).join();
    const places = virtual?.map(({ text }) => text).join();
    const known = this.#made.get(listener);
    const isKnown = known?.attached === attached && known?.forbidden === forbidden && known?.places === places;
    if (known !== undefined && isKnown) return known.request;
    const { name, protocol, port } = listener;
    const ports = virtual?.map((address) => ({ protocol, port, address })) ?? [{ protocol, port }];
    const request: PortRequest = {
      meta: { ...meta, uid: listenerId(meta, name) },
      listener: name,
      demand: { ok: true, value: { ports, limits: {}, ignored: [], backends } },
    };
    this.#made.set(listener, { attached, forbidden, places, request });
    return request;
  }
}

/** What a listener's request depends on besides its Gateway. */
interface ListenerContext {
  readonly attached: L4Route | undefined;
  /** Virtual addresses of the Gateway. */
  readonly virtual: readonly Address[] | undefined;
  readonly grants: readonly ReferenceGrant[];
}

/** Returns the identity of a listener's request. */
export function listenerId({ uid }: Gateway['meta'], listener: string): string {
  return `${uid}/${listener}`;
}

/** Returns whether a route is attached to a listener: the route refers to it, and the listener accepts it. */
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

/** Returns the kind of routes of a protocol. */
export function kindOfRoute(protocol: 'tcp' | 'udp'): string {
  return protocol === 'tcp' ? 'TCPRoute' : 'UDPRoute';
}

/** Returns whether a listener accepts routes of a protocol: its own, unless `allowedRoutes.kinds` excludes it. */
export function takesKind({ protocol, kinds }: GatewayListener, wanted: 'tcp' | 'udp'): boolean {
  if (protocol !== wanted) return false;
  return kinds === undefined || kinds.some((one) => isKindOf(one, protocol));
}

/** Returns whether a kind in a listener is the one that fits its protocol. */
export function isKindOf(one: { readonly group: string; readonly kind: string }, protocol: 'tcp' | 'udp'): boolean {
  return one.group === 'gateway.networking.k8s.io' && one.kind === kindOfRoute(protocol);
}

/** Returns whether a route refers to a listener. */
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

/** Returns whether a listener accepts routes from a route's namespace; `home` is the Gateway's. */
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

/** Returns whether a route may use a Service: one in its own namespace, or with a ReferenceGrant. */
export function isGranted(
  { meta, protocol }: L4Route,
  { namespace, service }: ServiceShare,
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
