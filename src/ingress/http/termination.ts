import type { Group } from '../intent/group.ts';
import type { SiteDemand } from '../intent/site-request.ts';

/** Where TLS ends, in OpenShift's words: nowhere, at the router, at the router and again at the endpoint, or only there. */
export type Termination = 'none' | 'edge' | 'reencrypt' | 'passthrough';

/** Returns where the TLS of a group of a request ends. */
export function terminationOf({ tls }: SiteDemand, group: Group | undefined): Termination {
  if (tls === undefined) return 'none';
  if (tls.end === 'endpoint') return 'passthrough';
  return group?.tls === undefined ? 'edge' : 'reencrypt';
}
