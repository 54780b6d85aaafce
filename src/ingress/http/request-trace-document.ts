import * as z from 'zod/mini';

const routeSchema = z.object({
  /** Absent: a Route. */
  kind: z.optional(z.string()),
  namespace: z.string(),
  name: z.string(),
  host: z.string(),
  path: z.string(),
  /** Index of the rule of a route of a Gateway, from 0. */
  rule: z.optional(z.number()),
  /** All conditions of the match, on one line. */
  match: z.optional(z.string()),
});

const listenerSchema = z.object({
  /** `NAMESPACE/NAME` */
  gateway: z.string(),
  name: z.string(),
  port: z.number(),
  /** Empty: the addresses of the node. */
  addresses: z.array(z.string()),
  hostname: z.optional(z.string()),
});

/** The agent's answer to `/trace`: the fate of a request for a host and path. */
export const requestTraceSchema = z.object({
  schema: z.literal('ingress-agent.trace/v1'),
  host: z.string(),
  path: z.string(),
  tls: z.boolean(),
  /** Ports of the router. */
  ports: z.object({ http: z.number(), https: z.number() }),
  /** What the client gets: an endpoint's response, its forwarded TLS, a redirect, or an error of the router. */
  outcome: z.enum(['served', 'passthrough', 'redirect', 'error']),
  /** Explanation in one sentence. */
  explanation: z.string(),
  /** The listener of a Gateway that receives the request. Absent: the router's own ports. */
  listener: z.optional(listenerSchema),
  route: z.optional(routeSchema),
  /** Notes of the Route's status, such as the reason for missing endpoints. */
  notes: z.optional(z.array(z.string())),
  endpoints: z.array(z.object({ id: z.string(), address: z.string(), port: z.number(), weight: z.number() })),
  /** Other Routes of the host, each with the reason why it does not answer. */
  others: z.array(z.extend(routeSchema, { why: z.string() })),
});

export type RequestTrace = z.output<typeof requestTraceSchema>;
