import { isDeepStrictEqual } from 'node:util';
import { readRecords } from '../../base/kubernetes/conditions.ts';
import type { SeenObject, StatusChange } from '../../base/kubernetes/status-writer.ts';
import { parseAddress } from '../../base/model/address.ts';
import type { RouteStatus } from './status.ts';

/** An entry of `status.loadBalancer.ingress` of an Ingress. */
export type IngressAddress = { readonly ip: string } | { readonly hostname: string };

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
