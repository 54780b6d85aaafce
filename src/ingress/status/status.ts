import { type Json, type LeastDraft, mergeConditions, saySame, writeTime } from '../../base/kubernetes/conditions.ts';
import { escapeUnprintable } from '../../base/model/text.ts';
import type { ObjectMeta } from '../../base/read/object-meta.ts';
import type { GatewayReports } from '../gateway/gateway-status.ts';
import type { PlaneReport, Verdict } from '../intent/plane.ts';
import { suggestAnnotation } from '../route/known-annotations.ts';
import type { AddressReports } from './plan-addresses.ts';

/** Status of one Route or Ingress, for its author. */
export interface RouteStatus {
  readonly meta: ObjectMeta;
  /** Kind of the object. Absent: a Route, or a Gateway if there is a listener. */
  readonly kind?: string;
  readonly host?: string;
  readonly wildcardPolicy: 'None' | 'Subdomain';
  /** Name of the listener, if this concerns one of a Gateway. */
  readonly listener?: string;
  /** `tcp 13306`, of an admitted Route. */
  readonly ports: readonly string[];
  readonly admitted: boolean;
  /** A part of what it requests is served, although the whole is not admitted. */
  readonly isPartlyServed?: true;
  /** A data plane has not finished with the Route yet, so its written status is preserved. */
  readonly isPending?: true;
  /** Reason of a rejection. */
  readonly reason?: string;
  /** Message of a rejection, or notes for the author of an admitted Route. */
  readonly message?: string;
  /** Requested functions that are missing, in one message. */
  readonly missing?: string;
}

/** One router's entry in `status.ingress[]` of a Route. */
export interface RouteIngress {
  readonly host: string;
  readonly routerName: string;
  readonly routerCanonicalHostname?: string;
  readonly wildcardPolicy: 'None' | 'Subdomain';
  /** Conditions without `observedGeneration` (route.openshift.io/v1, RouteIngressCondition). */
  readonly conditions: readonly Json[];
}

/** Identity of this router in statuses. */
export interface RouterIdentity {
  readonly routerName: string;
  /** Host name of the router for clients. */
  readonly canonicalHostname?: string;
  /** Used in statuses of the Gateway API. */
  readonly controllerName: string;
}

/** Receiver of statuses. */
export interface StatusSink {
  /**
   * Publishes all Routes of this router each time, and Gateways if they are served. Never throws.
   *
   * @param problems of files, objects and connections, one sentence each
   * @param addresses results of virtual addresses
   * @param ingressAddresses at which clients reach Ingresses; undefined if not known yet
   */
  publish(
    statuses: readonly RouteStatus[],
    gateways: GatewayReports | undefined,
    problems: readonly string[],
    addresses?: AddressReports,
    ingressAddresses?: readonly string[],
  ): void;
  close(): void;
}

/**
 * Merges the verdicts of the data planes into statuses: a Route is admitted if it has everything that it requests,
 * and the first rejection gives the reason.
 */
export class ReportMerger {
  /** Few of 10,000 Routes change; the statuses of the others reuse their objects. */
  readonly #known = new WeakMap<Verdict, { readonly verdicts: readonly Verdict[]; readonly status: RouteStatus }>();

  merge(reports: readonly PlaneReport[]): readonly RouteStatus[] {
    const verdicts = new Map<string, Verdict[]>();
    for (const verdict of reports.flatMap((report) => report.verdicts)) {
      // Routes of a Gateway have a status for each of its listeners.
      if (verdict.arrival !== undefined) continue;
      const known = verdicts.get(verdict.meta.uid);
      if (known === undefined) verdicts.set(verdict.meta.uid, [verdict]);
      else known.push(verdict);
    }
    return Array.from(verdicts.values(), (list) => {
      const [first] = list as [Verdict];
      const known = this.#known.get(first);
      const isSame =
        known?.verdicts.length === list.length && known.verdicts.every((verdict, index) => verdict === list[index]);
      if (known !== undefined && isSame) return known.status;
      const status = mergeVerdicts(list);
      this.#known.set(first, { verdicts: list, status });
      return status;
    });
  }
}

function mergeVerdicts(verdicts: readonly Verdict[]): RouteStatus {
  const { meta, kind, listener } = verdicts[0] as Verdict;
  const host = verdicts.map((verdict) => verdict.host).find((one) => one !== undefined);
  const refused = verdicts.filter(({ reason }) => reason !== undefined);
  const wildcardPolicy = verdicts.map((one) => one.wildcardPolicy).find((one) => one !== undefined) ?? 'None';
  const notes = describeNotes(verdicts);
  const sentences = refused.length > 0 ? refused.flatMap(({ message }) => message ?? []) : notes;
  const reason = refused[0]?.reason;
  const isPending = verdicts.some(({ pending }) => pending !== undefined && pending.problem === undefined);
  const missing = [...new Set(verdicts.flatMap((one) => one.missing ?? []))];
  return {
    meta,
    ...(kind !== undefined && { kind }),
    ...(host !== undefined && { host }),
    wildcardPolicy,
    ...(listener !== undefined && { listener }),
    ports: verdicts.flatMap(({ ports }) => ports ?? []),
    admitted: refused.length === 0,
    ...(refused.length > 0 && refused.length < verdicts.length && { isPartlyServed: true as const }),
    ...(missing.length > 0 && { missing: escapeUnprintable(missing.join('; ')) }),
    // A refusal is certain, whatever else is to come.
    ...(isPending && refused.length === 0 && { isPending }),
    ...(reason !== undefined && { reason }),
    ...(sentences.length > 0 && { message: escapeUnprintable([...new Set(sentences)].join('; ')) }),
  };
}

/** Lists annotations that have no effect in any data plane that serves the Route. */
function describeNotes(verdicts: readonly Verdict[]): readonly string[] {
  const [first, ...rest] = verdicts.map(({ ignored }) => ignored);
  const names = (first ?? []).filter((name) => rest.every((other) => other.includes(name)));
  const list = names.map((name) => `${name}${suggestAnnotation(name).replace(/^; (.*)$/, ' ($1)')}`).join(', ');
  const told = names.length === 0 ? [] : [`without effect on this router: ${list}`];
  return [...told, ...verdicts.flatMap(({ notes }) => notes)];
}

/**
 * Returns this router's entry for a Route. The transition time is kept while `status` does not change. If nothing
 * changed, it returns `before` itself.
 */
export function makeIngress(
  status: RouteStatus,
  { routerName, canonicalHostname }: RouterIdentity,
  before: RouteIngress | undefined,
  now: Date,
): RouteIngress {
  const draft: LeastDraft = {
    type: 'Admitted',
    status: status.admitted ? 'True' : 'False',
    ...(status.reason !== undefined && { reason: status.reason }),
    ...(status.message !== undefined && { message: status.message }),
  };
  const ingress: RouteIngress = {
    host: status.host ?? '',
    routerName,
    ...(canonicalHostname !== undefined && { routerCanonicalHostname: canonicalHostname }),
    wildcardPolicy: status.wildcardPolicy,
    conditions: mergeConditions([draft], before?.conditions, { now: writeTime(now) }),
  };
  return before !== undefined && isSameIngress(ingress, before) ? before : ingress;
}

function isSameIngress(one: RouteIngress, other: RouteIngress): boolean {
  return (
    one.host === other.host &&
    one.routerName === other.routerName &&
    one.routerCanonicalHostname === other.routerCanonicalHostname &&
    one.wildcardPolicy === other.wildcardPolicy &&
    saySame(one.conditions, other.conditions)
  );
}
