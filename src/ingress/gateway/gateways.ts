import { byAgeAndName } from '../claims/order.ts';
import type { PortRequest } from '../intent/port-request.ts';
import type { ServiceShare } from '../intent/service-share.ts';
import { attachRoute } from './attachment.ts';
import { decideGateways, type GatewaySettings, listHolders } from './decide-gateways.ts';
import { listOwnPlaces, type OwnPlace } from './gateway-addresses.ts';
import type { L4Route } from './l4-route.ts';
import type { GatewayListener, L4Listener } from './listener.ts';
import { type ListenerHolder, listenerId } from './listener-holder.ts';
import { isReferenceGranted, type ReferenceGrant } from './reference-grant.ts';
import { type GatewayRoute, shareOf } from './route.ts';
import { claimSitePorts, type OwnPorts } from './site-ports.ts';

/** Input of a decision about the ports of Gateways. */
export interface GatewaySnapshot extends GatewaySettings {
  readonly l4Routes: readonly L4Route[];
  /** Ports at which HAProxy serves hosts. Absent: none are served. */
  readonly ownPorts?: OwnPorts;
}

/**
 * Returns the requests of the listeners of all served Gateways, so that one decision covers every port. A listener
 * has the age of its Gateway or ListenerSet. Its connections go to the backends of the oldest attached route (then by namespace and
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
    const gateways = decideGateways(objects);
    const attached = new Map<GatewayListener, L4Route>();
    for (const route of [...objects.l4Routes].sort(byAgeAndName)) {
      for (const { attachments } of attachRoute(route, gateways, objects.labelsOfNamespace)) {
        for (const { listener } of attachments) if (!attached.has(listener)) attached.set(listener, route);
      }
    }
    const holders = listHolders(gateways);
    const sites = objects.ownPorts === undefined ? [] : claimSitePorts(holders, objects.ownPorts);
    const ports = holders.flatMap((holder) =>
      (holder.isServed ? holder.listeners : []).flatMap(({ listener, refusal }): PortRequest[] => {
        if (listener === undefined || refusal !== undefined) return [];
        if (listener.protocol !== 'tcp' && listener.protocol !== 'udp') return [];
        const own = listOwnPlaces(holder.addresses);
        const context = { attached: attached.get(listener), own, grants: objects.grants };
        return [this.#make(holder, listener as L4Listener, context)];
      }),
    );
    return [...ports, ...sites];
  }

  #make({ kind, meta }: ListenerHolder, listener: L4Listener, { attached, own, grants }: ListenerContext): PortRequest {
    const backends = attached === undefined ? [] : listShares(attached, attached.backends, grants);
    const forbidden = backends.map(({ isForbidden }) => isForbidden === true).join();
    const places = own?.map(({ address, ofNode }) => `${address.text} ${ofNode}`).join();
    const known = this.#made.get(listener);
    const isKnown = known?.attached === attached && known?.forbidden === forbidden && known?.places === places;
    if (known !== undefined && isKnown) return known.request;
    const { name, protocol, port } = listener;
    const ports = own?.map((place) => ({ protocol, port, ...place })) ?? [{ protocol, port }];
    const request: PortRequest = {
      meta: { ...meta, uid: listenerId({ meta }, name) },
      listener: name,
      ...(kind === 'ListenerSet' && { kind }),
      demand: { ok: true, value: { ports, limits: {}, ignored: [], backends } },
    };
    this.#made.set(listener, { attached, forbidden, places, request });
    return request;
  }
}

/** Everything besides its Gateway that a listener's request depends on. */
interface ListenerContext {
  readonly attached: L4Route | undefined;
  /** The only addresses of the Gateway. */
  readonly own: readonly OwnPlace[] | undefined;
  readonly grants: readonly ReferenceGrant[];
}

/** Returns the backends of a route as shares. Marks those that it may not use as forbidden. */
export function listShares(
  { kind, meta }: GatewayRoute,
  backends: GatewayRoute['backends'],
  grants: readonly ReferenceGrant[],
): readonly ServiceShare[] {
  return backends.map((backend): ServiceShare => {
    const share = shareOf(backend);
    const to = { kind: 'Service' as const, namespace: share.namespace ?? meta.namespace, name: share.service };
    const isUsable =
      backend.refusal === undefined && isReferenceGranted(grants, { kind, namespace: meta.namespace }, to);
    return isUsable ? share : { ...share, isForbidden: true };
  });
}
