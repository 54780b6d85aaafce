import { byAgeAndName } from '../claims/order.ts';
import type { Gateway } from './gateway.ts';
import { type AddressSources, addressesOf, type GatewayAddressVerdict } from './gateway-addresses.ts';
import type { GatewayClass } from './gateway-class.ts';
import { chooseClasses } from './gateway-classes.ts';
import type { GatewayListener } from './listener.ts';
import { decideListeners, findClash, isL7, type ListenerDecision } from './listener-decision.ts';
import type { ReferenceGrant } from './reference-grant.ts';

/** Input of the decisions about Gateways and their listeners. */
export interface GatewaySettings extends AddressSources {
  readonly classes: readonly GatewayClass[];
  readonly gateways: readonly Gateway[];
  readonly grants: readonly ReferenceGrant[];
  /** The only class that is served. Absent: all classes of this controller. */
  readonly className: string | undefined;
  /** Whether listeners of protocols HTTP, HTTPS and TLS are served. */
  readonly servesSites: boolean;
}

/** A Gateway of our classes with the decisions about its listeners. */
export interface DecidedGateway {
  readonly gateway: Gateway;
  readonly addresses: GatewayAddressVerdict;
  /** Whether its listeners are served. */
  readonly isServed: boolean;
  /** In the order of the spec. */
  readonly listeners: readonly ListenerDecision[];
}

/** Decides about the Gateways of our classes, by `NAMESPACE/NAME`. */
export function decideGateways(settings: GatewaySettings): ReadonlyMap<string, DecidedGateway> {
  const isOfOurs = chooseClasses(settings.classes, settings.className);
  const claims = new ListenerClaims();
  const decided = settings.gateways
    .filter(({ className }) => isOfOurs(className))
    // The oldest Gateway gets a port that several request.
    .sort(byAgeAndName)
    .map((gateway): DecidedGateway => {
      const addresses = addressesOf(gateway, settings);
      const isServed = !gateway.hasParameters && addresses.refusal === undefined;
      const listeners = decideListeners(gateway, settings);
      return {
        gateway,
        addresses,
        isServed,
        listeners: isServed ? claims.decide(listeners, addresses.addresses) : listeners,
      };
    });
  return new Map(decided.map((one) => [`${one.gateway.meta.namespace}/${one.gateway.meta.name}`, one]));
}

/** Claims of several Gateways' listeners on one address. The first Gateway owns a port and hostname. */
class ListenerClaims {
  /** Listeners of earlier Gateways by address and port. */
  readonly #owners = new Map<string, GatewayListener[]>();

  /** Returns the decisions about the listeners of the next Gateway. */
  decide(listeners: readonly ListenerDecision[], addresses: readonly string[]): readonly ListenerDecision[] {
    // Without a known address, all Gateways share the unknown ones.
    const places = addresses.length === 0 ? [''] : addresses;
    const decided = listeners.map((one): ListenerDecision => {
      const { listener, refusal } = one;
      if (listener === undefined || refusal !== undefined) return one;
      const clash = places.flatMap((place) => this.#find(listener, place))[0];
      if (clash === undefined) return one;
      const what = clash === 'HostnameConflict' ? 'port and hostname' : 'port with a protocol that cannot share it';
      const message = `another Gateway with the same address has a listener with this ${what}; use another port, hostname or address`;
      return { ...one, refusal: { reason: 'PortUnavailable', message } };
    });
    for (const { listener, refusal } of decided) {
      if (listener === undefined || refusal !== undefined) continue;
      for (const place of places) {
        const key = `${place} ${listener.port}`;
        const owners = this.#owners.get(key);
        if (owners === undefined) this.#owners.set(key, [listener]);
        else owners.push(listener);
      }
    }
    return decided;
  }

  #find(listener: GatewayListener, place: string): readonly string[] {
    return (this.#owners.get(`${place} ${listener.port}`) ?? []).flatMap((owner) => {
      // Conflicts about ports without hostnames are decided together with those of Routes.
      if (!isL7(listener) && !isL7(owner)) return [];
      return findClash(listener, owner) ?? [];
    });
  }
}
