import { type Family, hostPrefix, networkOf, type Prefix } from '../../base/model/address.ts';
import { isLinkType } from '../../base/model/link-kind.ts';
import { type Link, mainTable, type NamespaceSnapshot, type PolicyRule, type Route } from '../../base/model/network.ts';
import type { RedirectSet } from '../../base/model/redirect.ts';
import type { RuleProgram } from '../../base/model/rules.ts';
import type { AttachmentId } from '../model/attachment.ts';
import type { LinkGuard } from '../model/guard.ts';
import { inwardMark, markMask, outwardMark } from './marks.ts';
import { numbersOf } from './numbers.ts';
import type { Resolved, ResolvedAddress } from './resolve.ts';
import { compileEgress } from './rules.ts';

/** `RTPROT_BOOT`, the protocol that `ip route add` sets and `ip route` hides. */
const bootProtocol = 3;
/**
 * Protocol number of the router's cluster routes in the main table, which identifies them after the state
 * file is lost. Routing daemons use 8 to 42 and 186 and up.
 */
export const clusterProtocol = 69;
/** Metric that loses against any other route. */
const lastMetric = 4278198272;

/** Desired state of the pod's namespace. */
export interface Desired {
  readonly link: string;
  readonly program: RuleProgram;
  readonly guard: LinkGuard;
  /** Routes of the main table through the egress interface. */
  readonly outward: readonly Route[];
  /** Private table for packets that arrive on the pod interface. */
  readonly privateOutward: readonly Route[];
  /** Private table for replies to the pod interface. */
  readonly inward: readonly Route[];
  /** Routes of the main table to networks behind the pod interface. */
  readonly cluster: readonly Route[];
  readonly policyRules: readonly PolicyRule[];
  /** Sysctls of the namespace, without those of the link. */
  readonly sysctls: readonly { readonly key: string; readonly value: string }[];
  /** Sysctls that only enable traffic counters. */
  readonly accounting: readonly { readonly key: string; readonly value: string }[];
  /** Sysctls that enable forwarding; applied last, reverted first. */
  readonly forwarding: readonly { readonly key: string; readonly value: string }[];
  /** Sysctls of the link, which disappear with it. */
  readonly linkSysctls: readonly { readonly key: string; readonly value: string }[];
}

/** Derives the desired state of a resolved attachment; `pod` is the namespace before ADD. */
export function describeDesired(id: AttachmentId, link: string, resolved: Resolved, pod: NamespaceSnapshot): Desired {
  const { spec, reserved, slot, podLinks } = resolved;
  const families = reserved.map(({ prefix }) => prefix.address.family);
  return {
    link,
    program: describeProgram(
      { id, link, podLinks, reserved: reserved.map(({ prefix }) => prefix), slot },
      spec.redirects,
    ),
    guard: { link, owner: ownerOf(id), addresses: reserved.map(({ prefix }) => prefix.address) },
    outward: reserved.flatMap((one) => outwardRoutes(one, link, mainTable)),
    privateOutward: reserved.flatMap((one) => privateOutwardRoutes(one, link, numbersOf(slot).outwardTable)),
    inward: reserved.flatMap((one) => inwardRoutes(one.prefix.address.family, resolved, pod)),
    cluster: reserved.flatMap((one) => clusterRoutes(one.prefix.address.family, resolved, pod)),
    policyRules: families.flatMap((family) => policyRules(family, slot, podLinks[family])),
    sysctls: namespaceSysctls(families, podLinks, pod),
    accounting: [{ key: 'net/netfilter/nf_conntrack_acct', value: '1' }],
    forwarding: families.map((family) =>
      family === 4 ? { key: 'net/ipv4/ip_forward', value: '1' } : { key: 'net/ipv6/conf/all/forwarding', value: '1' },
    ),
    linkSysctls: linkSysctls(families, link, pod),
  };
}

/** Inputs of an attachment's rules besides its redirects, both at ADD and later. */
export interface RouterPlace {
  readonly id: AttachmentId;
  readonly link: string;
  readonly podLinks: Resolved['podLinks'];
  readonly reserved: readonly Prefix[];
  readonly slot: number;
}

