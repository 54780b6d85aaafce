import { execa } from 'execa';
import { runIn } from './namespaces.ts';

const settings = [
  'net.ipv4.ip_forward',
  'net.ipv4.fwmark_reflect',
  'net.ipv4.conf.all.rp_filter',
  'net.ipv4.conf.eth0.rp_filter',
  'net.ipv6.conf.all.forwarding',
  'net.ipv6.fwmark_reflect',
];

/** Links, addresses, routes, policy rules, firewall rules and settings of a namespace, as text to compare. */
export async function describeNamespace(netns: string): Promise<string> {
  const ip = async (...args: string[]): Promise<string> => (await execa('ip', ['-n', netns, ...args])).stdout;
  const parts = await Promise.all([
    ip('-d', 'link'),
    ip('address'),
    ip('-4', 'route', 'show', 'table', 'all'),
    ip('-6', 'route', 'show', 'table', 'all'),
    ip('-4', 'rule'),
    ip('-6', 'rule'),
    runIn(netns, 'nft', ['-s', 'list', 'ruleset']),
    runIn(netns, 'iptables-legacy-save', []),
    runIn(netns, 'ip6tables-legacy-save', []),
    runIn(netns, 'sysctl', settings),
  ]);
  return withoutPassingThings(parts.join('\n'));
}

/** Drops lifetimes, times of day, and empty tables, which iptables leaves behind and which mean nothing. */
function withoutPassingThings(text: string): string {
  return text
    .replaceAll(/valid_lft.*/g, '')
    .replaceAll(/^#.*\n?/gm, '')
    .replaceAll(/^\tchain [A-Z]+ \{\n\t\ttype .*\n\t\}\n/gm, '')
    .replaceAll(/^table ip6? (filter|mangle|nat) \{\n\s*\}\n?/gm, '')
    .replaceAll(/^\*\w+\n(:[A-Z]+ ACCEPT \[\d+:\d+\]\n)+COMMIT\n?/gm, '')
    .replaceAll(/\n+/g, '\n');
}
