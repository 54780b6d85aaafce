import type { HostGroups } from '../claims/host-groups.ts';
import type { ListenerId, SiteListener } from '../intent/listener.ts';
import type { SiteRequest } from '../intent/site-request.ts';

/**
 * Claims of hosts by requests at listeners that share the agent's own ports with Routes: there, each host belongs to
 * one of the two.
 */
export class SharedClaims {
  readonly #own: { readonly http: number; readonly https: number } | undefined;
  readonly #groups: HostGroups;
  #sharing: ReadonlyMap<ListenerId, 'plain' | 'secure'> = new Map();
  readonly #requests = new Set<SiteRequest>();
  readonly #claiming = new Set<SiteRequest>();
  readonly #rivals = new Map<SiteRequest, string>();

  /** @param own the agent's own ports */
  constructor(own: { readonly http: number; readonly https: number } | undefined, groups: HostGroups) {
    this.#own = own;
    this.#groups = groups;
  }

  setListeners(listeners: readonly SiteListener[]): void {
    const sharing = new Map<ListenerId, 'plain' | 'secure'>();
    for (const { id, addresses, port, protocol } of listeners) {
      const [own, kind] =
        protocol === 'HTTP' ? ([this.#own?.http, 'plain'] as const) : ([this.#own?.https, 'secure'] as const);
      if (addresses.length === 0 && port === own) sharing.set(id, kind);
    }
    const isSame =
      sharing.size === this.#sharing.size && [...sharing].every(([id, kind]) => this.#sharing.get(id) === kind);
    if (isSame) return;
    this.#sharing = sharing;
    for (const request of this.#requests) this.#update(request);
  }

  add(request: SiteRequest): void {
    this.#requests.add(request);
    this.#update(request);
  }

  remove(request: SiteRequest): void {
    this.#requests.delete(request);
    this.#update(request);
    this.#rivals.delete(request);
  }

  /** Records a decision, with the message of a rejection. Returns whether it differs from the previous one. */
  note(request: SiteRequest, rival?: string): boolean {
    if (!this.#claiming.has(request) || this.#rivals.get(request) === rival) return false;
    if (rival === undefined) this.#rivals.delete(request);
    else this.#rivals.set(request, rival);
    return true;
  }

  /** Returns the message if another claim excludes a request. */
  findRival(request: SiteRequest): string | undefined {
    return this.#rivals.get(request);
  }

  /** Returns the port that a request shares with Routes, if any. */
  portOf({ listener }: SiteRequest): 'plain' | 'secure' | undefined {
    return this.#sharing.get(listener);
  }

  /** Adds a request to the claims, or removes it. */
  #update(request: SiteRequest): void {
    const isClaiming = this.#requests.has(request) && this.#sharing.has(request.listener);
    if (isClaiming === this.#claiming.has(request)) return;
    if (isClaiming) {
      this.#claiming.add(request);
      this.#groups.add(request);
      return;
    }
    this.#claiming.delete(request);
    this.#rivals.delete(request);
    this.#groups.remove(request);
  }
}
