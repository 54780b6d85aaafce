import type { Family } from '../../base/model/address.ts';
import { mainTable, type NamespaceId, type NamespaceSnapshot } from '../../base/model/network.ts';
import type { AttachmentId } from '../model/attachment.ts';
import { type AttachmentState, stateVersion } from '../model/state.ts';
import { clusterProtocol } from './desired.ts';
import { maximumSlot } from './marks.ts';
import { numbersOf } from './numbers.ts';

const ownerPattern = /^egress-router (\S+)(?: \(unfinished\))?$/;

/** Returns the owner in a link's alias, whether or not the link is finished; undefined for foreign links. */
export function ownerOfAlias(alias: string | undefined): string | undefined {
  return ownerPattern.exec(alias ?? '')?.[1];
}

/**
 * Reconstructs a lost state file from the namespace: the link's alias names the owner, the private tables
 * show the slot, and the inward table holds the old default routes. The original sysctls are unknown, so
 * removal does not restore them.
 */
export function recoverState(
  link: string,
  owner: string,
  ifname: string,
  pod: NamespaceSnapshot,
  netns: NamespaceId,
): AttachmentState {
  const id: AttachmentId = { containerId: owner, ifname };
  const slot = slotOf(link, pod) ?? 1;
  const { inwardTable } = numbersOf(slot);
  const inwardRoutes = pod.routes.filter((route) => route.table === inwardTable);
  return {
    version: stateVersion,
    id,
    network: '',
    netns,
    bootId: '',
    link,
    master: '',
    slot,
    backend: 'iptables',
    podLinks: ([4, 6] as const).flatMap((family: Family) => {
      const podLink = inwardRoutes.find((route) => route.family === family)?.link;
      return podLink === undefined ? [] : [{ family, link: podLink }];
    }),
    oldDefaults: inwardRoutes
      .filter((route) => route.destination.length === 0)
      .map((route) => ({ ...route, table: mainTable })),
    clusterRoutes: pod.routes.filter((route) => route.table === mainTable && route.protocol === clusterProtocol),
    inwardRoutes,
    addresses: [],
    sysctls: [],
  };
}

function slotOf(link: string, pod: NamespaceSnapshot): number | undefined {
  for (let slot = 1; slot <= maximumSlot; slot++) {
    const { outwardTable } = numbersOf(slot);
    if (pod.routes.some((route) => route.table === outwardTable && route.link === link)) return slot;
  }
  return undefined;
}
