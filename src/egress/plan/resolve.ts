import {
  type Address,
  containsAddress,
  type Family,
  formatPrefix,
  isLinkLocal,
  type Prefix,
} from '../../base/model/address.ts';
import { listMasterCandidates } from '../../base/model/master.ts';
import {
  type Link,
  mainTable,
  type NamespaceSnapshot,
  type NodeReading,
  type NodeSnapshot,
  type Route,
} from '../../base/model/network.ts';
import { fallbackOf, namesOf } from '../../base/model/redirect.ts';
import type { AttachmentSpec, ReservedAddress } from '../model/attachment.ts';
import type { AttachmentState } from '../model/state.ts';
import { PlanError } from './error.ts';
import { maximumSlot } from './marks.ts';
import { numbersOf } from './numbers.ts';
import { refuseOverlap } from './overlap.ts';

/** A reserved address and its gateway. */
export interface ResolvedAddress {
  readonly prefix: Prefix;
  readonly gateway: Address;
}

/** An attachment with all values that depend on the node and the pod. */
export interface Resolved {
  readonly spec: AttachmentSpec;
  readonly master: Link;
  /** Bytes. */
  readonly mtu: number;
  readonly reserved: readonly ResolvedAddress[];
  /** The node's addresses on the master, which a macvlan cannot reach. */
  readonly nodeAddresses: readonly Address[];
  /** Pod interface, by family. */
  readonly podLinks: Readonly<Partial<Record<Family, string>>>;
  /** Default routes that the attachment replaces. */
  readonly oldDefaults: readonly Route[];
  /** Default routes for replies to the cluster. */
  readonly podDefaults: readonly Route[];
  readonly slot: number;
}

/** Returns which parts of the node {@link resolveMaster} needs. */
export function nodeReadingFor({ master, reserved }: AttachmentSpec): NodeReading {
  const routes = master === undefined || reserved.some(({ gateway }) => gateway === undefined);
  return { routes, ...(master !== undefined && { master }) };
}

/** Finds master, MTU and gateways on the node. Throws {@link PlanError}. */
export function resolveMaster(
  spec: AttachmentSpec,
  node: NodeSnapshot,
): Pick<Resolved, 'master' | 'mtu' | 'reserved' | 'nodeAddresses'> {
  const master = findMaster(spec, node);
  const mtu = spec.mtu ?? master.mtu;
  if (mtu > master.mtu) {
    throw new PlanError(
      'configuration',
      `interfaceArgs.mtu "${mtu}": must be at most ${master.mtu}, the MTU of master ${master.name}`,
    );
  }
  const nodeAddresses = node.addresses
    .filter(({ link, prefix }) => link === master.name && !isLinkLocal(prefix.address))
    .map(({ prefix }) => prefix.address);
  const reserved = spec.reserved.map((one) => resolveGateway(one, master, node));
  for (const { prefix, gateway } of reserved) {
    refuseNodeAddress('ip.addresses', prefix.address, master, nodeAddresses);
    refuseNodeAddress('ip.gateway', gateway, master, nodeAddresses);
  }
  return { master, mtu, reserved, nodeAddresses };
}

function refuseNodeAddress(path: string, address: Address, master: Link, taken: readonly Address[]): void {
  if (!taken.some((one) => one.text === address.text)) return;
  throw new PlanError(
    'configuration',
    `${path} "${address.text}": belongs to the node itself on master ${master.name}, and a macvlan cannot reach it; ` +
      'use another address of the network',
  );
}

function findMaster(spec: AttachmentSpec, node: NodeSnapshot): Link {
  if (spec.master !== undefined) return namedMaster(spec.master, node);
  const bySubnet = spec.reserved.flatMap(({ prefix }) =>
    node.addresses.filter(
      (one) =>
        one.prefix.length < 32 + (one.prefix.address.family === 6 ? 96 : 0) &&
        containsAddress(one.prefix, prefix.address),
    ),
  );
  const name = bySubnet[0]?.link ?? node.defaultRoutes.find((route) => route.link !== undefined)?.link;
  if (name !== undefined) return namedMaster(name, node);
  const wanted = spec.reserved.map(({ prefix }) => formatPrefix(prefix)).join(', ');
  throw new PlanError(
    'configuration',
    `interfaceArgs.master: is not set, no interface of the node is in the network of ${wanted}, ` +
      'and the node has no default route; set interfaceArgs.master to an interface of the node',
  );
}

function namedMaster(name: string, node: NodeSnapshot): Link {
  const master = node.links.find((link) => link.name === name);
  if (master === undefined) {
    throw new PlanError(
      'configuration',
      `interfaceArgs.master "${name}": the node has no such interface; ` +
        `it has ${listMasterCandidates(node.links, node.addresses)}`,
    );
  }
  if (!master.up) {
    throw new PlanError(
      'environment',
      `interfaceArgs.master "${name}": the interface is down; set it up with "ip link set ${name} up"`,
    );
  }
  return master;
}

