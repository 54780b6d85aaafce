import { networkInterfaces } from 'node:os';
import { type Address, parseAddress } from '../../base/model/address.ts';

/** Interface to which kube-proxy's IPVS mode assigns the cluster addresses of all Services. */
const ipvsInterface = 'kube-ipvs0';

/**
 * Returns all addresses of this node's interfaces, including the loopback interface, to which routing daemons assign
 * node addresses.
 */
export function readOwnAddresses(): readonly Address[] {
  const { own, virtual } = readInterfaceAddresses();
  return [...own, ...virtual];
}

/**
 * Returns the addresses of this node: its own, and those on which kube-proxy's IPVS mode accepts connections to
 * Services.
 */
export function readInterfaceAddresses(): { readonly own: readonly Address[]; readonly virtual: readonly Address[] } {
  const own: Address[] = [];
  const virtual: Address[] = [];
  for (const [name, list] of Object.entries(networkInterfaces())) {
    const addresses = (list ?? []).flatMap(({ address }) => parseAddress(address) ?? []);
    (name === ipvsInterface ? virtual : own).push(...addresses);
  }
  return { own, virtual };
}
