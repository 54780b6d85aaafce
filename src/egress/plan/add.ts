import { formatPrefix } from '../../base/model/address.ts';
import { mainTable, type NamespaceId, type NamespaceSnapshot, type Route } from '../../base/model/network.ts';
import { fallbackOf } from '../../base/model/redirect.ts';
import { ownerComment, unfinishedComment } from '../../base/rules/owner.ts';
import type { RuleBackend } from '../../base/rules/transaction.ts';
import { rememberRedirects } from '../api/remembered.ts';
import type { AttachmentId } from '../model/attachment.ts';
import type { Operation, Step } from '../model/operation.ts';
import {
  type AttachmentState,
  type ChangedSysctl,
  type PodName,
  type RememberedRouter,
  stateVersion,
} from '../model/state.ts';
import { type Desired, describeDesired, ownerOf, temporaryLinkOf } from './desired.ts';
import { inwardMark, markMask } from './marks.ts';
import type { Resolved } from './resolve.ts';

/** Input of {@link planAdd}. */
export interface AddRequest {
  readonly id: AttachmentId;
  /** Name of the interface to create. */
  readonly link: string;
  readonly resolved: Resolved;
  readonly pod: NamespaceSnapshot;
  readonly netns: NamespaceId;
  readonly bootId: string;
  readonly backend: RuleBackend;
  /** Absolute path of the plugin's log. */
  readonly logFile: string;
  /** From CNI_ARGS; absent if the runtime did not pass it. */
  readonly podName?: PodName;
}

/** Steps of an ADD, and the state to save. */
export interface AddPlan {
  readonly steps: readonly Step[];
  readonly state: AttachmentState;
  readonly desired: Desired;
}

/**
 * Plans an ADD in a namespace that holds nothing of this attachment. The order guarantees that no packet
 * leaves with a wrong source address: state file, rules that block forwarding, link and guard, routes, and
 * forwarding last. Conntrack entries from before are deleted once no packet can create another untranslated one.
 */
export function planAdd(request: AddRequest): AddPlan {
  const { id, link, resolved, pod } = request;
  const desired = describeDesired(id, link, resolved, pod);
  const changes = [...desired.sysctls, ...desired.accounting, ...desired.forwarding].flatMap(({ key, value }) => {
    const was = pod.sysctls.get(key);
    return was === undefined || was === value ? [] : [{ key, value, was }];
  });
  const state = describeState(request, desired, changes);
  const steps: Step[] = [
    step({ do: 'save-state', state }, { do: 'remove-state', id }),
    step(
      { do: 'change-rules', to: desired.program },
      {
        do: 'remove-rules',
        name: desired.program.name,
        owner: desired.program.owner,
        backends: [request.backend],
      },
    ),
    ...changes.filter(({ key }) => !isForwarding(desired, key)).map(setSysctl),
    ...planLink(request, desired),
    ...desired.outward.filter((route) => route.destination.length > 0).map((route) => addRoute(route)),
    ...[...desired.privateOutward, ...desired.inward].map((route) => addRoute(route)),
    ...desired.policyRules.map((rule) => step({ do: 'add-policy-rule', rule }, { do: 'delete-policy-rule', rule })),
    ...desired.cluster.map((route) => addRoute(route)),
    ...resolved.oldDefaults.map((route) => step({ do: 'delete-route', route }, { do: 'add-route', route })),
    ...desired.outward.filter((route) => route.destination.length === 0).map((route) => addRoute(route)),
    step(
      {
        do: 'forget-untranslated',
        ports: [...resolved.spec.redirects.redirects, ...(resolved.spec.redirects.named ?? [])],
        fallback:
          resolved.spec.redirects.fallbackName !== undefined ||
          resolved.reserved.some(
            ({ prefix }) => fallbackOf(resolved.spec.redirects, prefix.address.family) !== undefined,
          ),
        kept: [...pod.routes.filter(isKept), ...desired.cluster].map(({ destination }) => destination),
      },
      // On undo, connections created in the meantime must not outlive the rules.
      { do: 'forget-marked', value: inwardMark(resolved.slot), mask: markMask, seenAs: desired.guard.addresses },
    ),
    ...changes.filter(({ key }) => isForwarding(desired, key)).map(setSysctl),
    // The kernel's own announcement may be lost; neighbors of a moved router need a second one.
    { operation: { do: 'announce', link } },
    // Marks the link as finished. If the plugin is killed before this, the next ADD may delete the link.
    { operation: { do: 'set-link-alias', link, alias: ownerComment(ownerOf(id)) } },
  ];
  return { steps, state, desired };
}

