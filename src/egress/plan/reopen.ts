import { formatPrefix } from '../../base/model/address.ts';
import type { NamespaceSnapshot, Route } from '../../base/model/network.ts';
import type { Operation, Step } from '../model/operation.ts';
import type { AddressRival, AttachmentState } from '../model/state.ts';
import type { Desired } from './desired.ts';
import { isSameRoute } from './remove.ts';

/**
 * Operations that close an attachment because another machine has its address. It is remembered first, so that a
 * daemon that is killed in between leaves an interface that the next one knows to be closed. The link goes down, and
 * its routes with it; the addresses go, so that nothing answers for them, also by another link.
 */
export function listClosing(state: AttachmentState, rival: AddressRival): readonly Operation[] {
  const { link } = state;
  return [
    { do: 'save-state', state: { ...state, closed: { address: rival.address, mac: rival.mac } } },
    { do: 'set-link-down', link },
    ...state.addresses.map((prefix): Operation => ({ do: 'delete-address', link, prefix })),
  ];
}

/**
 * Plans the reopening of an attachment that {@link listClosing} closed: addresses and routes as ADD made them, in its
 * order. Rules and guard were there all the time, so no packet leaves with a wrong source. That it is open is
 * remembered last.
 *
 * @param pod the namespace as it is; what is there already stays
 */
export function planReopening(state: AttachmentState, desired: Desired, pod: NamespaceSnapshot): readonly Step[] {
  const { link } = state;
  const { closed: _, ...open } = state;
  const isThere = (prefix: AttachmentState['addresses'][number]): boolean =>
    pod.addresses.some((one) => one.link === link && formatPrefix(one.prefix) === formatPrefix(prefix));
  const isMissing = (route: Route): boolean => !pod.routes.some((one) => isSameRoute(one, route));
  const ways = desired.outward.filter((route) => route.destination.length > 0);
  // Another router of the pod may have taken the main table's default over: only one can have it.
  const isTaken = ({ family, table }: Route): boolean =>
    pod.routes.some((one) => one.family === family && one.table === table && one.destination.length === 0);
  const defaults = desired.outward.filter((route) => route.destination.length === 0 && !isTaken(route));
  return [
    { operation: { do: 'set-link-up', link } },
    ...state.addresses
      .filter((prefix) => !isThere(prefix))
      .map(
        (prefix): Step => ({
          operation: { do: 'add-address', link, prefix },
          undo: { do: 'delete-address', link, prefix },
        }),
      ),
    ...[...ways, ...desired.privateOutward, ...defaults].filter(isMissing).map(
      (route): Step => ({
        operation: { do: 'add-route', route },
        undo: { do: 'delete-route', route },
      }),
    ),
    { operation: { do: 'announce', link } },
    { operation: { do: 'save-state', state: open }, undo: { do: 'save-state', state } },
  ];
}
