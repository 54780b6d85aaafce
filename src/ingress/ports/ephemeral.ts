import { readFileSync } from 'node:fs';
import type { AdmissionPolicy } from '../claims/policy.ts';
import { formatPortRanges, includesPort, type PortRange, parsePortRanges } from '../claims/port-ranges.ts';

/** Ports that the kernel takes for connections of the node itself. */
export interface EphemeralPorts {
  readonly range: PortRange;
  /** Those of them that it leaves alone. */
  readonly reserved: readonly PortRange[];
}

/** Reads them from `/proc/sys`; undefined where there are none to read. */
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
 * Whether Routes may have ports that the kernel may take for the node's own connections: the answer to
 * such a connection would be led to an endpoint. Says what to do; undefined where all is well.
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
  return `Routes may have ports that the node takes for its own connections: ${ports}; set net.ipv4.ip_local_reserved_ports=${ports} on the node`;
}
