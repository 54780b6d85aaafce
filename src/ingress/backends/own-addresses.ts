import { networkInterfaces } from 'node:os';
import { type Address, parseAddress } from '../../base/model/address.ts';

/** The interface on which kube-proxy's IPVS mode puts the cluster addresses of all Services. */
const ipvsInterface = 'kube-ipvs0';

/** All addresses of this node's interfaces, those of the loopback interface included: routing daemons put node addresses there. */
export function readOwnAddresses(): readonly Address[] {
  const { own, virtual } = readInterfaceAddresses();
  return [...own, ...virtual];
}

/** Addresses of this node: its own, and those by which kube-proxy's IPVS mode takes connections to Services. */
export function readInterfaceAddresses(): { readonly own: readonly Address[]; readonly virtual: readonly Address[] } {
  const own: Address[] = [];
  const virtual: Address[] = [];
  for (const [name, list] of Object.entries(networkInterfaces())) {
    const addresses = (list ?? []).flatMap(({ address }) => parseAddress(address) ?? []);
    (name === ipvsInterface ? virtual : own).push(...addresses);
  }
  return { own, virtual };
}
