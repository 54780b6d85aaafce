import { type Family, formatPrefix } from '../../base/model/address.ts';
import { formatPolicyRule, formatRoute } from '../../base/model/format.ts';
import type { NamespaceSnapshot, PolicyRule, Route } from '../../base/model/network.ts';
import { ownerComment } from '../../base/rules/owner.ts';
import type { AttachmentState } from '../model/state.ts';
import { type Desired, ownerOf } from './desired.ts';
import { isSameRoute } from './remove.ts';
import type { Resolved } from './resolve.ts';

/** Kinds of deviations. */
export type DeviationKind =
  | 'link-missing'
  | 'link-kind'
  | 'link-mode'
  | 'link-master'
  | 'link-alias'
  | 'link-mtu'
  | 'link-mac'
  | 'link-down'
  | 'address-missing'
  | 'route-missing'
  | 'old-default'
  | 'policy-rule-missing'
  | 'sysctl';

/** A difference between the desired and the actual state. */
export interface Deviation {
  readonly kind: DeviationKind;
  /** In the syntax of `ip` or `sysctl`: the object to add or delete, or the `KEY=VALUE` to set. */
  readonly subject: string;
  /** Family of a route or policy rule. */
  readonly family?: Family;
  /** One line for messages. */
  readonly text: string;
}

/**
 * Returns the deviations of an attachment, one line each: link, addresses, routes, policy rules and sysctls.
 * The backend compares the firewall rules. Routes that other programs added are no deviation (CNI spec 1.1.0
 * §CHECK).
 */
export function listDeviations(...words: Parameters<typeof findDeviations>): string[] {
  return findDeviations(...words).map(({ text }) => text);
}

/** Returns the same deviations as {@link listDeviations}, with their kinds. */
export function findDeviations(
  desired: Desired,
  resolved: Resolved,
  state: AttachmentState,
  pod: NamespaceSnapshot,
  others: readonly AttachmentState[],
): Deviation[] {
  return [
    ...checkLink(desired, resolved, state, pod),
    ...checkRoutes(desired, state, pod, others),
    ...desired.policyRules
      .filter((rule) => !pod.policyRules.some((one) => isSamePolicyRule(one, rule)))
      .map((rule): Deviation => {
        const subject = formatPolicyRule(rule);
        return {
          kind: 'policy-rule-missing',
          subject,
          family: rule.family,
          text: `policy rule is missing: ${subject}`,
        };
      }),
    ...checkSysctls(desired, pod),
  ];
}

function isSamePolicyRule(one: PolicyRule, other: PolicyRule): boolean {
  return one.family === other.family && formatPolicyRule(one) === formatPolicyRule(other);
}

function checkLink(
  { link: name }: Desired,
  { spec, master, mtu, reserved }: Resolved,
  state: AttachmentState,
  pod: NamespaceSnapshot,
): Deviation[] {
  const link = pod.links.find((one) => one.name === name);
  if (link === undefined) return [{ kind: 'link-missing', subject: name, text: `interface ${name} is missing` }];
  const problems: Deviation[] = [];
  const add = (kind: DeviationKind, words: string): void => {
    problems.push({ kind, subject: name, text: `interface ${name} ${words}` });
  };
  const { type, mode } = spec.kind;
  if (link.kind !== type) add('link-kind', `is a ${link.kind ?? 'device'}, not a ${type}`);
  else if (link.settings?.mode !== mode) add('link-mode', `has mode ${link.settings?.mode}, not ${mode}`);
  if (link.parentIndex !== master.index) add('link-master', `is not on master ${master.name}`);
  if (link.alias !== ownerComment(ownerOf(state.id)))
    add('link-alias', 'was replaced: its alias does not name this router');
  if (link.mtu !== mtu) add('link-mtu', `has MTU ${link.mtu}, not ${mtu}`);
  if (spec.mac !== undefined && link.mac !== spec.mac) {
    add('link-mac', `has MAC address ${link.mac}, not ${spec.mac}`);
  }
  if (!link.up) add('link-down', 'is down');
  for (const { prefix } of reserved) {
    const subject = formatPrefix(prefix);
    const there = pod.addresses.some((one) => one.link === name && formatPrefix(one.prefix) === subject);
    if (!there) problems.push({ kind: 'address-missing', subject, text: `address ${subject} is missing on ${name}` });
  }
  return problems;
}

function checkRoutes(
  desired: Desired,
  state: AttachmentState,
  pod: NamespaceSnapshot,
  others: readonly AttachmentState[],
): Deviation[] {
  // A default route with another metric is equivalent. Another router of the pod may have taken over the
  // default route of the main table; every router keeps its own in its private table.
  const isEquivalent = (one: Route, wanted: Route): boolean =>
    one.family === wanted.family &&
    one.table === wanted.table &&
    one.destination.length === wanted.destination.length &&
    one.destination.address.text === wanted.destination.address.text &&
    ((one.link === wanted.link && one.gateway?.text === wanted.gateway?.text) ||
      (wanted.destination.length === 0 && others.some((other) => other.link === one.link)));
  const present = (wanted: Route): boolean =>
    pod.routes.some(
      (one) => isSameRoute(one, wanted) || (desired.outward.includes(wanted) && isEquivalent(one, wanted)),
    );
  const missing = [...desired.outward, ...state.clusterRoutes, ...desired.privateOutward, ...state.inwardRoutes].filter(
    (route) => !present(route),
  );
  const back = pod.routes.filter((route) => state.oldDefaults.some((old) => isSameRoute(route, old)));
  return [
    ...missing.map((route): Deviation => {
      const subject = formatRoute(route);
      return { kind: 'route-missing', subject, family: route.family, text: `route is missing: ${subject}` };
    }),
    ...back.map((route): Deviation => {
      const subject = formatRoute(route);
      return { kind: 'old-default', subject, family: route.family, text: `old default route is back: ${subject}` };
    }),
  ];
}

function checkSysctls(desired: Desired, pod: NamespaceSnapshot): Deviation[] {
  return [...desired.sysctls, ...desired.forwarding, ...desired.linkSysctls].flatMap(({ key, value }) => {
    const seen = pod.sysctls.get(key);
    if (seen === undefined || seen === value) return [];
    return [
      { kind: 'sysctl', subject: `${key}=${value}`, text: `${key} is ${seen}, not ${value}` } satisfies Deviation,
    ];
  });
}
