import type { EndpointFinder } from '../backends/endpoints.ts';
import { findDeniedBelow, findDomainProblem } from '../claims/domains.ts';
import type { AdmissionPolicy } from '../claims/policy.ts';
import type { Backend } from '../haproxy/model.ts';
import type { Target } from '../haproxy/rule.ts';
import type { SiteDemand, SiteRequest } from '../intent/site-request.ts';
import { type HttpDefaults, listShareCertificates, makeBackend } from './backend.ts';
import { mapGroups } from './equal-groups.ts';
import { findUnfit } from './gateway-hosts.ts';
import type { RefusedAtListener } from './gateway-plan.ts';
import { makeRules, makeTargets, type RankedRule, requestPattern } from './gateway-rules.ts';
import { HeaderQuota } from './header-quota.ts';
import { PatternQuota } from './pattern-quota.ts';
import type { ServedSite } from './served-site.ts';

/** Dependencies of the preparer. */
export interface PreparerParts {
  readonly policy: AdmissionPolicy;
  readonly defaults: HttpDefaults;
  readonly finder: EndpointFinder;
}

/** Everything that follows from one request at a listener and its Services. */
export interface Prepared {
  readonly rules: readonly RankedRule[];
  readonly served?: ServedSite;
  /** IDs of the backends that requests reach. The others need no section of HAProxy. */
  readonly used?: ReadonlySet<string>;
  readonly refusal?: RefusedAtListener;
}

/** Prepares requests at listeners, and caches the result until the request or its Services change. */
export class RequestPreparer {
  readonly #parts: PreparerParts;
  readonly #prepared = new Map<SiteRequest, Prepared>();
  /** Backends of a demand, for all requests with it. */
  readonly #backends = new Map<SiteDemand, readonly Backend[]>();
  readonly #patterns = new PatternQuota();
  readonly #headers = new HeaderQuota();
  /** Prepared requests by demand. The last one releases what the demand has claimed. */
  readonly #holders = new Map<SiteDemand, Set<SiteRequest>>();

  constructor(parts: PreparerParts) {
    this.#parts = parts;
  }

  get(request: SiteRequest): Prepared | undefined {
    return this.#prepared.get(request);
  }

  forget(request: SiteRequest): void {
    this.#prepared.delete(request);
    if (!request.demand.ok) return;
    const demand = request.demand.value;
    this.#backends.delete(demand);
    this.#holders.get(demand)?.delete(request);
    this.#releaseUnheld(demand);
  }

  #releaseUnheld(demand: SiteDemand): void {
    if ((this.#holders.get(demand)?.size ?? 0) > 0) return;
    this.#holders.delete(demand);
    this.#patterns.release(demand);
    this.#headers.release(demand);
  }

  /** @param rival message if another claim excludes the request */
  prepare(request: SiteRequest, isPassthrough: boolean, rival: string | undefined): void {
    const known = this.#prepared.get(request);
    if (known !== undefined && known.refusal === undefined && rival === undefined) return;
    const refusal = this.#findRefusal(request, rival);
    this.#prepared.set(request, refusal === undefined ? this.#make(request, isPassthrough) : { rules: [], refusal });
  }

  #findRefusal(request: SiteRequest, rival: string | undefined): RefusedAtListener | undefined {
    const { owner, host, span, demand } = request;
    const { policy } = this.#parts;
    if (!demand.ok) {
      const message = demand.problems
        .slice(0, 3)
        .map(({ path, cure }) => `${path}: ${cure}`)
        .join('; ');
      return { request, reason: 'UnsupportedValue', message };
    }
    const domain =
      findDomainProblem(host, owner.fields.host, policy) ??
      (span === 'all' || span === 'labels' ? findDeniedBelow(host, owner.fields.host, policy) : undefined);
    if (domain !== undefined) return { request, reason: 'NotAllowedByListeners', message: domain };
    return rival === undefined ? undefined : { request, reason: 'HostAlreadyClaimed', message: rival };
  }

  #make(request: SiteRequest, isPassthrough: boolean): Prepared {
    const { owner, demand: parsed } = request;
    if (!parsed.ok) return { rules: [] };
    const demand = parsed.value;
    const backends = this.#makeBackends(request, demand, isPassthrough);
    const targets = makeTargets(demand, backends, owner.meta.namespace, this.#parts.finder);
    const rules = makeRules(request, targets);
    const unfit =
      findUnfit(rules.map(({ rule }) => rule)) ??
      this.#patterns.claim(owner, demand) ??
      this.#headers.claim(owner, demand);
    if (unfit !== undefined) {
      this.#releaseUnheld(demand);
      return { rules: [], refusal: { request, reason: 'UnsupportedValue', message: unfit } };
    }
    this.#holders.set(demand, (this.#holders.get(demand) ?? new Set()).add(request));
    const reached = isPassthrough
      ? backends.slice(0, 1).map(({ id }) => id)
      : rules.flatMap(({ rule }) => listBackends(rule.target));
    const authorities = listShareCertificates(demand);
    const served = { request, host: requestPattern(request), demand, backends, authorities };
    return { rules, served, used: new Set(reached) };
  }

  #makeBackends({ owner }: SiteRequest, demand: SiteDemand, isPassthrough: boolean): readonly Backend[] {
    const known = this.#backends.get(demand);
    if (known !== undefined) return known;
    const { finder, defaults } = this.#parts;
    const backends = mapGroups(demand, (group, index) =>
      makeBackend({ owner, demand, group, index, isPassthrough }, finder, defaults, undefined),
    );
    this.#backends.set(demand, backends);
    return backends;
  }
}

function listBackends(target: Target): readonly string[] {
  if (target.kind === 'split') return target.parts.flatMap((part) => listBackends(part.target));
  return target.kind === 'backend' ? [target.backend] : [];
}
