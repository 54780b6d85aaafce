import { formatProblem } from '../../base/model/problem.ts';
import { describeBackends } from '../backends/describe-backends.ts';
import type { EndpointFinder } from '../backends/endpoints.ts';
import { isWildcard } from '../claims/host.ts';
import type { Pending } from '../haproxy/report.ts';
import { defaultListener } from '../intent/listener.ts';
import type { Verdict } from '../intent/plane.ts';
import type { SiteDemand, SiteRequest } from '../intent/site-request.ts';
import type { DesiredSites } from './desired.ts';
import type { ListenerVerdict } from './gateway-plan.ts';
import { requestPattern } from './gateway-rules.ts';
import { describePending, describePendingListener, findPending } from './pending.ts';
import type { ServedSite } from './served-site.ts';
import { findLack, listClientFiles } from './verified-hosts.ts';

/** Creates the verdicts of requests. An unchanged request reuses the previous object. */
export class VerdictWriter {
  readonly #finder: EndpointFinder;
  readonly #known = new WeakMap<object, Verdict>();

  constructor(finder: EndpointFinder) {
    this.#finder = finder;
  }

  /**
   * @param faults parts that HAProxy rejects, by the name of a backend or certificate, with the reason
   * @param pending changes that are not in force yet, by the same names
   */
  list(
    { served, unfit, refused, gateway, verified }: DesiredSites,
    faults: ReadonlyMap<string, string>,
    pending: ReadonlyMap<string, Pending> = new Map(),
  ): readonly Verdict[] {
    return [
      ...[...served, ...gateway.served].map(
        (one) =>
          this.#describeFault(one, faults) ??
          this.#describeLack(one, findLack(verified, one)) ??
          this.#describePending(one, pending, listClientFiles(verified, one)) ??
          this.#remember(one, () => this.#describeServed(one)),
      ),
      ...unfit.map((one) =>
        this.#remember(one, () => ({
          ...describeRequest(one.request),
          ...one.refusal,
          notes: [],
          ignored: one.demand.ignored,
        })),
      ),
      ...gateway.listeners.map((one) => {
        const verdict = this.#remember(one, () => describeListener(one));
        const waits = verdict.reason === undefined ? describePendingListener(one, pending) : undefined;
        return waits === undefined ? verdict : { ...verdict, ...waits };
      }),
      ...[...refused, ...gateway.refused].map((one) =>
        this.#remember(one, () => ({
          ...describeRequest(one.request),
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
    { request, host, demand, backends }: ServedSite,
    faults: ReadonlyMap<string, string>,
  ): Verdict | undefined {
    if (faults.size === 0) return undefined;
    const names = [...backends.map(({ id }) => id), request.owner.label, host];
    const fault = names.map((name) => faults.get(name)).find((one) => one !== undefined);
    if (fault === undefined) return undefined;
    return {
      ...describeRequest(request),
      reason: 'ExtendedValidationFailed',
      message: `HAProxy rejects it: ${fault}`,
      notes: [],
      ignored: demand.ignored,
    };
  }

  #describeLack(one: ServedSite, message: string | undefined): Verdict | undefined {
    return message === undefined
      ? undefined
      : { ...this.#describeServed(one), reason: 'AnnotationNotSupported', message };
  }

  /**
   * Does not admit a request that is not served yet. If an earlier state of it is served, a note reports the waiting
   * change.
   */
  #describePending(
    one: ServedSite,
    pending: ReadonlyMap<string, Pending>,
    clients: readonly string[],
  ): Verdict | undefined {
    const found = findPending(one, pending, clients);
    if (found === undefined) return undefined;
    const { message, reason, pending: what } = describePending(found);
    const verdict = this.#describeServed(one);
    if (reason !== undefined) return { ...verdict, reason, message };
    // A short wait is not reported; the written status of the Route stays until it is over.
    if (found.cause !== 'budget' && what !== undefined) return { ...verdict, pending: { what } };
    return { ...verdict, notes: [message, ...verdict.notes] };
  }

  #describeServed({ request, demand, certificateNote }: ServedSite): Verdict {
    const { namespace } = request.owner.meta;
    const notes = demand.groups.flatMap(({ shares, targetPort }) => {
      const choice = { protocol: 'tcp' as const, ...(targetPort !== undefined && { targetPort }) };
      return describeBackends(shares, namespace, [choice], this.#finder);
    });
    return {
      ...describeRequest(request),
      ...describeClosed(demand),
      ...(demand.missing !== undefined && demand.missing.length > 0 && { missing: demand.missing }),
      notes: [
        ...(certificateNote === undefined ? [] : [certificateNote]),
        ...(demand.missing ?? []),
        ...(demand.notes ?? []),
        ...describeWarnings(demand),
        ...notes,
      ],
      ignored: demand.ignored,
    };
  }
}

function describeClosed({ closed }: SiteDemand): Pick<Verdict, 'reason' | 'message' | 'pending'> {
  if (closed === undefined) return {};
  const { reason, message, isWaiting } = closed;
  return { reason, message, ...(isWaiting && { pending: { what: 'all' } }) };
}

function describeWarnings({ warnings }: SiteDemand): readonly string[] {
  return warnings.slice(0, 5).map((problem) => {
    // An allow-list fails closed, and its message describes the effect.
    const isList = /\/ip_(?:allow|white)list\]$/.test(problem.path);
    return isList ? formatProblem(problem) : `${formatProblem(problem)}; it is ignored`;
  });
}

function describeListener({ listener, reason, message, isWaiting }: ListenerVerdict): Verdict {
  const { id, owner } = listener;
  return {
    meta: { ...owner.meta, uid: id },
    ...(owner.kind !== 'Gateway' && { kind: owner.kind }),
    listener: id.slice(id.lastIndexOf('/') + 1),
    ...(reason !== undefined && { reason }),
    ...(message !== undefined && { message }),
    ...(isWaiting && { pending: { what: 'all' } }),
    notes: [],
    ignored: [],
  };
}

function describeRequest(
  request: SiteRequest,
): Pick<Verdict, 'meta' | 'kind' | 'host' | 'wildcardPolicy' | 'arrival' | 'request'> {
  const { owner, host, listener } = request;
  if (listener !== defaultListener) {
    return { meta: owner.meta, arrival: listener, request, host: requestPattern(request) };
  }
  return {
    meta: owner.meta,
    ...(owner.kind !== 'Route' && { kind: owner.kind }),
    ...(host !== undefined && { host }),
    wildcardPolicy: isWildcard(request) ? 'Subdomain' : 'None',
  };
}
