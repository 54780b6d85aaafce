import { type Address, formatPrefix, type Prefix } from '../../base/model/address.ts';
import type { CniVersion } from '../api/cni-version.ts';
import type { PreviousResult } from '../api/prev-result.ts';
import { isAtLeast } from './version.ts';

/** Result of ADD, independent of the CNI version. */
export interface Attached {
  readonly ifname: string;
  /** Lower-case `aa:bb:…`. */
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  /** Path of the network namespace. */
  readonly netns: string;
  readonly addresses: readonly { readonly prefix: Prefix; readonly gateway?: Address }[];
  readonly routes: readonly { readonly destination: Prefix; readonly gateway?: Address }[];
}

/**
 * Formats the result for standard output in the requested version (CNI spec 1.1.0 §5, and earlier versions):
 * `ips[].version` only up to 0.4.0, `interfaces[].mtu` only from 1.1.0. Results of earlier plugins in a chain come
 * first and unchanged, so that the runtime still finds the pod's own address.
 */
export function formatResult(version: CniVersion, attached: Attached, previous?: PreviousResult): string {
  const written = previous?.written ?? {};
  const interfaces = listOf(written.interfaces);
  return JSON.stringify({
    cniVersion: version,
    interfaces: [...interfaces, makeInterface(version, attached)],
    ips: [...listOf(written.ips), ...attached.addresses.map((ip) => makeIp(version, ip, interfaces.length))],
    routes: [
      ...listOf(written.routes),
      ...attached.routes.map(({ destination, gateway }) => ({
        dst: formatPrefix(destination),
        ...(gateway !== undefined && { gw: gateway.text }),
      })),
    ],
    dns: written.dns ?? {},
  });
}

function makeInterface(version: CniVersion, { ifname, mac, mtu, netns }: Attached) {
  return { name: ifname, mac, ...(isAtLeast(version, '1.1.0') && { mtu }), sandbox: netns };
}

function makeIp(version: CniVersion, { prefix, gateway }: Attached['addresses'][number], index: number) {
  return {
    ...(!isAtLeast(version, '1.0.0') && { version: String(prefix.address.family) }),
    interface: index,
    address: formatPrefix(prefix),
    ...(gateway !== undefined && { gateway: gateway.text }),
  };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
