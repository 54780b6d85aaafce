import { portKey } from '../claims/ports.ts';
import type { IngressPort } from './model.ts';
import { lacksLocalEndpoint } from './verdicts.ts';

/** Maximum number of ports in the readiness report. */
const maxRemarks = 20;

/** Returns restrictions that authors should know although the node is ready, one line each. */
export function listRemarks(ports: readonly IngressPort[]): readonly string[] {
  const lacking = ports.filter(lacksLocalEndpoint);
  const names = lacking
    .slice(0, maxRemarks)
    .map((port) => `${portKey(port)}: no ready endpoint on this node, which externalTrafficPolicy Local requires`);
  return lacking.length > names.length ? [...names, `and ${lacking.length - names.length} more ports`] : names;
}

/** Returns why a node that serves nothing should get no connections, or undefined if it serves something. */
export function describeIdleness(ports: readonly IngressPort[]): string | undefined {
  // One tenant's Service must not take the node away from all others.
  return ports.length > 0 && ports.every(lacksLocalEndpoint) ? listRemarks(ports).join('; ') : undefined;
}

/**
 * Returns why connections to a port, `tcp/13306` or `tcp/80/192.0.2.10` at a virtual address, would be rejected here,
 * for health checks of load balancers.
 */
export function describeOpenPort(ports: readonly IngressPort[], part: string): string | undefined {
  const port = ports.find((one) => portKey(one).replaceAll(' ', '/') === part);
  if (port === undefined) return `${part} is not open on this node`;
  if (lacksLocalEndpoint(port)) return `${part} has no ready endpoint on this node`;
  return port.endpoints.some(({ weight }) => weight > 0) ? undefined : `${part} has no ready endpoint`;
}
