import * as z from 'zod/mini';
import { findingCodes } from './finding.ts';

const attemptSchema = z.object({ target: z.string(), outcome: z.string(), milliseconds: z.number() });

/** Output of `erctl trace --output json`. */
export const traceDocumentSchema = z.object({
  schema: z.literal('erctl.trace/v1'),
  packet: z.object({
    protocol: z.enum(['tcp', 'udp', 'sctp']),
    client: z.string(),
    destination: z.string(),
    port: z.number(),
    incoming: z.string(),
  }),
  /** What the desired rules do with the connection; `delivered`: the pod itself receives it. */
  goes: z.enum(['redirected', 'delivered', 'unresolved', 'refused', 'dropped']),
  /** Present for a redirected connection. */
  target: z.optional(z.string()),
  source: z.optional(z.string()),
  by: z.optional(z.enum(['redirect', 'fallback'])),
  /** Present for a redirect to a DNS name: the name, and the addresses that share its connections. */
  name: z.optional(z.string()),
  addresses: z.optional(z.array(z.string())),
  /** The path of the connection, one sentence per step. */
  steps: z.array(z.string()),
  attempt: z.optional(attemptSchema),
  /** Problems that block the connection. */
  problems: z.array(z.object({ code: z.enum(findingCodes), what: z.string(), cure: z.string() })),
  /** Rules of other programs that may disturb connections; present if there are any. */
  notes: z.optional(z.array(z.string())),
  /** Whether the connection reaches its target, as far as can be determined. */
  arrives: z.boolean(),
});

export type TraceDocument = z.output<typeof traceDocumentSchema>;
