import { readFileSync } from 'node:fs';
import type { AdmissionPolicy } from '../claims/policy.ts';
import { formatPortRanges, includesPort, type PortRange, parsePortRanges } from '../claims/port-ranges.ts';

/** Ports that the kernel assigns to connections of the node itself. */
export interface EphemeralPorts {
  readonly range: PortRange;
  /** Those that it does not assign. */
  readonly reserved: readonly PortRange[];
}

/** Reads the settings from `/proc/sys`. Returns undefined if they are not available. */
export function readEphemeralPorts(folder = '/proc/sys/net/ipv4'): EphemeralPorts | undefined {
  try {
    const [from, to] = readFileSync(`${folder}/ip_local_port_range`, 'utf8').trim().split(/\s+/).map(Number);
    if (from === undefined || to === undefined || !(from <= to)) return undefined;
    const reserved = readFileSync(`${folder}/ip_local_reserved_ports`, 'utf8').trim();
    return { range: { from, to }, reserved: reserved === '' ? [] : (parsePortRanges(reserved) ?? []) };
  } catch {
    return undefined;
  }
}

/**
 * Returns a warning if Routes may open ports that the kernel may assign to the node's own connections: replies to
 * such a connection would be forwarded to an endpoint. Returns undefined if there is no overlap.
 */
export function describeEphemeralOverlap(
  { allowedPorts, namespacePorts }: Pick<AdmissionPolicy, 'allowedPorts' | 'namespacePorts'>,
  { range, reserved }: EphemeralPorts,
): string | undefined {
  const common = [...allowedPorts, ...[...namespacePorts.values()].flat()]
    .map(({ from, to }): PortRange => ({ from: Math.max(from, range.from), to: Math.min(to, range.to) }))
    .filter(({ from, to }) => from <= to)
    .filter(({ from, to }) => {
      for (let port = from; port <= to; port++) if (!includesPort(reserved, port)) return true;
      return false;
    });
  if (common.length === 0) return undefined;
  const ports = formatPortRanges(common).replaceAll(' ', '');
  return `Routes may open ports that the kernel assigns to the node's own connections: ${ports}; set net.ipv4.ip_local_reserved_ports=${ports} on the node`;
}