/** Returns whether a route is unaffected by a change of the default route. */
function isKept(route: Route): boolean {
  return route.table === mainTable && route.destination.length > 0 && route.type === 'unicast';
}

function isForwarding(desired: Desired, key: string): boolean {
  return desired.forwarding.some((one) => one.key === key);
}

function step(operation: Operation, undo: Operation): Step {
  return { operation, undo };
}

function addRoute(route: AttachmentState['oldDefaults'][number]): Step {
  return step({ do: 'add-route', route }, { do: 'delete-route', route });
}

function setSysctl({ key, value, was }: ChangedSysctl & { value: string }): Step {
  return step({ do: 'set-sysctl', key, value, was }, { do: 'set-sysctl', key, value: was });
}

/** Returns the steps for the link and its settings; deleting the link undoes all of them. */
function planLink({ link, resolved, id }: AddRequest, desired: Desired): Step[] {
  const { spec, master, mtu, reserved } = resolved;
  const temporary = temporaryLinkOf(id);
  const mac = spec.mac === undefined ? {} : { mac: spec.mac };
  return [
    step(
      { do: 'create-link', name: temporary, becomes: link, masterIndex: master.index, kind: spec.kind, mtu, ...mac },
      { do: 'delete-link', link: temporary },
    ),
    step(
      { do: 'claim-link', link: temporary, alias: unfinishedComment(ownerOf(id)), name: link },
      { do: 'delete-link', link },
    ),
    ...desired.linkSysctls.map(({ key, value }): Step => ({ operation: { do: 'set-sysctl', key, value } })),
    // The kernel announces the addresses that a link has when it comes up.
    ...reserved.map(({ prefix }): Step => ({ operation: { do: 'add-address', link, prefix } })),
    // Before the link is up, so that no frame leaves it unguarded.
    step({ do: 'guard-link', guard: desired.guard }, { do: 'remove-guard', link, owner: ownerOf(id) }),
    step({ do: 'set-link-up', link }, { do: 'set-link-down', link }),
  ];
}

function describeState(
  { id, link, resolved, netns, bootId, backend, logFile, podName }: AddRequest,
  desired: Desired,
  changes: readonly ChangedSysctl[],
): AttachmentState {
  return {
    version: stateVersion,
    id,
    network: resolved.spec.network,
    netns,
    bootId,
    link,
    master: resolved.master.name,
    slot: resolved.slot,
    backend,
    podLinks: ([4, 6] as const).flatMap((family) => {
      const podLink = resolved.podLinks[family];
      return podLink === undefined ? [] : [{ family, link: podLink }];
    }),
    oldDefaults: resolved.oldDefaults,
    clusterRoutes: desired.cluster,
    inwardRoutes: desired.inward,
    addresses: resolved.reserved.map(({ prefix }) => prefix),
    sysctls: changes.map(({ key, was }) => ({ key, was })),
    ...(podName === undefined ? {} : { pod: podName }),
    router: describeRouter(resolved, logFile),
  };
}

function describeRouter({ spec, mtu, reserved }: Resolved, logFile: string): RememberedRouter {
  return {
    linkType: spec.kind.type,
    mode: spec.kind.mode,
    mtu,
    ...(spec.mac === undefined ? {} : { mac: spec.mac }),
    gateways: reserved.map(({ gateway }) => gateway),
    ...rememberRedirects(spec.redirects),
    clusterNetworks: spec.clusterNetworks.map(formatPrefix),
    logFile,
  };
}
