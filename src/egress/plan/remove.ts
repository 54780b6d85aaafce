import type { Prefix } from '../../base/model/address.ts';
import { isLinkType } from '../../base/model/link-kind.ts';
import type { Link, NamespaceSnapshot, Route } from '../../base/model/network.ts';
import { ownerComment, unfinishedComment } from '../../base/rules/owner.ts';
import type { RuleBackend } from '../../base/rules/transaction.ts';
import type { Operation } from '../model/operation.ts';
import type { AttachmentState, ChangedSysctl } from '../model/state.ts';
import { ownerOf, temporaryLinkOf } from './desired.ts';
import { inwardMark, markMask } from './marks.ts';
import { numbersOf } from './numbers.ts';
import { ownerOfAlias } from './recover.ts';

/**
 * Plans the removal of an attachment, complete or partial, and the restoration of the previous state. Settings
 * that `others`, the remaining attachments in the namespace, still need are left to them to restore. Forwarding
 * and the link are closed first, so that no packet leaves with a wrong source address. Slow kernel operations
 * follow. The old default route returns only when no connection is translated any more.
 */
export function planRemoval(
  state: AttachmentState,
  pod: NamespaceSnapshot,
  others: readonly AttachmentState[],
  backends: readonly RuleBackend[] = [state.backend],
): Operation[] {
  const { tables, priorities } = numbersOf(state.slot);
  const links = pod.links.filter((link) => isOwnLink(state, link));
  const last = others.length === 0;
  const owner = ownerOf(state.id);
  return [
    // If the plugin is killed after this, the next ADD may complete the removal.
    ...links
      .filter(({ alias }) => alias === ownerComment(owner))
      .map(({ name }): Operation => ({ do: 'set-link-alias', link: name, alias: unfinishedComment(owner) })),
    ...(last ? restoreSysctls(state, pod) : []),
    ...links
      .filter(({ up }) => up)
      .map(({ name }): Operation => ({ do: 'close-link', link: name, addresses: addressesOf(pod, name) })),
    { do: 'remove-rules', name: state.link, owner, backends, guardOf: state.link },
    ...links.map(({ name }): Operation => ({ do: 'delete-link', link: name })),
    {
      do: 'forget-marked',
      value: inwardMark(state.slot),
      mask: markMask,
      seenAs: state.addresses.map(({ address }) => address),
    },
    ...restoreDefaults(state, pod),
    ...state.clusterRoutes
      .filter((route) => last && hasRoute(pod, route))
      .map((route): Operation => ({ do: 'delete-route', route })),
    ...pod.policyRules
      .filter((rule) => priorities.includes(rule.priority) && tables.includes(rule.table))
      .map((rule): Operation => ({ do: 'delete-policy-rule', rule })),
    ...pod.routes
      .filter((route) => tables.includes(route.table) && !links.some(({ name }) => name === route.link))
      .map((route): Operation => ({ do: 'delete-route', route })),
    ...bequeath(state, others),
    { do: 'remove-state', id: state.id },
  ];
}

function addressesOf(pod: NamespaceSnapshot, link: string): Prefix[] {
  return pod.addresses.filter((one) => one.link === link).map(({ prefix }) => prefix);
}

/**
 * Returns whether a link belongs to a state, by its alias or its temporary name. Earlier versions created the
 * link under its final name; if they were killed, they left a macvlan that is down and has no alias.
 */
function isOwnLink(state: AttachmentState, link: Link): boolean {
  if (link.name === temporaryLinkOf(state.id)) return true;
  if (link.name !== state.link) return false;
  return (
    ownerOfAlias(link.alias) === ownerOf(state.id) ||
    (isLinkType(link.kind) && link.alias === undefined && !link.up && state.network !== '')
  );
}

/** Restores sysctls, forwarding first. */
function restoreSysctls(state: AttachmentState, pod: NamespaceSnapshot): Operation[] {
  return state.sysctls
    .toReversed()
    .filter(({ key, was }) => pod.sysctls.has(key) && pod.sysctls.get(key) !== was)
    .map(({ key, was }) => ({ do: 'set-sysctl', key, value: was }));
}

/** Restores the old default routes, unless another one has taken their place. */
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

/** Returns whether two routes are equivalent. */
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

/** Transfers the settings that this attachment would restore to a remaining attachment. */
function bequeath(state: AttachmentState, others: readonly AttachmentState[]): Operation[] {
  const [heir] = others;
  if (heir === undefined) return [];
  const inherited: AttachmentState = {
    ...heir,
    // The remaining attachment must not restore a default route through the deleted link, but the previous one it.
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

/** Merges saved sysctls; the value from before the first change wins. */
function mergeSysctls(heir: readonly ChangedSysctl[], gone: readonly ChangedSysctl[]): ChangedSysctl[] {
  return [...heir.filter(({ key }) => !gone.some((one) => one.key === key)), ...gone];
}
