import * as z from 'zod/mini';

/** One port or host that a Route or listener requests, with the result. */
const claimSchema = z.object({
  protocol: z.optional(z.enum(['tcp', 'udp', 'sctp'])),
  /** Absent if a host is requested, or if the request is invalid. */
  port: z.optional(z.number()),
  /** The only address of the port. Absent: the addresses of the nodes. */
  address: z.optional(z.string()),
  /** Host of a Route, also if the router derived it. */
  host: z.optional(z.string()),
  /** Empty: all paths. */
  path: z.optional(z.string()),
  termination: z.optional(z.enum(['none', 'edge', 'reencrypt', 'passthrough'])),
  /** Expiry of its certificate, RFC 3339. */
  certificateExpires: z.optional(z.string()),
  /** Kind of the object of the claim: `Route`, `Gateway`, or another source. */
  kind: z.string(),
  namespace: z.string(),
  name: z.string(),
  listener: z.optional(z.string()),
  admitted: z.boolean(),
  /** The part of an admitted claim that is not applied. Absent: none. */
  pending: z.optional(z.enum(['all', 'change', 'endpoints'])),
  /** Reason of a rejection, as in the Route's status. */
  reason: z.optional(z.string()),
  message: z.optional(z.string()),
  /** Notes of the Route's status about an admitted claim, such as a missing endpoint. */
  notes: z.optional(z.array(z.string())),
  /** Owner of the port. Administrators see this, who may see every namespace. */
  owner: z.optional(z.string()),
});

/** The agent's answer to `/claims`. */
export const claimsDocumentSchema = z.object({
  schema: z.literal('ingress-agent.claims/v1'),
  claims: z.array(claimSchema),
});

export type ClaimsDocument = z.output<typeof claimsDocumentSchema>;
export type Claim = ClaimsDocument['claims'][number];
