import type { Gateway, GatewayListener } from '../../api/gateway.ts';
import type { L4Route, ParentRef } from '../../api/l4-route.ts';
import type { Labels } from '../../api/object-meta.ts';
import type { ReferenceGrant } from '../../api/reference-grant.ts';
import type { RouteBackend } from '../../api/route/backend.ts';
import type { PortRequest } from '../../api/route/port-demand.ts';
import { byAgeAndName } from '../claims/order.ts';

/** What the ports of Gateways are made of. */
export interface GatewayObjects {
  readonly gateways: Iterable<Gateway>;
  readonly l4Routes: Iterable<L4Route>;
  readonly grants: Iterable<ReferenceGrant>;
  /** Labels of a namespace; undefined when it does not exist. */
  readonly labelsOfNamespace: (namespace: string) => Labels | undefined;
}

/**
 * What the listeners of all Gateways of a class ask for, so that one decision is made about every port. A listener belongs to its Gateway, as old as that; connections go to the backends of the
 * oldest route attached to it (then by namespace and name), and nowhere when there is none.
 */
export function listListenerRequests(objects: GatewayObjects, className: string): readonly PortRequest[] {
  const attachable = [...objects.l4Routes].sort(byAgeAndName);
  const grants = [...objects.grants];
  const requests: PortRequest[] = [];
  for (const gateway of objects.gateways) {
    if (gateway.className !== className) continue;
    for (const listener of gateway.listeners) {
      const attached = attachable.find((route) => isAttached(route, gateway, listener, objects.labelsOfNamespace));
      requests.push(makeRequest(gateway, listener, attached, grants));
    }
  }
  return requests;
}

function isAttached(
  route: L4Route,
  gateway: Gateway,
  listener: GatewayListener,
  labelsOfNamespace: GatewayObjects['labelsOfNamespace'],
): boolean {
  const wants = route.parents.some((parent) => isMeant(parent, gateway, listener));
  return (
    route.protocol === listener.protocol &&
    wants &&
    isAllowed(route, gateway.meta.namespace, listener, labelsOfNamespace)
  );
}

/** Whether a route asks to be attached to a listener. */
export function isMeant(
  { namespace, name, section, port }: ParentRef,
  { meta }: Gateway,
  listener: GatewayListener,
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
      return labels !== undefined && Object.entries(allowed.labels).every(([key, value]) => labels[key] === value);
    }
  }
}

/** Requests by listener, attached route and what that may use, so that the same objects give the same value. */
const made = new WeakMap<
  GatewayListener,
  { readonly attached: L4Route | undefined; readonly forbidden: string; readonly request: PortRequest }
>();

function makeRequest(
  { meta }: Gateway,
  listener: GatewayListener,
  attached: L4Route | undefined,
  grants: readonly ReferenceGrant[],
): PortRequest {
  const backends = (attached?.backends ?? []).map((backend) =>
    attached === undefined || isGranted(attached, backend, grants)
      ? backend
      : { ...backend, isForbidden: true as const },
  );
  const forbidden = backends.map(({ isForbidden }) => isForbidden === true).join();
  const known = made.get(listener);
  if (known !== undefined && known.attached === attached && known.forbidden === forbidden) return known.request;
  const { name, protocol, port } = listener;
  const request: PortRequest = {
    meta: { ...meta, uid: `${meta.uid}/${name}` },
    listener: name,
    demand: { ok: true, value: { ports: [{ protocol, port }], limits: {}, ignored: [], backends } },
  };
  made.set(listener, { attached, forbidden, request });
  return request;
}

/** Whether a route may use a Service: one of its own namespace, or one whose namespace says so. */
export function isGranted(
  { meta, protocol }: L4Route,
  { namespace, service }: RouteBackend,
  grants: readonly ReferenceGrant[],
): boolean {
  if (namespace === undefined || namespace === meta.namespace) return true;
  const kind = protocol === 'tcp' ? 'TCPRoute' : 'UDPRoute';
  return grants.some(
    ({ meta: grant, from, services }) =>
      grant.namespace === namespace &&
      from.some((one) => one.kind === kind && one.namespace === meta.namespace) &&
      (services === 'all' || services.includes(service)),
  );
}