/** Compiles the rules of an attachment. */
export function describeProgram(
  { id, link, podLinks, reserved, slot }: RouterPlace,
  redirects: RedirectSet,
): RuleProgram {
  return compileEgress({
    owner: ownerOf(id),
    egressLink: link,
    podLinks,
    reserved: reserved.map(({ address }) => address),
    redirects,
    slot,
  });
}

/** Returns the owner of an attachment's rules and links: its container ID, cut to fit a rule's comment. */
export function ownerOf(id: AttachmentId): string {
  return id.containerId.slice(0, 64);
}

/**
 * Returns the temporary name of an attachment's link until its alias names the owner. If the plugin is killed
 * in between, the next call recognizes the link by this name.
 */
export function temporaryLinkOf({ containerId, ifname }: AttachmentId): string {
  return `er-${hashOf(`${containerId} ${ifname}`).toString(16).padStart(12, '0')}`;
}

/** Returns 48 bits of 64-bit FNV-1a, enough to distinguish the attachments of a pod. Loading node:crypto takes a millisecond. */
function hashOf(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash >> 16n;
}

/** Returns whether an interrupted call left this link. The caller holds the namespace lock, so no call is creating one. */
export function isHalfMade(link: Link): boolean {
  return isLinkType(link.kind) && /^er-[0-9a-f]{12}$/.test(link.name);
}

/** Returns `GW dev net1` and `default via GW dev net1`, the routes of OpenShift's egress router. */
function outwardRoutes({ prefix, gateway }: ResolvedAddress, link: string, table: number): Route[] {
  const { family } = prefix.address;
  const common = { family, table, link, type: 'unicast', protocol: bootProtocol, onlink: false } as const;
  const metric = family === 6 ? { metric: 1024 } : {};
  return [
    { ...common, ...metric, destination: hostPrefix(gateway), scope: family === 4 ? 'link' : 'universe' },
    { ...common, ...metric, destination: defaultOf(family), scope: 'universe', gateway },
  ];
}

function defaultOf(family: Family): Route['destination'] {
  return { address: { family, text: family === 4 ? '0.0.0.0' : '::' }, length: 0 };
}

/** Returns the private default route, which does not depend on the main table; below it, packets are unreachable. */
function privateOutwardRoutes(reserved: ResolvedAddress, link: string, table: number): Route[] {
  const { prefix } = reserved;
  const { family } = prefix.address;
  const common = { family, table, protocol: bootProtocol, onlink: false } as const;
  const metric = family === 6 ? { metric: 1024 } : {};
  const connected: Route[] =
    networkOf(prefix).length === (family === 4 ? 32 : 128)
      ? []
      : [
          {
            ...common,
            ...metric,
            type: 'unicast',
            destination: networkOf(prefix),
            link,
            scope: family === 4 ? 'link' : 'universe',
          },
        ];
  return [
    ...connected,
    ...outwardRoutes(reserved, link, table),
    { ...common, type: 'unreachable', destination: defaultOf(family), scope: 'universe', metric: lastMetric },
  ];
}

/** Copies the pod interface's routes, so that replies take the same path as without the attachment. */
function inwardRoutes(family: Family, { podLinks, podDefaults, slot }: Resolved, pod: NamespaceSnapshot): Route[] {
  const podLink = podLinks[family];
  if (podLink === undefined) return [];
  const table = numbersOf(slot).inwardTable;
  const own = pod.routes.filter(
    (route) =>
      route.table === mainTable &&
      route.family === family &&
      route.link === podLink &&
      route.destination.length > 0 &&
      route.type === 'unicast',
  );
  const defaults = podDefaults.filter((route) => route.family === family);
  // The kernel rejects a route whose next hop is unreachable, so routes to gateways come first.
  return [
    ...own.filter((route) => route.gateway === undefined),
    ...own.filter((route) => route.gateway !== undefined),
    ...defaults,
  ].map((route) => ({ ...route, table, protocol: bootProtocol }));
}

