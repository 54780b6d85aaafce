import { keyOf } from '../../base/read/object-meta.ts';
import type { Pending } from '../intent/plane.ts';
import type { PortDemand, PortRequest } from '../intent/port-request.ts';
import type { Claim } from './claims-document.ts';
import { type PortAdmissions, portKey } from './ports.ts';

/**
 * Returns every claim, sorted by port, with the accepted claim first.
 *
 * @param pending the part of each admitted request that is not applied, in the order of the admissions
 * @param notes of the statuses, by UID
 */
export function describePortClaims(
  { admitted, refused }: PortAdmissions,
  pending: readonly (Pending | undefined)[],
  notes: ReadonlyMap<string, readonly string[]> = new Map(),
): readonly Claim[] {
  const owners = new Map(
    admitted.flatMap(({ request, demand }) => demand.ports.map((port) => [portKey(port), nameOf(request)] as const)),
  );
  const claims = [
    ...admitted.flatMap(({ request, demand }, index) => {
      const what = pending[index]?.what;
      const noted = notes.get(request.meta.uid) ?? [];
      const state = {
        admitted: true,
        ...(what !== undefined && { pending: what }),
        ...(noted.length > 0 && { notes: [...noted] }),
      };
      return listPorts(demand).map((port): Claim => ({ ...port, ...describeRequest(request), ...state }));
    }),
    ...refused.flatMap(({ request, reason, message }) =>
      listPorts(request.demand.ok ? request.demand.value : undefined).map((port): Claim => {
        const owner = owners.get(portName(port));
        return {
          ...port,
          ...describeRequest(request),
          admitted: false,
          reason,
          message,
          ...(owner !== undefined && { owner }),
        };
      }),
    ),
  ];
  return claims.sort(byPort);
}

type Place = Pick<Claim, 'protocol' | 'port' | 'address'>;

function portName({ protocol, port, address }: Place): string {
  return `${protocol} ${port}${address === undefined ? '' : ` ${address}`}`;
}

function listPorts(demand: PortDemand | undefined): Place[] {
  // An object with an invalid request is listed, too.
  if (demand === undefined || demand.ports.length === 0) return [{}];
  return demand.ports.map(({ protocol, port, address }) => ({
    protocol,
    port,
    ...(address !== undefined && { address: address.text }),
  }));
}

function describeRequest({
  meta,
  kind,
  listener,
}: PortRequest): Pick<Claim, 'kind' | 'namespace' | 'name' | 'listener'> {
  return {
    kind: listener === undefined ? 'Route' : (kind ?? 'Gateway'),
    namespace: meta.namespace,
    name: meta.name,
    ...(listener !== undefined && { listener }),
  };
}

function nameOf({ meta }: PortRequest): string {
  return keyOf(meta);
}

function byPort(one: Claim, other: Claim): number {
  if (one.port !== other.port)
    return (one.port ?? Number.POSITIVE_INFINITY) < (other.port ?? Number.POSITIVE_INFINITY) ? -1 : 1;
  const [a, b] = [one, other].map(
    ({ protocol, admitted, namespace, name, address = '' }) =>
      `${protocol} ${admitted ? 0 : 1} ${namespace}/${name} ${address}`,
  );
  return (a ?? '') < (b ?? '') ? -1 : 1;
}
