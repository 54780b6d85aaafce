import { type Family, hostPrefix, networkOf, type Prefix } from '../../base/model/address.ts';
import { type Link, mainTable, type NamespaceSnapshot, type PolicyRule, type Route } from '../../base/model/network.ts';
import type { RedirectSet } from '../../base/model/redirect.ts';
import type { RuleProgram } from '../../base/model/rules.ts';
import type { AttachmentId } from '../model/attachment.ts';
import type { LinkGuard } from '../model/guard.ts';
import { inwardMark, markMask, outwardMark } from './marks.ts';
import { numbersOf } from './numbers.ts';
import type { Resolved, ResolvedAddress } from './resolve.ts';
import { compileEgress } from './rules.ts';

/** `RTPROT_BOOT`: what `ip route add` writes, and `ip route` does not print. */
const bootProtocol = 3;
/**
 * Marks routes to the cluster in the main table as ours, so that they are found again when what was
 * remembered is lost. Routing daemons use numbers from 8 to 42 and from 186.
 */
export const clusterProtocol = 69;
/** Worse than any route that people write, better than none. */
const lastMetric = 4278198272;

/** Everything that should be in the pod's namespace once the attachment is there. */
export interface Desired {
  readonly link: string;
  readonly program: RuleProgram;
  readonly guard: LinkGuard;
  /** Routes of the main table that leave by the attachment. */
  readonly outward: readonly Route[];
  /** The private table of what enters on the pod interface. */
  readonly privateOutward: readonly Route[];
  /** The private table of what goes back there. */
  readonly inward: readonly Route[];
  /** Routes of the main table to what is reached by the pod interface. */
  readonly cluster: readonly Route[];
  readonly policyRules: readonly PolicyRule[];
  /** Settings of the namespace, without those of the link. */
  readonly sysctls: readonly { readonly key: string; readonly value: string }[];
  /** Settings without which all works, but nobody can say how much passed. */
  readonly accounting: readonly { readonly key: string; readonly value: string }[];
  /** Settings that let packets pass; last to be made, first to be taken back. */
  readonly forwarding: readonly { readonly key: string; readonly value: string }[];
  /** Settings of the link itself, which go with it. */
  readonly linkSysctls: readonly { readonly key: string; readonly value: string }[];
}

/** Derives everything from a resolved attachment; `pod` is the namespace as it was before. */
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

/** What the rules of an attachment depend on besides its redirects: known of one that stands as of one to be made. */
export interface RouterPlace {
  readonly id: AttachmentId;
  readonly link: string;
  readonly podLinks: Resolved['podLinks'];
  readonly reserved: readonly Prefix[];
  readonly slot: number;
}

/** The rules of an attachment: ADD installs them, a change leads from one such program to another. */
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

/** Whose rules and links these are; long container IDs are cut to what a rule's comment can hold. */
export function ownerOf(id: AttachmentId): string {
  return id.containerId.slice(0, 64);
}

/**
 * The name under which an attachment's link is made, before it has an alias that tells its owner: whoever
 * is killed in between leaves a link that the next call knows by its name.
 */
export function temporaryLinkOf({ containerId, ifname }: AttachmentId): string {
  return `er-${hashOf(`${containerId} ${ifname}`).toString(16).padStart(12, '0')}`;
}

/** 48 bits of FNV-1a (64 bits): enough to tell a pod's attachments apart. node:crypto would take a millisecond to load. */
function hashOf(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash >> 16n;
}

/** Whether a link is one that some call left half made; while its namespace is locked, nobody makes one. */
export function isHalfMade(link: Link): boolean {
  return link.kind === 'macvlan' && /^er-[0-9a-f]{12}$/.test(link.name);
}

/** `GW dev net1` and `default via GW dev net1`, as OpenShift's router has them. */
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

/** The attachment's own way out, whatever others do to the main table; where it is gone, there is none. */
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

/** The pod interface's routes, so that replies go back as if the attachment were not there. */
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
  // Routes to gateways first: the kernel wants to know the way to a next hop.
  return [
    ...own.filter((route) => route.gateway === undefined),
    ...own.filter((route) => route.gateway !== undefined),
    ...defaults,
  ].map((route) => ({ ...route, table, protocol: bootProtocol }));
}

/** What the pod itself must reach by the cluster network: given networks, and the node. */
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
  // Loose: clients come from networks whose way back only the private table knows.
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
  // Only for the link's own address: another router of the pod may be on the same wire, and the
  // pod's address on the cluster network is nobody's business out there.
  settings.push({ key: `net/ipv4/conf/${link}/arp_ignore`, value: '1' });
  settings.push({ key: `net/ipv4/conf/${link}/arp_announce`, value: '2' });
  // Answers come from anywhere, also where the main table has no way: where the namespace is strict
  // the link is loose, and the private tables count as ways.
  const strict = pod.sysctls.get('net/ipv4/conf/all/rp_filter') === '1';
  settings.push({ key: `net/ipv4/conf/${link}/rp_filter`, value: strict ? '2' : '0' });
  settings.push({ key: `net/ipv4/conf/${link}/src_valid_mark`, value: '1' });
  // A kernel without IPv6 has no such settings, and nothing to close.
  if (!pod.sysctls.has('net/ipv6/conf/all/forwarding')) return settings;
  if (!families.includes(6)) return [...settings, { key: `net/ipv6/conf/${link}/disable_ipv6`, value: '1' }];
  return [
    ...settings,
    { key: `net/ipv6/conf/${link}/disable_ipv6`, value: '0' },
    // Whoever is on the physical network must not give the router addresses or routes.
    { key: `net/ipv6/conf/${link}/accept_ra`, value: '0' },
    { key: `net/ipv6/conf/${link}/accept_dad`, value: '0' },
    // The link-local address is made from the hardware address: the guard lets no other out.
    { key: `net/ipv6/conf/${link}/addr_gen_mode`, value: '0' },
    { key: `net/ipv6/conf/${link}/ndisc_notify`, value: '1' },
  ];
}
