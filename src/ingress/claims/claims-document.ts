import * as z from 'zod/mini';

/** One port that a Route or a listener asks for, and what became of it. */
const claimSchema = z.object({
  protocol: z.optional(z.enum(['tcp', 'udp', 'sctp'])),
  /** Absent where a host is asked for, or what is asked for cannot be read. */
  port: z.optional(z.number()),
  /** Of a Route that asks for one, or was given one by the router. */
  host: z.optional(z.string()),
  /** Empty: every path. */
  path: z.optional(z.string()),
  termination: z.optional(z.enum(['none', 'edge', 'reencrypt', 'passthrough'])),
  /** When its certificate expires, RFC 3339. */
  certificateExpires: z.optional(z.string()),
  kind: z.enum(['Route', 'Gateway']),
  namespace: z.string(),
  name: z.string(),
  listener: z.optional(z.string()),
  admitted: z.boolean(),
  /** What of an admitted claim is not in force; absent: nothing. */
  pending: z.optional(z.enum(['all', 'change', 'endpoints'])),
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
