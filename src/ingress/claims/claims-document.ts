import * as z from 'zod/mini';
import { keyOf } from '../../api/object-meta.ts';
import type { Route, RouteDemand } from '../../api/route.ts';
import { type Admissions, portKey } from './claims.ts';

/** One port that a Route or a listener asks for, and what became of it. */
const claimSchema = z.object({
  protocol: z.optional(z.enum(['tcp', 'udp', 'sctp'])),
  /** Absent where what is asked for cannot be read. */
  port: z.optional(z.number()),
  kind: z.enum(['Route', 'Gateway']),
  namespace: z.string(),
  name: z.string(),
  listener: z.optional(z.string()),
  admitted: z.boolean(),
  /** Of a refusal, as in the Route's status. */
  reason: z.optional(z.string()),
  message: z.optional(z.string()),
  /** Who has the port instead: for administrators, who may see every namespace. */
  owner: z.optional(z.string()),
});

/** What the agent answers to `/claims`. */
export const claimsDocumentSchema = z.object({
  schema: z.literal('ingress-agent.claims/v1'),
  claims: z.array(claimSchema),
});

export type ClaimsDocument = z.output<typeof claimsDocumentSchema>;
export type Claim = ClaimsDocument['claims'][number];

/** Every claim, winners and losers, by port; of one port the winner first. */
export function describeClaims({ admitted, refused }: Admissions): ClaimsDocument {
  const owners = new Map(
    admitted.flatMap(({ route, demand }) => demand.ports.map((port) => [portKey(port), nameOf(route)] as const)),
  );
  const claims = [
    ...admitted.flatMap(({ route, demand }) =>
      listPorts(demand).map((port): Claim => ({ ...port, ...describeRoute(route), admitted: true })),
    ),
    ...refused.flatMap(({ route, reason, message }) =>
      listPorts(route.demand.ok ? route.demand.value : undefined).map((port): Claim => {
        const owner = port.protocol === undefined ? undefined : owners.get(`${port.protocol} ${port.port}`);
        return {
          ...port,
          ...describeRoute(route),
          admitted: false,
          reason,
          message,
          ...(owner !== undefined && { owner }),
        };
      }),
    ),
  ];
  return { schema: 'ingress-agent.claims/v1', claims: claims.sort(byPort) };
}

function listPorts(demand: RouteDemand | undefined): Pick<Claim, 'protocol' | 'port'>[] {
  // One whose demand cannot be read is listed all the same.
  if (demand === undefined || demand.ports.length === 0) return [{}];
  return demand.ports.map(({ protocol, port }) => ({ protocol, port }));
}

function describeRoute({ meta, listener }: Route): Pick<Claim, 'kind' | 'namespace' | 'name' | 'listener'> {
  return {
    kind: listener === undefined ? 'Route' : 'Gateway',
    namespace: meta.namespace,
    name: meta.name,
    ...(listener !== undefined && { listener }),
  };
}

function nameOf({ meta }: Route): string {
  return keyOf(meta);
}

function byPort(one: Claim, other: Claim): number {
  if (one.port !== other.port)
    return (one.port ?? Number.POSITIVE_INFINITY) < (other.port ?? Number.POSITIVE_INFINITY) ? -1 : 1;
  const [a, b] = [one, other].map(
    ({ protocol, admitted, namespace, name }) => `${protocol} ${admitted ? 0 : 1} ${namespace}/${name}`,
  );
  return (a ?? '') < (b ?? '') ? -1 : 1;
}
