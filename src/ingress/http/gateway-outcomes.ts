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
  /** Number of served requests by demand: they share backends. */
  readonly #users = new Map<SiteDemand, number>();

  /** @param used IDs of the backends that requests reach */
  serve(one: ServedSite, used: ReadonlySet<string>): void {
    const { request, demand, backends } = one;
    this.drop(request);
    this.#served.set(request, one);
    this.#users.set(demand, (this.#users.get(demand) ?? 0) + 1);
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
    const users = (this.#users.get(known.demand) ?? 1) - 1;
    if (users > 0) {
      this.#users.set(known.demand, users);
      return;
    }
    this.#users.delete(known.demand);
    // Another version of the object may have replaced the backend already.
    for (const backend of known.backends)
      if (this.#backends.get(backend.id) === backend) this.#backends.delete(backend.id);
  }

  /** Returns the outcomes at this moment. */
  list(): {
    readonly served: ReadonlyMap<SiteRequest, ServedSite>;
    readonly refused: ReadonlyMap<SiteRequest, RefusedAtListener>;
    readonly backends: ReadonlyMap<string, Backend>;
  } {
    const [served, refused, backends] = [this.#served.finish(), this.#refused.finish(), this.#backends.finish()];
    this.#served = new MapDraft(served);
    this.#refused = new MapDraft(refused);
    this.#backends = new MapDraft(backends);
    return { served, refused, backends };
  }
}
