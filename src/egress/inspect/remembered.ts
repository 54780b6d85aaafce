import type { Link, NamespaceSnapshot, NodeSnapshot } from '../../base/model/network.ts';
import { recallRedirects } from '../api/remembered.ts';
import type { AttachmentState } from '../model/state.ts';
import type { Resolved, ResolvedAddress } from '../plan/resolve.ts';
import { readInstalledRedirects } from './installed.ts';

/** Index for a master that the node does not have; no interface has it. */
const nowhere = -1;

/**
 * Rebuilds the resolved attachment from its state file. Values that the file lacks are taken from the
 * namespace, so no deviation can be found in them. `rules` are the router's own, as the backend lists them.
 */
export function resolveRemembered(
  state: AttachmentState,
  node: NodeSnapshot,
  pod: NamespaceSnapshot,
  rules: readonly string[],
): Resolved {
  const { router } = state;
  const link = pod.links.find((one) => one.name === state.link);
  const master = findMaster(state, node, link);
  const redirects =
    router === undefined ? { redirects: readInstalledRedirects(rules), fallbacks: [] } : recallRedirects(router);
  const reserved = listReserved(state, pod);
  const mtu = router?.mtu ?? link?.mtu ?? master.mtu;
  return {
    spec: {
      network: state.network,
      kind:
        router === undefined
          ? (link?.settings ?? { type: 'macvlan', mode: 'bridge' })
          : { type: router.linkType ?? 'macvlan', mode: router.mode },
      mtu,
      ...(router?.mac !== undefined && { mac: router.mac }),
      reserved,
      redirects,
      clusterNetworks: [],
      ruleBackend: state.backend,
      log: { file: router?.logFile ?? '/tmp/egress-router-log', level: 'debug' },
    },
    master,
    mtu,
    reserved,
    nodeAddresses: [],
    podLinks: Object.fromEntries(state.podLinks.map(({ family, link: name }) => [family, name])),
    oldDefaults: state.oldDefaults,
    podDefaults: [],
    slot: state.slot,
  };
}

function findMaster(state: AttachmentState, node: NodeSnapshot, link: Link | undefined): Link {
  const byName = node.links.find((one) => one.name === state.master);
  if (byName !== undefined) return byName;
  const byIndex = node.links.find((one) => one.index === link?.parentIndex);
  if (state.master === '' && byIndex !== undefined) return byIndex;
  return { index: nowhere, name: state.master, up: false, mtu: link?.mtu ?? 0, mac: '' };
}

/** Returns the addresses with their gateways; without a state file, the gateway of the default route in the private table. */
function listReserved(state: AttachmentState, pod: NamespaceSnapshot): ResolvedAddress[] {
  const { router } = state;
  if (router !== undefined) {
    return state.addresses.flatMap((prefix, index) => {
      const gateway = router.gateways[index];
      return gateway === undefined ? [] : [{ prefix, gateway }];
    });
  }
  const prefixes =
    state.addresses.length > 0
      ? state.addresses
      : pod.addresses
          .filter((one) => one.link === state.link && !one.prefix.address.text.startsWith('fe80:'))
          .map((one) => one.prefix);
  return prefixes.flatMap((prefix) => {
    const gateway = pod.routes.find(
      (route) =>
        route.family === prefix.address.family &&
        route.link === state.link &&
        route.destination.length === 0 &&
        route.gateway !== undefined,
    )?.gateway;
    return gateway === undefined ? [] : [{ prefix, gateway }];
  });
}
