import type { GatewayListener } from './listener.ts';
import { findClash, isL7, type ListenerDecision } from './listener-decision.ts';

/** Claims of the listeners of several Gateways on one address. The first one owns a port and hostname. */
export class ListenerClaims {
  /** Listeners of earlier Gateways by address and port. */
  readonly #owners = new Map<string, GatewayListener[]>();

  /** Returns the decisions about the listeners of the next Gateway or ListenerSet. */
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
