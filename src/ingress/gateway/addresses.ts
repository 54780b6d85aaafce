import { readFileSync } from 'node:fs';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { isLinkLocal, parseAddress } from '../../base/model/address.ts';
import type { GatewayAddress } from './gateway.ts';

/** Which addresses a Gateway has, and why it cannot have those that it asks for. */
export interface AddressVerdict {
  readonly addresses: readonly string[];
  readonly refusal?: {
    /** As conditions of a Gateway say it. */
    readonly reason: 'UnsupportedAddress' | 'AddressNotUsable' | 'AddressNotAssigned';
    readonly message: string;
  };
}

/**
 * The addresses of a Gateway: those that it asks for where the ingress node has them all, or all that the
 * node has where it asks for none. An address without a value is any.
 */
export function judgeAddresses(asked: readonly GatewayAddress[], available: readonly string[]): AddressVerdict {
  for (const [index, { type, value }] of asked.entries()) {
    const isAddress = type === 'IPAddress' && (value === undefined || parseAddress(value) !== undefined);
    if (isAddress) continue;
    const message = `spec.addresses[${index}] of type ${type}: must be of type IPAddress, an address of an ingress node`;
    return { addresses: [], refusal: { reason: 'UnsupportedAddress', message } };
  }
  const values = asked.flatMap(({ value }) => (value === undefined ? [] : (parseAddress(value)?.text ?? value)));
  const foreign = values.find((value) => !available.includes(value));
  if (foreign !== undefined) {
    const message = `spec.addresses: ${foreign} is no address of an ingress node; leave addresses out, or ask the administrator which there are`;
    return { addresses: [], refusal: { reason: 'AddressNotUsable', message } };
  }
  return { addresses: values.length === asked.length && values.length > 0 ? values : available };
}

/** Names of interfaces that containers hang on: their addresses are of no use to clients elsewhere. */
const inner = /^(lo|veth|cni|cali|flannel|cilium|lxc|docker|br-|virbr|kube-|nodelocaldns|tunl|vxlan|ovn|ovs|genev_|wg)/;

/**
 * Addresses by which clients reach this node: those of the interfaces that default routes use, or else of
 * all that are not for containers. Link-local ones are not among them.
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

/** Interfaces of default routes: destination and mask are zero (proc(5), `/proc/net/route` and `ipv6_route`). */
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
    // A kernel without IPv6 has no such table.
    return [];
  }
}
