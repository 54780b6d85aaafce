import * as z from 'zod/mini';

const routeSchema = z.object({ namespace: z.string(), name: z.string(), host: z.string(), path: z.string() });

/** What the agent answers to `/trace`: what would become of a request for a host and path. */
export const requestTraceSchema = z.object({
  schema: z.literal('ingress-agent.trace/v1'),
  host: z.string(),
  path: z.string(),
  tls: z.boolean(),
  /** Where the router listens. */
  ports: z.object({ http: z.number(), https: z.number() }),
  /** What the client gets: an answer of an endpoint, its TLS handed on, a redirect, or an error of the router. */
  outcome: z.enum(['served', 'passthrough', 'redirect', 'error']),
  /** In words. */
  explanation: z.string(),
  route: z.optional(routeSchema),
  endpoints: z.array(z.object({ id: z.string(), address: z.string(), port: z.number(), weight: z.number() })),
  /** Other Routes of the host, and why each does not answer. */
  others: z.array(z.extend(routeSchema, { why: z.string() })),
});

export type RequestTrace = z.output<typeof requestTraceSchema>;
