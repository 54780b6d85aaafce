import type { GatewayListener } from './listener.ts';
import { isL7, type ListenerDecision } from './listener-decision.ts';
import { type ListenerClash, ListenerIndex } from './listener-index.ts';

/** Claims of the listeners of several Gateways on one address. The first one owns a port and hostname. */
export class ListenerClaims {
  /** Listeners of earlier Gateways by address. */
  readonly #owners = new Map<string, ListenerIndex>();

  /** Returns the decisions about the listeners of the next Gateway or ListenerSet. */
  decide(listeners: readonly ListenerDecision[], addresses: readonly string[]): readonly ListenerDecision[] {
    // Without a known address, all Gateways share the unknown ones.
    const places = addresses.length === 0 ? [''] : addresses;
    const owners = places.map((place) => this.#at(place));
    const decided = listeners.map((one): ListenerDecision => {
      const { listener, refusal } = one;
      if (listener === undefined || refusal !== undefined) return one;
      const clash = owners.map((index) => findRival(listener, index)).find((found) => found !== undefined);
      if (clash === undefined) return one;
      const what = clash === 'HostnameConflict' ? 'port and hostname' : 'port with a protocol that cannot share it';
      const message = `another Gateway with the same address has a listener with this ${what}; use another port, hostname or address`;
      return { ...one, refusal: { reason: 'PortUnavailable', message } };
    });
    // Listeners of one object do not exclude each other here.
    for (const { listener, refusal } of decided) {
      if (listener !== undefined && refusal === undefined) for (const index of owners) index.add(listener);
    }
    return decided;
  }

  #at(place: string): ListenerIndex {
    const index = this.#owners.get(place) ?? new ListenerIndex();
    this.#owners.set(place, index);
    return index;
  }
}

function findRival(listener: GatewayListener, owners: ListenerIndex): ListenerClash | undefined {
  if (isL7(listener)) return owners.findClash(listener);
  // Conflicts about ports without hostnames are decided together with those of Routes.
  return owners.hasOtherFamily(listener) ? 'ProtocolConflict' : undefined;
}
