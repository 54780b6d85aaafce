import { formatProblem } from '../../base/model/problem.ts';
import { describeBackends, type EndpointFinder } from '../backends/endpoints.ts';
import { notApplied, type Pending, type Verdict } from '../intent/plane.ts';
import type { HttpDemand } from '../route/http-demand.ts';
import type { DesiredSites } from './desired.ts';
import type { ServedRoute } from './served-route.ts';

/** Creates the verdicts of Routes. An unchanged Route reuses the previous object. */
export class VerdictWriter {
  readonly #finder: EndpointFinder;
  readonly #known = new WeakMap<object, Verdict>();

  constructor(finder: EndpointFinder) {
    this.#finder = finder;
  }

  /**
   * @param faults parts that HAProxy rejects, by the name of a backend or certificate, with the reason
   * @param pendingOf what of a Route HAProxy has not applied
   */
  list(
    { served, unfit, refused }: DesiredSites,
    faults: ReadonlyMap<string, string>,
    pendingOf: (route: ServedRoute) => Pending | undefined,
  ): readonly Verdict[] {
    return [
      ...served.map((one) => {
        const fault = this.#describeFault(one, faults);
        if (fault !== undefined) return fault;
        const verdict = this.#remember(one, () => this.#describeServed(one));
        const pending = pendingOf(one);
        return pending === undefined ? verdict : describePending(verdict, pending);
      }),
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
      message: `HAProxy rejects it: ${fault}`,
      notes: [],
      ignored: demand.annotations.ignored,
    };
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

function describePending(verdict: Verdict, pending: Pending): Verdict {
  const { what, problem } = pending;
  if (problem === undefined) return { ...verdict, pending };
  if (what === 'all') return { ...verdict, pending, reason: notApplied, message: problem, notes: [] };
  return { ...verdict, pending, notes: [...verdict.notes, problem] };
}

function describeWarnings({ warnings }: HttpDemand): readonly string[] {
  return warnings.slice(0, 5).map((problem) => {
    // An allow-list fails closed, and its message describes the effect.
    const isList = /\/ip_(?:allow|white)list\]$/.test(problem.path);
    return isList ? formatProblem(problem) : `${formatProblem(problem)}; it is ignored`;
  });
}

function describeHost(
  { meta }: { readonly meta: Verdict['meta'] },
  host: string | undefined,
  isWildcard: boolean,
): Pick<Verdict, 'meta' | 'host' | 'wildcardPolicy'> {
  return { meta, ...(host !== undefined && { host }), wildcardPolicy: isWildcard ? 'Subdomain' : 'None' };
}
