import { formatProblem } from '../../base/model/problem.ts';
import { describeBackends, type EndpointFinder } from '../backends/endpoints.ts';
import type { Pending } from '../haproxy/report.ts';
import type { Verdict } from '../intent/plane.ts';
import type { HttpDemand } from '../route/http-demand.ts';
import type { DesiredSites } from './desired.ts';
import { describePending, findPending } from './pending.ts';
import type { ServedRoute } from './served-route.ts';

/** What is said of each Route, made once: a Route for which nothing changed is the very same object. */
export class VerdictWriter {
  readonly #finder: EndpointFinder;
  readonly #known = new WeakMap<object, Verdict>();

  constructor(finder: EndpointFinder) {
    this.#finder = finder;
  }

  /**
   * @param faults what HAProxy does not take, by the name of a backend or a certificate, with the reason
   * @param pending changes that are not in force yet, by the same names
   */
  list(
    { served, unfit, refused }: DesiredSites,
    faults: ReadonlyMap<string, string>,
    pending: ReadonlyMap<string, Pending> = new Map(),
  ): readonly Verdict[] {
    return [
      ...served.map(
        (one) =>
          this.#describeFault(one, faults) ??
          this.#describePending(one, pending) ??
          this.#remember(one, () => this.#describeServed(one)),
      ),
      ...unfit.map((one) =>
        this.#remember(one, () => ({
          ...describeHost(one.route, one.host, one.demand.isWildcard),
          ...one.refusal,
          notes: [],
          ignored: one.demand.annotations.ignored,
        })),
      ),
      ...refused.map((one) =>
        this.#remember(one, () => ({
          ...describeHost(one.route, one.host, one.route.http.ok && one.route.http.value.isWildcard),
          reason: one.reason,
          message: one.message,
          notes: [],
          ignored: [],
        })),
      ),
    ];
  }

  #remember(one: object, make: () => Verdict): Verdict {
    const known = this.#known.get(one);
    if (known !== undefined) return known;
    const verdict = make();
    this.#known.set(one, verdict);
    return verdict;
  }

  #describeFault(
    { route, host, demand, backend }: ServedRoute,
    faults: ReadonlyMap<string, string>,
  ): Verdict | undefined {
    if (faults.size === 0) return undefined;
    const fault =
      faults.get(backend.id) ?? faults.get(`${route.meta.namespace}:${route.meta.name}`) ?? faults.get(host);
    if (fault === undefined) return undefined;
    return {
      ...describeHost(route, host, demand.isWildcard),
      reason: 'ExtendedValidationFailed',
      message: `HAProxy does not take it: ${fault}`,
      notes: [],
      ignored: demand.annotations.ignored,
    };
  }

  /** A Route that is not served yet is not admitted; of one that is, the author learns that its change waits. */
  #describePending(one: ServedRoute, pending: ReadonlyMap<string, Pending>): Verdict | undefined {
    const found = findPending(one, pending);
    if (found === undefined) return undefined;
    const { message, reason } = describePending(found);
    const verdict = this.#describeServed(one);
    if (found.isServed) return { ...verdict, notes: [message, ...verdict.notes] };
    return { ...verdict, ...(reason !== undefined && { reason }), message };
  }

  #describeServed({ route, host, demand }: ServedRoute): Verdict {
    const { targetPort, backends, annotations } = demand;
    const choice = { protocol: 'tcp' as const, ...(targetPort !== undefined && { targetPort }) };
    const notes = describeBackends(backends, route.meta.namespace, [choice], this.#finder);
    return {
      ...describeHost(route, host, demand.isWildcard),
      notes: [...describeWarnings(demand), ...notes],
      ignored: annotations.ignored,
    };
  }
}

function describeWarnings({ warnings }: HttpDemand): readonly string[] {
  return warnings.slice(0, 5).map((problem) => {
    // A list of who may connect fails closed; its problem says what became of it.
    const isList = /\/ip_(?:allow|white)list\]$/.test(problem.path);
    return isList ? formatProblem(problem) : `${formatProblem(problem)}; it counts as absent`;
  });
}

function describeHost(
  { meta }: { readonly meta: Verdict['meta'] },
  host: string | undefined,
  isWildcard: boolean,
): Pick<Verdict, 'meta' | 'host' | 'wildcardPolicy'> {
  return { meta, ...(host !== undefined && { host }), wildcardPolicy: isWildcard ? 'Subdomain' : 'None' };
}
