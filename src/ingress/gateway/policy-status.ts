import type { ParentDecision } from './attachment.ts';
import { type BackendTlsPolicies, type DecidedPolicy, targetPortOf } from './backend-tls.ts';
import { type ConditionDraft, no, yes } from './conditions.ts';
import type { Gateway } from './gateway.ts';
import type { ServiceLookup } from './parent-status.ts';
import { gatewayGroup } from './parts.ts';
import { isReferenceGranted, type ReferenceGrant } from './reference-grant.ts';
import type { GatewayRoute } from './route.ts';

/** Result of a BackendTLSPolicy (Gateway API, PolicyStatus). */
export interface PolicyReport {
  readonly uid: string;
  readonly generation: number | undefined;
  /** A ConfigMap has not been read, or a route not been applied yet, so the stored status is preserved. */
  readonly isPending?: true;
  /** Sorted by Gateway. Empty if no route of our Gateways uses its Services. */
  readonly ancestors: readonly AncestorReport[];
}

/** Result at one Gateway. */
interface AncestorReport {
  readonly ancestorRef: Readonly<Record<string, string>>;
  readonly conditions: readonly ConditionDraft[];
}

/** A route with the decisions about it. */
interface RouteState {
  readonly route: GatewayRoute;
  readonly decisions: readonly ParentDecision[];
  readonly isPending: boolean;
}

/**
 * Reports on policies, by `NAMESPACE/NAME`.
 *
 * @param routes called only if there are policies
 */
export function reportPolicies(
  policies: BackendTlsPolicies,
  routes: () => Iterable<RouteState>,
  { grants, serviceOf }: ServiceLookup & { readonly grants: readonly ReferenceGrant[] },
): ReadonlyMap<string, PolicyReport> {
  const { decided } = policies;
  if (decided.length === 0) return new Map();
  const gateways = new Map<DecidedPolicy, Set<Gateway>>(decided.map((one) => [one, new Set()]));
  const pending = new Set<DecidedPolicy>(decided.filter(({ isWaiting }) => isWaiting));
  for (const { route, decisions, isPending } of routes()) {
    const attached = decisions.flatMap(({ attachments, refusal }) => (refusal === undefined ? attachments : []));
    if (attached.length === 0) continue;
    for (const { namespace = route.meta.namespace, service, servicePort, refusal } of route.backends) {
      const from = { kind: route.kind, namespace: route.meta.namespace };
      const isUsable = isReferenceGranted(grants, from, { kind: 'Service', namespace, name: service });
      if (refusal !== undefined || !isUsable) continue;
      const target = { namespace, service, ...(servicePort !== undefined && { servicePort }) };
      for (const policy of policies.listFor(targetPortOf(target, serviceOf))) {
        for (const { holder } of attached) gateways.get(policy)?.add(holder.gateway);
        if (isPending) pending.add(policy);
      }
    }
  }
  return new Map(
    decided.map((one) => {
      const { meta } = one.policy;
      const conditions = describePolicy(one);
      const names = [...(gateways.get(one) ?? [])].map((gateway) => gateway.meta);
      const ancestors = names
        .sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1))
        .map(({ namespace, name }) => ({
          ancestorRef: { group: gatewayGroup, kind: 'Gateway', namespace, name },
          conditions,
        }));
      const report = { uid: meta.uid, generation: meta.generation, ancestors };
      return [`${meta.namespace}/${meta.name}`, pending.has(one) ? { ...report, isPending: true as const } : report];
    }),
  );
}

function describePolicy({ refusal, unresolved, lost }: DecidedPolicy): readonly ConditionDraft[] {
  const resolved =
    unresolved === undefined
      ? yes('ResolvedRefs', 'ResolvedRefs', '')
      : no('ResolvedRefs', unresolved.reason, unresolved.message);
  if (lost.length > 0) {
    const message = `another BackendTLSPolicy takes precedence for Service ${lost.join(', ')}`;
    return [no('Accepted', 'Conflicted', message), resolved];
  }
  if (refusal !== undefined) return [no('Accepted', refusal.reason, refusal.message), resolved];
  return [yes('Accepted', 'Accepted', ''), resolved];
}
