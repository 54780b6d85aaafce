import * as z from 'zod/mini';
import { findingCodes } from './finding.ts';

const findingSchema = z.object({
  code: z.enum(findingCodes),
  what: z.string(),
  cure: z.string(),
});

const gatewaySchema = z.object({
  address: z.string(),
  /** `silent`: probed on the network without an answer; `unasked`: not probed. */
  answer: z.enum(['answers', 'silent', 'unasked']),
  mac: z.optional(z.string()),
  /** State of the kernel's neighbor entry (`ip neigh`). */
  neighbour: z.optional(z.string()),
});

/** Live connections, both directions; packets and bytes are absent when connection accounting is off. */
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
  /** Source address that the target sees. */
  source: z.string(),
  state: z.string(),
  packets: z.optional(z.number()),
  bytes: z.optional(z.number()),
});

/** State of one router. */
const routerReportSchema = z.object({
  container: z.string(),
  pod: z.optional(z.string()),
  netns: z.string(),
  interface: z.object({
    name: z.string(),
    master: z.string(),
    /** Absent if the interface does not exist. */
    up: z.optional(z.boolean()),
    kind: z.optional(z.string()),
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
  /** Redirects to DNS names; `port` and `protocol` are absent for the fallback. Without addresses, the port is refused. */
  names: z.optional(
    z.array(
      z.object({
        name: z.string(),
        protocol: z.optional(z.enum(['tcp', 'udp', 'sctp'])),
        port: z.optional(z.number()),
        targetPort: z.optional(z.number()),
        addresses: z.array(z.string()),
        live: liveSchema,
      }),
    ),
  ),
  connections: z.array(connectionSchema),
  tracking: z.optional(z.object({ count: z.number(), maximum: z.number() })),
  attempts: z.array(z.object({ target: z.string(), outcome: z.string(), milliseconds: z.number() })),
  problems: z.array(findingSchema),
  /** Present if notes name rules of other programs that may disturb connections. */
  uncertain: z.optional(z.literal(true)),
  notes: z.array(z.string()),
});

/** Output of `erctl inspect --output json`. */
export const inspectDocumentSchema = z.object({
  schema: z.literal('erctl.inspect/v1'),
  healthy: z.boolean(),
  routers: z.array(routerReportSchema),
});

export type RouterReport = z.output<typeof routerReportSchema>;
export type InspectDocument = z.output<typeof inspectDocumentSchema>;
