import type { InterfaceAddress, Link } from './network.ts';

/** Kinds of links that no macvlan for the outside belongs on: other pods' interfaces, and tunnels. */
const unfitKinds = new Set(['macvlan', 'macvtap', 'ipvlan', 'ipvtap', 'vxlan', 'geneve', 'ifb', 'nlmon', 'vcan']);

const mostListed = 8;

/**
 * Names the interfaces of a node that can be masters, for messages. A veth counts only if the node has an address with
 * a network on it, as nodes that are containers do: all others lead to pods, which are not to be named.
 */
export function listMasterCandidates(links: readonly Link[], addresses: readonly InterfaceAddress[]): string {
  const hasNetwork = (name: string): boolean =>
    addresses.some(
      ({ link, prefix: { address, length } }) =>
        link === name && !address.text.startsWith('fe80:') && length < (address.family === 4 ? 32 : 128),
    );
  const names = links
    .filter(
      ({ name, mac, kind }) => name !== 'lo' && mac.length === 17 && (kind === undefined || !unfitKinds.has(kind)),
    )
    .filter(({ name, kind }) => kind !== 'veth' || hasNetwork(name))
    .map(({ name }) => name);
  if (names.length === 0) return 'none that can be a master';
  return names.length > mostListed ? `${names.slice(0, mostListed).join(', ')} and others` : names.join(', ');
}
