import { type Address, containsAddress, hostPrefix, type Prefix, parsePrefix } from '../../base/model/address.ts';
import { mainTable, type NamespaceSnapshot } from '../../base/model/network.ts';
import type { AttachmentSpec } from '../model/attachment.ts';
import type { AttachmentState } from '../model/state.ts';
import type { Resolved } from './resolve.ts';

/**
 * Returns the networks of a pod that no name may lead to: the cluster's, those that its own interface reaches, and its
 * own addresses. The node daemon does not know them before ADD.
 */
export function networksInside(
  { clusterNetworks, reserved }: AttachmentSpec,
  { podLinks, nodeAddresses }: Pick<Resolved, 'podLinks' | 'nodeAddresses'>,
  pod: NamespaceSnapshot,
): readonly Prefix[] {
  const links = new Set(Object.values(podLinks));
  const routes = pod.routes.filter(
    ({ table, link, destination }) =>
      table === mainTable && destination.length > 0 && link !== undefined && links.has(link),
  );
  return [
    ...clusterNetworks,
    ...routes.map(({ destination }) => destination),
    ...[...nodeAddresses, ...reserved.map(({ prefix }) => prefix.address)].map(hostPrefix),
    ...pod.addresses.map(({ prefix }) => hostPrefix(prefix.address)),
  ];
}

/** Returns the same networks from what ADD remembered. */
export function rememberedNetworksInside(state: AttachmentState): readonly Prefix[] {
  const { router, inwardRoutes, clusterRoutes, addresses } = state;
  const routes = [...inwardRoutes, ...clusterRoutes].filter(({ destination }) => destination.length > 0);
  return [
    ...(router?.clusterNetworks ?? []).flatMap((text) => parsePrefix(text) ?? []),
    ...routes.map(({ destination }) => destination),
    ...addresses.map(({ address }) => hostPrefix(address)),
  ];
}

/** Returns the addresses outside some networks, and those in allowed ones. */
export function leaveOut(
  addresses: readonly Address[],
  networks: readonly Prefix[],
  allowed: readonly Prefix[],
): readonly Address[] {
  const isIn = (list: readonly Prefix[], address: Address): boolean =>
    list.some((prefix) => containsAddress(prefix, address));
  return addresses.filter((address) => isIn(allowed, address) || !isIn(networks, address));
}
