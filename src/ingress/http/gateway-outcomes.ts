import { MapDraft } from '../../base/model/layered-map.ts';
import type { Backend } from '../haproxy/model.ts';
import type { SiteDemand, SiteRequest } from '../intent/site-request.ts';
import type { RefusedAtListener } from './gateway-plan.ts';
import type { ServedSite } from './served-site.ts';

/** Outcomes of requests at listeners, and the backends of served ones. */
export class GatewayOutcomes {
  #served = new MapDraft<SiteRequest, ServedSite>(new Map());
  #refused = new MapDraft<SiteRequest, RefusedAtListener>(new Map());
  #backends = new MapDraft<string, Backend>(new Map());
  /** CA and client certificates of backends by name, with the number of demands that use them. */
  readonly #authorities = new Map<string, { readonly pem: string; users: number }>();
  /** Number of served requests by demand: they share authorities. */
  readonly #users = new Map<SiteDemand, number>();
  /** IDs of the backends that served requests reach, and the number of such requests by ID. */
  readonly #used = new Map<SiteRequest, ReadonlySet<string>>();
  readonly #uses = new Map<string, number>();

  /** @param used IDs of the backends that requests reach */
  serve(one: ServedSite, used: ReadonlySet<string>): void {
    const { request, demand, backends } = one;
    this.drop(request);
    this.#served.set(request, one);
    const users = this.#users.get(demand) ?? 0;
    this.#users.set(demand, users + 1);
    if (users === 0) this.#hold(one);
    this.#used.set(request, used);
    for (const id of used) this.#uses.set(id, (this.#uses.get(id) ?? 0) + 1);
    // Of two versions of an object, the newer one counts.
    for (const backend of backends) if (used.has(backend.id)) this.#backends.set(backend.id, backend);
  }

  refuse(refusal: RefusedAtListener): void {
    this.drop(refusal.request);
    this.#refused.set(refusal.request, refusal);
  }

  /** Forgets a request. */
  drop(request: SiteRequest): void {
    this.#refused.delete(request);
    const known = this.#served.get(request);
    if (known === undefined) return;
    this.#served.delete(request);
    this.#dropBackends(request);
    const users = (this.#users.get(known.demand) ?? 1) - 1;
    if (users > 0) {
      this.#users.set(known.demand, users);
      return;
    }
    this.#users.delete(known.demand);
    this.#release(known);
  }

  #dropBackends(request: SiteRequest): void {
    for (const id of this.#used.get(request) ?? []) {
      const left = (this.#uses.get(id) ?? 1) - 1;
      if (left > 0) {
        this.#uses.set(id, left);
        continue;
      }
      this.#uses.delete(id);
      this.#backends.delete(id);
    }
    this.#used.delete(request);
  }

  /** Returns the outcomes at this moment. */
  list(): {
    readonly served: ReadonlyMap<SiteRequest, ServedSite>;
    readonly refused: ReadonlyMap<SiteRequest, RefusedAtListener>;
    readonly backends: ReadonlyMap<string, Backend>;
    readonly authorities: ReadonlyMap<string, string>;
  } {
    const [served, refused, backends] = [this.#served.finish(), this.#refused.finish(), this.#backends.finish()];
    this.#served = new MapDraft(served);
    this.#refused = new MapDraft(refused);
    this.#backends = new MapDraft(backends);
    const authorities = new Map(Array.from(this.#authorities, ([name, { pem }]) => [name, pem]));
    return { served, refused, backends, authorities };
  }

  #hold({ authorities }: ServedSite): void {
    for (const [name, pem] of authorities) {
      const users = this.#authorities.get(name)?.users ?? 0;
      // Of two versions of an object, the newer one counts.
      this.#authorities.set(name, { pem, users: users + 1 });
    }
  }

  #release({ authorities }: ServedSite): void {
    for (const name of authorities.keys()) {
      const known = this.#authorities.get(name);
      if (known === undefined) continue;
      known.users--;
      if (known.users === 0) this.#authorities.delete(name);
    }
  }
}
