import { formatPrefix } from '../../model/address.ts';
import { formatPolicyRule, formatRoute } from '../../model/format.ts';
import type { NamespaceSnapshot, Route } from '../../model/network.ts';
import type { AttachmentState } from '../../model/state.ts';
import { ownerComment } from '../../rules/owner.ts';
import { type Desired, ownerOf } from './desired.ts';
import { isSameRoute } from './remove.ts';
import type { Resolved } from './resolve.ts';

/**
 * Names everything of an attachment that is not as it shall be, a line each: link, addresses, routes,
 * policy rules and settings. The rules are the backend's to compare. Routes that others added are
 * no deviation (CNI spec 1.1.0 §CHECK).
 */
export function listDeviations(
  desired: Desired,
  resolved: Resolved,
  state: AttachmentState,
  pod: NamespaceSnapshot,
  others: readonly AttachmentState[],
): string[] {
  return [
    ...checkLink(desired, resolved, state, pod),
    ...checkRoutes(desired, state, pod, others),
    ...desired.policyRules
      .filter((rule) => !pod.policyRules.some((one) => formatPolicyRule(one) === formatPolicyRule(rule)))
      .map((rule) => `policy rule is missing: ${formatPolicyRule(rule)}`),
    ...checkSysctls(desired, pod),
  ];
}

function checkLink(
  { link: name }: Desired,
  { spec, master, mtu, reserved }: Resolved,
  state: AttachmentState,
  pod: NamespaceSnapshot,
): string[] {
  const link = pod.links.find((one) => one.name === name);
  if (link === undefined) return [`interface ${name} is missing`];
  const problems: string[] = [];
  if (link.kind !== 'macvlan') problems.push(`interface ${name} is a ${link.kind ?? 'device'}, not a macvlan`);
  else if (link.macvlanMode !== spec.mode)
    problems.push(`interface ${name} has mode ${link.macvlanMode}, not ${spec.mode}`);
  if (link.parentIndex !== master.index) problems.push(`interface ${name} is not on master ${master.name}`);
  if (link.alias !== ownerComment(ownerOf(state.id)))
    problems.push(`interface ${name} was replaced: its alias is not ours`);
  if (link.mtu !== mtu) problems.push(`interface ${name} has MTU ${link.mtu}, not ${mtu}`);
  if (spec.mac !== undefined && link.mac !== spec.mac) {
    problems.push(`interface ${name} has hardware address ${link.mac}, not ${spec.mac}`);
  }
  if (!link.up) problems.push(`interface ${name} is down`);
  for (const { prefix } of reserved) {
    const there = pod.addresses.some((one) => one.link === name && formatPrefix(one.prefix) === formatPrefix(prefix));
    if (!there) problems.push(`address ${formatPrefix(prefix)} is missing on ${name}`);
  }
  return problems;
}

function checkRoutes(
  desired: Desired,
  state: AttachmentState,
  pod: NamespaceSnapshot,
  others: readonly AttachmentState[],
): string[] {
  // Somebody may have set the default of the main table anew, with another metric, and another router
  // of the pod may have taken it over: each has a table of its own, and only one can have this one.
  const stands = (one: Route, wanted: Route): boolean =>
    one.family === wanted.family &&
    one.table === wanted.table &&
    one.destination.length === wanted.destination.length &&
    one.destination.address.text === wanted.destination.address.text &&
    ((one.link === wanted.link && one.gateway?.text === wanted.gateway?.text) ||
      (wanted.destination.length === 0 && others.some((other) => other.link === one.link)));
  const present = (wanted: Route): boolean =>
    pod.routes.some((one) => isSameRoute(one, wanted) || (desired.outward.includes(wanted) && stands(one, wanted)));
  const missing = [...desired.outward, ...state.clusterRoutes, ...desired.privateOutward, ...state.inwardRoutes].filter(
    (route) => !present(route),
  );
  const back = pod.routes.filter((route) => state.oldDefaults.some((old) => isSameRoute(route, old)));
  return [
    ...missing.map((route) => `route is missing: ${formatRoute(route)}`),
    ...back.map((route) => `old default route is back: ${formatRoute(route)}`),
  ];
}

function checkSysctls(desired: Desired, pod: NamespaceSnapshot): string[] {
  return [...desired.sysctls, ...desired.forwarding, ...desired.linkSysctls].flatMap(({ key, value }) => {
    const seen = pod.sysctls.get(key);
    return seen === undefined || seen === value ? [] : [`${key} is ${seen}, not ${value}`];
  });
}
