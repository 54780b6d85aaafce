import type { Claim } from '../claims/claims-document.ts';
import type { Pending } from '../intent/plane.ts';
import type { HttpDemand } from '../route/http-demand.ts';
import type { Route } from '../route/route.ts';
import type { DesiredSites } from './desired.ts';
import type { ServedRoute } from './served-route.ts';

/**
 * Returns every claim of a host and path, accepted and rejected, sorted by host.
 *
 * @param pendingOf what of a Route HAProxy has not applied
 */
export function describeHostClaims(
  { served, unfit, refused }: DesiredSites,
  pendingOf: (route: ServedRoute) => Pending | undefined,
): readonly Claim[] {
  const claims = [
    ...served.map((one): Claim => {
      const { route, host, demand, keyPair } = one;
      const pending = pendingOf(one)?.what;
      return {
        ...describe(route, host, demand),
        admitted: true,
        ...(pending !== undefined && { pending }),
        ...(keyPair !== undefined && { certificateExpires: new Date(keyPair.expires).toISOString() }),
      };
    }),
    ...unfit.map(
      ({ route, host, demand, refusal }): Claim => ({ ...describe(route, host, demand), admitted: false, ...refusal }),
    ),
    ...refused.map(
      ({ route, host, reason, message }): Claim => ({
        ...describe(route, host, route.http.ok ? route.http.value : undefined),
        admitted: false,
        reason,
        message,
      }),
    ),
  ];
  return claims.sort((one, other) => (placeOf(one) < placeOf(other) ? -1 : 1));
}

function describe({ meta }: Route, host: string | undefined, demand: HttpDemand | undefined): Omit<Claim, 'admitted'> {
  return {
    kind: 'Route',
    namespace: meta.namespace,
    name: meta.name,
    ...(host !== undefined && { host }),
    ...(demand !== undefined && { path: demand.path, termination: demand.tls?.termination ?? 'none' }),
  };
}

function placeOf({ host, path, admitted, namespace, name }: Claim): string {
  return `${host ?? ''} ${path ?? ''} ${admitted ? 0 : 1} ${namespace}/${name}`;
}