/** Returns routes through the cluster network to the configured cluster networks and the node. */
function clusterRoutes(family: Family, resolved: Resolved, pod: NamespaceSnapshot): Route[] {
  const podLink = resolved.podLinks[family];
  const old = resolved.podDefaults.find((route) => route.family === family);
  if (podLink === undefined || old === undefined) return [];
  const destinations = [
    ...resolved.spec.clusterNetworks.filter((prefix) => prefix.address.family === family).map(networkOf),
    ...resolved.nodeAddresses.filter((address) => address.family === family).map(hostPrefix),
  ];
  const present = new Set(
    pod.routes
      .filter((route) => route.table === mainTable && route.link === podLink)
      .map((route) => `${route.destination.address.text}/${route.destination.length}`),
  );
  return destinations
    .filter((prefix) => !present.has(`${prefix.address.text}/${prefix.length}`))
    .map((destination) => ({
      family,
      table: mainTable,
      type: 'unicast',
      destination,
      link: podLink,
      scope: old.gateway === undefined && family === 4 ? 'link' : 'universe',
      protocol: clusterProtocol,
      onlink: old.onlink,
      ...(old.gateway === undefined ? {} : { gateway: old.gateway }),
      ...(family === 6 ? { metric: 1024 } : {}),
    }));
}

function policyRules(family: Family, slot: number, podLink: string | undefined): PolicyRule[] {
  if (podLink === undefined) return [];
  const numbers = numbersOf(slot);
  const outward = { family, mask: markMask, table: numbers.outwardTable, priority: numbers.outwardPriority };
  return [
    { ...outward, mark: inwardMark(slot), incoming: podLink },
    { ...outward, mark: outwardMark(slot) },
    { family, mask: markMask, mark: inwardMark(slot), table: numbers.inwardTable, priority: numbers.inwardPriority },
  ];
}

function namespaceSysctls(
  families: readonly Family[],
  podLinks: Resolved['podLinks'],
  pod: NamespaceSnapshot,
): { key: string; value: string }[] {
  const settings = families.flatMap((family) =>
    podLinks[family] === undefined ? [] : [{ key: `net/ipv${family}/fwmark_reflect`, value: '1' }],
  );
  const strict =
    pod.sysctls.get('net/ipv4/conf/all/rp_filter') === '1' ||
    pod.sysctls.get(`net/ipv4/conf/${podLinks[4]}/rp_filter`) === '1';
  // Only the private table has routes to the networks of clients, so the strict check would drop their packets.
  if (podLinks[4] !== undefined && strict) settings.push({ key: `net/ipv4/conf/${podLinks[4]}/rp_filter`, value: '2' });
  return settings;
}

function linkSysctls(
  families: readonly Family[],
  link: string,
  pod: NamespaceSnapshot,
): { key: string; value: string }[] {
  const settings: { key: string; value: string }[] = [];
  if (families.includes(4)) settings.push({ key: `net/ipv4/conf/${link}/arp_notify`, value: '1' });
  // Answer only for the link's own address. Another router of the pod may be on the same network, and the
  // pod's cluster address must not be visible there.
  settings.push({ key: `net/ipv4/conf/${link}/arp_ignore`, value: '1' });
  settings.push({ key: `net/ipv4/conf/${link}/arp_announce`, value: '2' });
  // Replies may come from addresses for which the main table has no route. If the namespace is strict, make
  // the link loose; the private tables then count as routes.
  const strict = pod.sysctls.get('net/ipv4/conf/all/rp_filter') === '1';
  settings.push({ key: `net/ipv4/conf/${link}/rp_filter`, value: strict ? '2' : '0' });
  settings.push({ key: `net/ipv4/conf/${link}/src_valid_mark`, value: '1' });
  // A kernel without IPv6 has no such sysctls.
  if (!pod.sysctls.has('net/ipv6/conf/all/forwarding')) return settings;
  if (!families.includes(6)) return [...settings, { key: `net/ipv6/conf/${link}/disable_ipv6`, value: '1' }];
  return [
    ...settings,
    { key: `net/ipv6/conf/${link}/disable_ipv6`, value: '0' },
    // Hosts on the physical network must not give the router addresses or routes.
    { key: `net/ipv6/conf/${link}/accept_ra`, value: '0' },
    { key: `net/ipv6/conf/${link}/accept_dad`, value: '0' },
    // EUI-64: the guard admits only the link-local address derived from the MAC address.
    { key: `net/ipv6/conf/${link}/addr_gen_mode`, value: '0' },
    { key: `net/ipv6/conf/${link}/ndisc_notify`, value: '1' },
  ];
}
