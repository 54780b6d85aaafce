import type { NamespaceSnapshot, Route } from '../../model/network.ts';
import type { Operation } from '../../model/operation.ts';
import type { AttachmentState, ChangedSysctl } from '../../model/state.ts';
import { inwardMark, markMask } from '../../rules/marks.ts';
import { ownerComment } from '../../rules/owner.ts';
import type { RuleBackend } from '../../rules/transaction.ts';
import { ownerOf } from './desired.ts';
import { numbersOf } from './numbers.ts';

/**
 * Plans what takes an attachment away and puts back what was there before, from whatever of it is
 * still there. `others` are the other attachments in the namespace: what they still need stays,
 * and becomes theirs to put back. Forwarding goes first and the door last, so that no packet
 * leaves with a wrong source meanwhile.
 */
export function planRemoval(
  state: AttachmentState,
  pod: NamespaceSnapshot,
  others: readonly AttachmentState[],
  backends: readonly RuleBackend[] = [state.backend],
): Operation[] {
  const { tables, priorities } = numbersOf(state.slot);
  const link = pod.links.find((one) => one.name === state.link && one.alias === ownerComment(ownerOf(state.id)));
  const last = others.length === 0;
  return [
    ...(last ? restoreSysctls(state, pod) : []),
    ...pod.policyRules
      .filter((rule) => priorities.includes(rule.priority) && tables.includes(rule.table))
      .map((rule): Operation => ({ do: 'delete-policy-rule', rule })),
    ...pod.routes
      .filter((route) => tables.includes(route.table))
      .map((route): Operation => ({ do: 'delete-route', route })),
    ...state.clusterRoutes
      .filter((route) => last && hasRoute(pod, route))
      .map((route): Operation => ({ do: 'delete-route', route })),
    ...(link === undefined ? [] : [{ do: 'delete-link', link: link.name } satisfies Operation]),
    ...restoreDefaults(state, pod),
    { do: 'forget-marked', value: inwardMark(state.slot), mask: markMask },
    { do: 'remove-rules', name: state.link, owner: ownerOf(state.id), backends },
    ...bequeath(state, others),
    { do: 'remove-state', id: state.id },
  ];
}

/** Settings back to what they were, forwarding first; those that somebody changed since are that one's. */
function restoreSysctls(state: AttachmentState, pod: NamespaceSnapshot): Operation[] {
  return state.sysctls
    .toReversed()
    .filter(({ key, was }) => pod.sysctls.has(key) && pod.sysctls.get(key) !== was)
    .map(({ key, was }) => ({ do: 'set-sysctl', key, value: was }));
}

/** The old default routes, unless somebody set another in their place. */
function restoreDefaults(state: AttachmentState, pod: NamespaceSnapshot): Operation[] {
  return state.oldDefaults
    .filter(
      (route) =>
        pod.links.some((link) => link.name === route.link) &&
        !pod.routes.some(
          (one) =>
            one.table === route.table &&
            one.family === route.family &&
            one.destination.length === 0 &&
            one.link !== state.link &&
            (one.metric ?? 0) === (route.metric ?? 0),
        ),
    )
    .map((route) => ({ do: 'add-route', route }));
}

function hasRoute(pod: NamespaceSnapshot, route: Route): boolean {
  return pod.routes.some((one) => isSameRoute(one, route));
}

/** Whether two routes lead the same packets the same way. */
export function isSameRoute(one: Route, other: Route): boolean {
  return (
    one.family === other.family &&
    one.table === other.table &&
    one.type === other.type &&
    one.destination.length === other.destination.length &&
    one.destination.address.text === other.destination.address.text &&
    one.gateway?.text === other.gateway?.text &&
    one.link === other.link &&
    (one.metric ?? 0) === (other.metric ?? 0)
  );
}

/** Hands what this attachment would have put back to one that stays, which puts it back in its turn. */
function bequeath(state: AttachmentState, others: readonly AttachmentState[]): Operation[] {
  const [heir] = others;
  if (heir === undefined) return [];
  const inherited: AttachmentState = {
    ...heir,
    // A default that led out by the link that goes now is replaced by the one before it.
    oldDefaults: [
      ...heir.oldDefaults.filter((route) => route.link !== state.link),
      ...state.oldDefaults.filter((route) =>
        heir.oldDefaults.some((one) => one.link === state.link && one.family === route.family),
      ),
    ],
    clusterRoutes: [...heir.clusterRoutes, ...state.clusterRoutes],
    sysctls: mergeSysctls(heir.sysctls, state.sysctls),
  };
  return [{ do: 'save-state', state: inherited }];
}

/** Of one setting, the value before the first change counts. */
function mergeSysctls(heir: readonly ChangedSysctl[], gone: readonly ChangedSysctl[]): ChangedSysctl[] {
  return [...heir.filter(({ key }) => !gone.some((one) => one.key === key)), ...gone];
}
