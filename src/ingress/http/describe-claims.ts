import { renderEndpoint } from '../../base/model/endpoint.ts';
import type { Claim } from '../claims/claims-document.ts';
import type { Pending } from '../haproxy/report.ts';
import { defaultListener } from '../intent/listener.ts';
import type { SiteDemand, SiteRequest } from '../intent/site-request.ts';
import type { DesiredSites } from './desired.ts';
import { requestPattern } from './gateway-rules.ts';
import { describePending, findPending } from './pending.ts';
import { terminationOf } from './termination.ts';

/**
 * Returns every claim of a host and path, accepted and rejected, sorted by host.
 *
 * @param pending changes that are not in force yet
 * @param notes of the statuses, by UID
 */
export function describeHostClaims(
  { served, unfit, refused, gateway }: DesiredSites,
  pending: ReadonlyMap<string, Pending>,
  notes: ReadonlyMap<string, readonly string[]> = new Map(),
): readonly Claim[] {
  const claims = [
    ...[...served, ...gateway.served].flatMap((one) =>
      describe(one.request, one.demand).map(
        (claim): Claim => ({
          ...claim,
          ...describeState(findPending(one, pending)),
          ...(one.demand.closed !== undefined && { admitted: false, ...one.demand.closed }),
          ...describeNotes(notes.get(one.request.owner.meta.uid)),
          ...(one.keyPair !== undefined && { certificateExpires: new Date(one.keyPair.expires).toISOString() }),
        }),
      ),
    ),
    ...unfit.flatMap(({ request, demand, refusal }) =>
      describe(request, demand).map((claim): Claim => ({ ...claim, admitted: false, ...refusal })),
    ),
    ...[...refused, ...gateway.refused].flatMap(({ request, reason, message }) =>
      describe(request, request.demand.ok ? request.demand.value : undefined).map(
        (claim): Claim => ({ ...claim, admitted: false, reason, message }),
      ),
    ),
  ];
  return claims.sort((one, other) => (placeOf(one) < placeOf(other) ? -1 : 1));
}

/** Returns a function that lists the endpoints of a claim of a host, such as `10.1.2.3:8080`. */
export function indexEndpoints({ served, gateway }: DesiredSites): (claim: Claim) => readonly string[] {
  const byPlace = new Map<string, readonly string[]>();
  for (const { request, demand, backends } of [...served, ...gateway.served]) {
    const claims = describe(request, demand);
    for (const [index, { group }] of demand.matches.entries()) {
      const claim = claims[index];
      const servers = (backends[group]?.servers ?? []).filter(({ weight }) => weight > 0);
      if (claim !== undefined) byPlace.set(keyOfClaim(claim), servers.map(renderEndpoint));
    }
  }
  return (claim) => byPlace.get(keyOfClaim(claim)) ?? [];
}

function keyOfClaim({ kind, namespace, name, listener, host, path }: Omit<Claim, 'admitted'>): string {
  return `${kind} ${namespace}/${name} ${listener} ${host} ${path}`;
}

/** Describes each match of a request. An invalid request has none. */
function describe(request: SiteRequest, demand: SiteDemand | undefined): Omit<Claim, 'admitted'>[] {
  const { kind, meta } = request.owner;
  const isOther = request.listener !== defaultListener;
  const host = isOther ? requestPattern(request) : request.host;
  const common = {
    kind,
    namespace: meta.namespace,
    name: meta.name,
    ...(host !== undefined && { host }),
    ...(isOther && { listener: request.listener.slice(request.listener.lastIndexOf('/') + 1) }),
  };
  if (demand === undefined) return [common];
  return demand.matches.map(({ path, group }) => ({
    ...common,
    path: path.value,
    termination: terminationOf(demand, demand.groups[group]),
  }));
}

function describeNotes(notes: readonly string[] = []): Pick<Claim, 'notes'> {
  return notes.length === 0 ? {} : { notes: [...notes] };
}

function describeState(pending: Pending | undefined): Pick<Claim, 'admitted'> & Partial<Claim> {
  return pending === undefined ? { admitted: true } : describePending(pending);
}

function placeOf({ host, path, admitted, namespace, name }: Claim): string {
  return `${host ?? ''} ${path ?? ''} ${admitted ? 0 : 1} ${namespace}/${name}`;
}
