import { innerSpans, ownInner } from '../haproxy/gateway-names.ts';
import type { GatewaySettings } from '../haproxy/model.ts';
import type { SiteListener } from '../intent/listener.ts';
import { assignSlots, type Place } from './gateway-places.ts';
import { listScopes, scopeOf } from './inner-scopes.ts';

/** Settings of listeners that are not the default one. */
export interface GatewayPlanSettings extends GatewaySettings {
  /** The agent's own ports. Listeners without addresses on these ports share the default frontends. */
  readonly own: { readonly http: number; readonly https: number };
}

/** Connections that the kernel redirects to a port of HAProxy. */
export interface Translation {
  /** Canonical addresses. Empty: the addresses of the node that belong to no pool. */
  readonly addresses: readonly string[];
  /** The addresses are own ones of nodes. Absent: they belong to a pool. */
  readonly ofNode?: true;
  readonly port: number;
  readonly to: number;
}

/** Assigns the ports and inner frontends of HAProxy to places. */
export class GatewaySlots {
  readonly #settings: GatewayPlanSettings;
  #ports: ReadonlyMap<string, number> = new Map();
  #inner: ReadonlyMap<string, number> = new Map();
  /** The place of the router's own port, if the router terminates TLS there. */
  #own: string | undefined;
  #apart: readonly Place[] = [];

  constructor(settings: GatewayPlanSettings) {
    this.#settings = settings;
  }

  /** Assigns slots. A place keeps its slot. */
  assign(places: readonly Place[]): void {
    const { ports } = this.#settings;
    this.#apart = places.filter((place) => !this.isShared(place));
    const plain = this.#apart.filter(({ isTls }) => !isTls);
    const secure = this.#apart.filter(({ isTls }) => isTls);
    this.#ports = new Map([
      ...assignSlots(plain.map(kindOf), ports.http, this.#ports),
      ...assignSlots(secure.map(kindOf), ports.tls, this.#ports),
    ]);
    const spans = innerSpans(this.#settings);
    const scopes = places.flatMap(listScopes).filter(({ kind, place }) => kind !== 'http' || !this.isShared(place));
    const assigned = innerKinds.flatMap((kind) => [
      ...assignSlots(
        scopes.filter((scope) => scope.kind === kind).map(({ key }) => key),
        spans[kind],
        this.#inner,
      ),
    ]);
    this.#inner = new Map(assigned);
    this.#own = places.find(
      (place) => place.isTls && this.isShared(place) && listScopes(place).some(({ kind }) => kind === 'http'),
    )?.name;
  }

  /** Returns whether a place is the agent's own port on the addresses of the node. */
  isShared({ at, port, isTls }: Place): boolean {
    const { http, https } = this.#settings.own;
    return at.length === 1 && at[0] === `${port}@*` && port === (isTls ? https : http);
  }

  /** Inner frontends by key of their scope. */
  get inner(): ReadonlyMap<string, number> {
    return this.#own === undefined ? this.#inner : new Map([...this.#inner, [this.#own, ownInner]]);
  }

  /** Ports of listeners by port of HAProxy. */
  get ports(): ReadonlyMap<string, string> {
    return new Map(
      this.#apart.flatMap((place): [string, string][] => {
        const own = this.#ports.get(kindOf(place));
        return own === undefined ? [] : [[String(own), String(place.port)]];
      }),
    );
  }

  get translations(): readonly Translation[] {
    return this.#apart.flatMap((place): Translation[] => {
      const to = this.#ports.get(kindOf(place));
      if (to === undefined) return [];
      const { at, port, listeners } = place;
      const addresses = at.map((one) => one.slice(one.indexOf('@') + 1)).filter((one) => one !== '*');
      const any: Translation[] = at.includes(`${port}@*`) ? [{ addresses: [], port, to }] : [];
      const isOfNode = [...listeners.values()].some(({ ofNode }) => ofNode);
      const own = { addresses, port, to, ...(isOfNode && { ofNode: true as const }) };
      return addresses.length === 0 ? any : [...any, own];
    });
  }

  /** Returns the reason why a listener cannot receive requests at a place, or undefined. */
  findLack(place: Place, listener: SiteListener): string | undefined {
    const cure = 'remove a listener, or ask the administrator for a larger range';
    const isShared = this.isShared(place);
    if (!isShared && !this.#ports.has(kindOf(place))) return `all ports of --listener-ports are in use; ${cure}`;
    const scope = scopeOf(place, listener);
    if (scope === undefined || (isShared && scope === place.name) || this.#inner.has(scope)) return undefined;
    return `all TLS frontends of --listener-ports are in use; ${cure}`;
  }
}

function kindOf({ isTls, port }: Place): string {
  return `${isTls ? 'tls' : 'http'} ${port}`;
}

const innerKinds = ['http', 'required', 'optional', 'tcp'] as const;
