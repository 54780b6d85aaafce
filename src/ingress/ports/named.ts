import { type Endpoint, type EndpointFinder, endpointKey } from '../backends/endpoints.ts';
import { type PortAdmissions, portKey } from '../claims/ports.ts';
import type { DesiredState } from './endpoint-quota.ts';
import type { NamedEndpoint, NamedPort } from './traffic-metrics.ts';

/** Returns the open ports with their owners. */
export function listNamedPorts(admissions: PortAdmissions | undefined): readonly NamedPort[] {
  return (admissions?.admitted ?? []).flatMap(({ request: { meta }, demand }) =>
    demand.ports.map((port) => ({ namespace: meta.namespace, name: meta.name, key: portKey(port) })),
  );
}

/** Returns dead endpoints by their Routes; at most `limit`. */
export function listNamedDead(
  desired: DesiredState | undefined,
  dead: ReadonlySet<string>,
  finder: EndpointFinder,
  limit: number,
): readonly NamedEndpoint[] {
  const found: NamedEndpoint[] = [];
  if (desired === undefined || dead.size === 0) return found;
  for (const { request, demand } of desired.admissions.admitted) {
    const { namespace, name } = request.meta;
    const { targetPort } = demand;
    const choice = { protocol: 'tcp', ...(targetPort !== undefined && { targetPort }) } as const;
    if (!demand.ports.some(({ protocol }) => protocol === 'tcp')) continue;
    for (const backend of demand.backends) {
      for (const endpoint of finder.find(backend, namespace, choice)) {
        if (!dead.has(endpointKey(endpoint))) continue;
        found.push({ namespace, name, endpoint: describePlace(endpoint), target: endpoint.target ?? '' });
        if (found.length >= limit) return found;
      }
    }
  }
  return found;
}

function describePlace({ address, port }: Endpoint): string {
  return address.family === 4 ? `${address.text}:${port}` : `[${address.text}]:${port}`;
}
