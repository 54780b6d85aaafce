import type { ObjectMeta } from '../../api/object-meta.ts';
import type { Admissions, RefusalReason } from '../claims/claims.ts';
import type { GatewayReports } from '../gateway/gateway-status.ts';

/** What became of one Route, for its author. */
export interface RouteStatus {
  readonly meta: ObjectMeta;
  readonly host?: string;
  /** Name of the listener, when this is about one of a Gateway. */
  readonly listener?: string;
  /** `tcp 13306`, of an admitted Route. */
  readonly ports: readonly string[];
  readonly admitted: boolean;
  /** Of a refusal. */
  readonly reason?: RefusalReason;
  /** Of a refusal, or what an admitted Route's author should know. */
  readonly message?: string;
}

/** A condition of `status.ingress[]` (route.openshift.io/v1, RouteIngressCondition). */
export interface RouteCondition {
  readonly type: 'Admitted';
  readonly status: 'True' | 'False';
  readonly reason?: string;
  readonly message?: string;
  /** RFC 3339, UTC: when `status` last changed. */
  readonly lastTransitionTime: string;
}

/** One router's entry in `status.ingress[]` of a Route. */
export interface RouteIngress {
  readonly host: string;
  readonly routerName: string;
  readonly routerCanonicalHostname?: string;
  readonly wildcardPolicy: 'None';
  readonly conditions: readonly RouteCondition[];
}

/** How this router calls itself in statuses. */
export interface RouterIdentity {
  readonly routerName: string;
  /** The name under which clients reach the router. */
  readonly canonicalHostname?: string;
}

/** Where statuses go. */
export interface StatusSink {
  /** All Routes of this router, each time, and Gateways where they are served; never throws. */
  publish(statuses: readonly RouteStatus[], gateways: GatewayReports | undefined): void;
  close(): void;
}

/**
 * The statuses of all Routes for this router.
 *
 * @param notesOf what the author of an admitted Route should know, by its position in `admitted`
 */
export function listStatuses(
  { admitted, refused }: Admissions,
  notesOf: (index: number) => readonly string[],
): readonly RouteStatus[] {
  return [
    ...admitted.map(({ route, demand }, index): RouteStatus => {
      const notes = [...describeIgnored(demand.ignored), ...notesOf(index)];
      return {
        meta: route.meta,
        ...(route.host !== undefined && { host: route.host }),
        ...(route.listener !== undefined && { listener: route.listener }),
        ports: demand.ports.map(({ protocol, port }) => `${protocol} ${port}`),
        admitted: true,
        ...(notes.length > 0 && { message: notes.join('; ') }),
      };
    }),
    ...refused.map(
      ({ route, reason, message }): RouteStatus => ({
        meta: route.meta,
        ...(route.host !== undefined && { host: route.host }),
        ...(route.listener !== undefined && { listener: route.listener }),
        ports: [],
        admitted: false,
        reason,
        message,
      }),
    ),
  ];
}

function describeIgnored(names: readonly string[]): readonly string[] {
  return names.length === 0 ? [] : [`without effect on this router: ${names.join(', ')}`];
}

/**
 * This router's entry for a Route. The time of the last transition stays while `status` does; an
 * entry that says the same as `before` is `before` itself.
 */
export function makeIngress(
  status: RouteStatus,
  { routerName, canonicalHostname }: RouterIdentity,
  before: RouteIngress | undefined,
  now: Date,
): RouteIngress {
  const known = before?.conditions.find(({ type }) => type === 'Admitted');
  const admitted = status.admitted ? 'True' : 'False';
  const isSameStatus = known?.status === admitted;
  const ingress: RouteIngress = {
    host: status.host ?? '',
    routerName,
    ...(canonicalHostname !== undefined && { routerCanonicalHostname: canonicalHostname }),
    wildcardPolicy: 'None',
    conditions: [
      {
        type: 'Admitted',
        status: admitted,
        ...(status.reason !== undefined && { reason: status.reason }),
        ...(status.message !== undefined && { message: status.message }),
        lastTransitionTime: isSameStatus ? known.lastTransitionTime : `${now.toISOString().slice(0, 19)}Z`,
      },
    ],
  };
  return before !== undefined && isSameIngress(ingress, before) ? before : ingress;
}

function isSameIngress(one: RouteIngress, other: RouteIngress): boolean {
  const [a, b] = [one.conditions[0], other.conditions[0]];
  return (
    other.conditions.length === 1 &&
    one.host === other.host &&
    one.routerName === other.routerName &&
    one.routerCanonicalHostname === other.routerCanonicalHostname &&
    a?.status === b?.status &&
    a?.reason === b?.reason &&
    a?.message === b?.message
  );
}
