import { readFileSync } from 'node:fs';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { type Address, isLinkLocal, parseAddress } from '../../base/model/address.ts';
import type { GatewayAddress } from './gateway.ts';
import type { Refusal } from './refusal.ts';

/** The addresses of a Gateway, or why it cannot have the requested ones. */
export interface AddressVerdict {
  readonly addresses: readonly string[];
  readonly refusal?: Refusal<'UnsupportedAddress' | 'AddressNotUsable' | 'AddressNotAssigned'>;
}

/** The refusal of an address that neither a pool nor a node can provide. */
export interface AddressRefusal {
  readonly refusal: NonNullable<AddressVerdict['refusal']>;
}

/**
 * Returns the addresses that a Gateway requests, and whether it also gets one of every other family: if it requests
 * none, or one without a value. Refuses types other than IP addresses.
 */
export function parseGatewayAddresses(
  written: readonly GatewayAddress[],
): { readonly asked: readonly Address[]; readonly isAny: boolean } | AddressRefusal {
  const asked = new Map<string, Address>();
  let isAny = written.length === 0;
  for (const [index, { type, value }] of written.entries()) {
    const address = value === undefined ? undefined : parseAddress(value);
    if (type !== 'IPAddress' || (value !== undefined && address === undefined)) {
      const message = `spec.addresses[${index}] of type ${type}: must be of type IPAddress, an address of an ingress node or of a pool`;
      return { refusal: { reason: 'UnsupportedAddress', message } };
    }
    if (address === undefined) isAny = true;
    else asked.set(address.text, address);
  }
  return { asked: [...asked.values()], isAny };
}

/**
 * Returns the addresses of a Gateway that gets none from a pool: the requested ones if the ingress nodes have all of
 * them, otherwise all addresses of the nodes if it requests none. An address without a value matches any.
 */
export function judgeAddresses(asked: readonly GatewayAddress[], available: readonly string[]): AddressVerdict {
  const read = parseGatewayAddresses(asked);
  if ('refusal' in read) return { addresses: [], refusal: read.refusal };
  const values = read.asked.map(({ text }) => text);
  const foreign = values.find((value) => !available.includes(value));
  if (foreign !== undefined) {
    const message = `spec.addresses: ${foreign} is not an address of an ingress node; remove addresses, or ask the administrator for the available ones`;
    return { addresses: [], refusal: { reason: 'AddressNotUsable', message } };
  }
  return { addresses: read.isAny ? available : values };
}

/** Names of container interfaces, whose addresses external clients cannot reach. */
const inner = /^(lo|veth|cni|cali|flannel|cilium|lxc|docker|br-|virbr|kube-|nodelocaldns|tunl|vxlan|ovn|ovs|genev_|wg)/;

/**
 * Returns the addresses of this node for clients: those of the interfaces of default routes, otherwise those of all
 * interfaces that are not for containers. Link-local addresses are excluded.
 */
export function readNodeAddresses(
  folder = '/proc/net',
  interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>> = networkInterfaces(),
): readonly string[] {
  const usable = Object.entries(interfaces).filter(([name]) => !inner.test(name));
  const outer = readDefaultLinks(folder);
  const chosen = usable.filter(([name]) => outer.has(name));
  return (chosen.length > 0 ? chosen : usable).flatMap(([, list]) =>
    (list ?? []).flatMap(({ address, internal }) => {
      const parsed = internal ? undefined : parseAddress(address);
      return parsed === undefined || isLinkLocal(parsed) ? [] : [parsed.text];
    }),
  );
}

/**
 * Returns the interfaces of default routes, whose destination and mask are zero (proc(5), `/proc/net/route` and
 * `ipv6_route`).
 */
function readDefaultLinks(folder: string): ReadonlySet<string> {
  const links = new Set<string>();
  for (const line of readLines(`${folder}/route`).slice(1)) {
    const [link, destination, , , , , , mask] = line.trim().split(/\s+/);
    if (link !== undefined && destination === '00000000' && mask === '00000000') links.add(link);
  }
  for (const line of readLines(`${folder}/ipv6_route`)) {
    const words = line.trim().split(/\s+/);
    const link = words[9];
    if (link !== undefined && link !== 'lo' && words[0] === '0'.repeat(32) && words[1] === '00') links.add(link);
  }
  return links;
}

function readLines(path: string): readonly string[] {
  try {
    return readFileSync(path, 'latin1').split('\n');
  } catch {
    // A kernel without IPv6 does not have this table.
    return [];
  }
}