function resolveGateway({ prefix, gateway }: ReservedAddress, master: Link, node: NodeSnapshot): ResolvedAddress {
  if (gateway !== undefined) return { prefix, gateway };
  const candidates = new Set(
    node.defaultRoutes.flatMap((route) =>
      route.link === master.name && route.gateway !== undefined && containsAddress(prefix, route.gateway)
        ? [route.gateway.text]
        : [],
    ),
  );
  const [only] = candidates;
  if (only === undefined || candidates.size > 1) {
    const seen = candidates.size === 0 ? 'has no default gateway' : `has ${candidates.size} default gateways`;
    throw new PlanError(
      'configuration',
      `ip.gateway: is not set, and master ${master.name} ${seen} in ${formatPrefix(prefix)}; ` +
        'set ip.gateway to the IP address of the next hop',
    );
  }
  return { prefix, gateway: { family: prefix.address.family, text: only } };
}

/**
 * Finds the pod interface, the default routes to replace, and a free slot. `others` are the existing
 * attachments in this namespace. Throws {@link PlanError}.
 */
export function resolvePod(
  spec: AttachmentSpec,
  pod: NamespaceSnapshot,
  others: readonly AttachmentState[],
): Pick<Resolved, 'podLinks' | 'oldDefaults' | 'podDefaults' | 'slot'> {
  refuseOverlap(spec, others);
  const podLinks: Partial<Record<Family, string>> = {};
  const oldDefaults: Route[] = [];
  const podDefaults: Route[] = [];
  for (const { prefix } of spec.reserved) {
    const { family } = prefix.address;
    const defaults = defaultRoutes(pod, family);
    oldDefaults.push(...defaults);
    const link = findPodLink(family, defaults, pod, others);
    if (link !== undefined) {
      podLinks[family] = link;
      podDefaults.push(...findPodDefaults(family, link, defaults, others));
    } else if (needsPodLink(spec, family)) {
      throw new PlanError(
        'environment',
        `the pod has no IPv${family} address on which clients can connect, ` +
          `but the configuration has redirects to IPv${family} destinations; give the pod an IPv${family} address ` +
          'on the cluster network or remove the redirects',
      );
    }
  }
  return { podLinks, oldDefaults, podDefaults, slot: freeSlot(pod, others) };
}

/** Returns the default routes of the main table by ascending metric. */
function defaultRoutes(pod: NamespaceSnapshot, family: Family): Route[] {
  return pod.routes
    .filter(
      (route) =>
        route.table === mainTable &&
        route.family === family &&
        route.destination.length === 0 &&
        route.type === 'unicast' &&
        route.link !== undefined,
    )
    .sort((one, other) => (one.metric ?? 0) - (other.metric ?? 0));
}

function needsPodLink(spec: AttachmentSpec, family: Family): boolean {
  const { redirects } = spec.redirects;
  // A name needs one family that is served; of the other, its connections are refused.
  if (spec.reserved.length === 1 && namesOf(spec.redirects).length > 0) return true;
  return redirects.some((one) => one.target.family === family) || fallbackOf(spec.redirects, family) !== undefined;
}

/**
 * Returns the interface of the pod's default route. If another router in the pod replaced that route, uses
 * the interface in its state; without a default route, the first interface with an address of the family.
 */
function findPodLink(
  family: Family,
  defaults: readonly Route[],
  pod: NamespaceSnapshot,
  others: readonly AttachmentState[],
): string | undefined {
  const ours = new Set(others.map((state) => state.link));
  const byDefault = defaults.find((route) => route.link !== undefined && !ours.has(route.link))?.link;
  if (byDefault !== undefined) return byDefault;
  const byOther = others.flatMap((state) => state.podLinks).find((one) => one.family === family)?.link;
  if (byOther !== undefined && pod.links.some((link) => link.name === byOther)) return byOther;
  return pod.links.find(
    (link) =>
      link.name !== 'lo' &&
      !ours.has(link.name) &&
      pod.addresses.some(
        ({ link: name, prefix }) =>
          name === link.name && prefix.address.family === family && !isLinkLocal(prefix.address),
      ),
  )?.name;
}

/** Returns the pod interface's default routes, if necessary from the state of the router that replaced them. */
function findPodDefaults(
  family: Family,
  link: string,
  defaults: readonly Route[],
  others: readonly AttachmentState[],
): readonly Route[] {
  const present = defaults.filter((route) => route.link === link);
  if (present.length > 0) return present;
  return others.flatMap((state) => state.oldDefaults).filter((route) => route.family === family && route.link === link);
}

function freeSlot(pod: NamespaceSnapshot, others: readonly AttachmentState[]): number {
  for (let slot = 1; slot <= maximumSlot; slot++) {
    const { tables, priorities } = numbersOf(slot);
    const taken =
      others.some((state) => state.slot === slot) ||
      pod.routes.some((route) => tables.includes(route.table)) ||
      pod.policyRules.some((rule) => tables.includes(rule.table) || priorities.includes(rule.priority));
    if (!taken) return slot;
  }
  throw new PlanError(
    'environment',
    `the pod already has ${others.length} egress routers, or their tables and priorities are taken; a network namespace holds at most ${maximumSlot}: remove a router from the pod`,
  );
}
