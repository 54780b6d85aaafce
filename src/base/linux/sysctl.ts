import { readFileSync, writeFileSync } from 'node:fs';
import { isLinkType } from '../model/link-kind.ts';
import type { Link } from '../model/network.ts';

const root = '/proc/sys';

/** The value of a setting in the namespace that the thread is in; undefined where the kernel has none such. */
export function readSysctl(key: string): string | undefined {
  try {
    return readFileSync(`${root}/${key}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Sets a setting of the namespace that the thread is in. Throws the file system's error. */
export function writeSysctl(key: string, value: string): void {
  writeFileSync(`${root}/${key}`, value, { flag: 'r+' });
}

/**
 * The settings that an egress router depends on, for the links of a namespace: of those that may be a
 * router's all that it sets, of the others the reverse-path filter. Each is a file to be read.
 */
export function routerSysctls(links: readonly Pick<Link, 'name' | 'kind'>[]): string[] {
  return [
    'net/ipv4/ip_forward',
    'net/ipv4/fwmark_reflect',
    'net/ipv4/conf/all/rp_filter',
    'net/ipv6/conf/all/forwarding',
    'net/ipv6/fwmark_reflect',
    'net/netfilter/nf_conntrack_acct',
    ...links.map(({ name }) => `net/ipv4/conf/${name}/rp_filter`),
    ...links
      .filter(({ kind }) => isLinkType(kind))
      .flatMap(({ name: link }) => [
        `net/ipv4/conf/${link}/src_valid_mark`,
        `net/ipv4/conf/${link}/arp_notify`,
        `net/ipv4/conf/${link}/arp_ignore`,
        `net/ipv4/conf/${link}/arp_announce`,
        `net/ipv6/conf/${link}/ndisc_notify`,
        `net/ipv6/conf/${link}/disable_ipv6`,
        `net/ipv6/conf/${link}/accept_ra`,
        `net/ipv6/conf/${link}/addr_gen_mode`,
      ]),
  ];
}
