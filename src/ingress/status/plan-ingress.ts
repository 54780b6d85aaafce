import { isDeepStrictEqual } from 'node:util';
import { readRecords } from '../../base/kubernetes/conditions.ts';
import type { SeenObject, StatusChange } from '../../base/kubernetes/status-writer.ts';
import { type Address, parseAddress } from '../../base/model/address.ts';
import type { Holding } from '../pools/holding.ts';
import type { RouteStatus } from './status.ts';

/** An entry of `status.loadBalancer.ingress` of an Ingress. */
export type IngressAddress = { readonly ip: string } | { readonly hostname: string };

/**
 * Returns the addresses for the statuses of Ingresses: the virtual addresses of the router that a node holds, or those
 * of the nodes if there are none. Undefined while a holder is not known, for example during a move.
 */
export function listRouterAddresses(
  router: readonly Pick<Address, 'text'>[],
  holdingOf: (address: string) => Holding,
  nodeAddresses: readonly string[],
): readonly string[] | undefined {
  const holdings = router.map(({ text }) => ({ text, state: holdingOf(text).state }));
  if (holdings.some(({ state }) => state === 'waiting')) return undefined;
  const held = holdings.flatMap(({ text, state }) => (state === 'held' ? [text] : []));
  return held.length > 0 ? held : nodeAddresses;
}

/** Returns the addresses at which clients reach an Ingress: none until a part of it is served. */
export function listIngressAddresses(
  status: Pick<RouteStatus, 'admitted' | 'isPartlyServed'> | undefined,
  addresses: readonly string[],
): readonly IngressAddress[] {
  if (status?.admitted !== true && status?.isPartlyServed !== true) return [];
  return addresses.map((address) => (parseAddress(address) === undefined ? { hostname: address } : { ip: address }));
}

/**
 * Returns the status change of an Ingress.
 *
 * @param status undefined: this router no longer serves the Ingress, and removes its addresses
 */
export function planIngress(
  status: RouteStatus | undefined,
  addresses: readonly string[],
  { status: written }: Pick<SeenObject, 'status'>,
): StatusChange | undefined {
  const { loadBalancer } = written as { readonly loadBalancer?: { readonly ingress?: unknown } };
  const wanted = listIngressAddresses(status, addresses);
  if (isDeepStrictEqual(readRecords(loadBalancer?.ingress), wanted)) return undefined;
  return { status: { loadBalancer: { ingress: wanted } }, wanted: JSON.stringify(wanted) };
}
