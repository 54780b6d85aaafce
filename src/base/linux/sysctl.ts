import { readFileSync, writeFileSync } from 'node:fs';
import { isLinkType } from '../model/link-kind.ts';
import type { Link } from '../model/network.ts';

const root = '/proc/sys';

/** Returns the value of a setting in the current network namespace, or undefined if the kernel does not have it. */
export function readSysctl(key: string): string | undefined {
  try {
    return readFileSync(`${root}/${key}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Sets a value in the current network namespace. Throws the file system's error. */
export function writeSysctl(key: string, value: string): void {
  writeFileSync(`${root}/${key}`, value, { flag: 'r+' });
}

/**
 * Returns the settings that an egress router depends on for the links of a namespace: all that it sets for possible
 * router links, and the reverse-path filter of the others. Each setting is read from a file.
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
