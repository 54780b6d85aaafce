import * as z from 'zod/mini';
import { findingCodes } from './finding.ts';

const findingSchema = z.object({
  code: z.enum(findingCodes),
  what: z.string(),
  cure: z.string(),
});

const gatewaySchema = z.object({
  address: z.string(),
  /** `silent`: asked on the wire, no answer; `unasked`: nobody was asked. */
  answer: z.enum(['answers', 'silent', 'unasked']),
  mac: z.optional(z.string()),
  /** What the kernel believes (`ip neigh`). */
  neighbour: z.optional(z.string()),
});

/** Of the connections that live now, both directions; packets and bytes absent where nobody counts them. */
const liveSchema = z.object({
  connections: z.number(),
  packets: z.optional(z.number()),
  bytes: z.optional(z.number()),
});

const redirectSchema = z.object({
  protocol: z.enum(['tcp', 'udp', 'sctp']),
  port: z.number(),
  target: z.string(),
  targetPort: z.number(),
  installed: z.boolean(),
  live: liveSchema,
  /** Connections opened since the rule was installed; only iptables counts them. */
  opened: z.optional(z.number()),
});

const connectionSchema = z.object({
  protocol: z.string(),
  client: z.string(),
  port: z.number(),
  target: z.string(),
  /** The address that the target sees. */
  source: z.string(),
  state: z.string(),
  packets: z.optional(z.number()),
  bytes: z.optional(z.number()),
});

/** One router, as it was seen. */
const routerReportSchema = z.object({
  container: z.string(),
  pod: z.optional(z.string()),
  netns: z.string(),
  interface: z.object({
    name: z.string(),
    master: z.string(),
    /** Absent where there is no such interface. */
    up: z.optional(z.boolean()),
    mode: z.optional(z.string()),
    mtu: z.optional(z.number()),
    mac: z.optional(z.string()),
  }),
  podInterfaces: z.array(z.object({ family: z.number(), name: z.string(), addresses: z.array(z.string()) })),
  addresses: z.array(z.object({ address: z.string(), gateway: gatewaySchema })),
  routes: z.array(z.string()),
  policyRules: z.array(z.string()),
  backend: z.enum(['iptables', 'nftables']),
  redirects: z.array(redirectSchema),
  fallbacks: z.array(z.object({ target: z.string(), live: liveSchema })),
  connections: z.array(connectionSchema),
  tracking: z.optional(z.object({ count: z.number(), maximum: z.number() })),
  attempts: z.array(z.object({ target: z.string(), outcome: z.string(), milliseconds: z.number() })),
  problems: z.array(findingSchema),
  notes: z.array(z.string()),
});

/** What `erctl inspect --output json` prints. */
export const inspectDocumentSchema = z.object({
  schema: z.literal('erctl.inspect/v1'),
  healthy: z.boolean(),
  routers: z.array(routerReportSchema),
});

export type RouterReport = z.output<typeof routerReportSchema>;
export type InspectDocument = z.output<typeof inspectDocumentSchema>;
