import * as z from 'zod/mini';
import { findingCodes } from './finding.ts';

const attemptSchema = z.object({ target: z.string(), outcome: z.string(), milliseconds: z.number() });

/** What `erctl trace --output json` prints. */
export const traceDocumentSchema = z.object({
  schema: z.literal('erctl.trace/v1'),
  packet: z.object({
    protocol: z.enum(['tcp', 'udp', 'sctp']),
    client: z.string(),
    destination: z.string(),
    port: z.number(),
    incoming: z.string(),
  }),
  /** Redirected, taken by the pod itself, refused or dropped: by the rules as they should be. */
  goes: z.enum(['redirected', 'delivered', 'refused', 'dropped']),
  /** Of a redirected connection. */
  target: z.optional(z.string()),
  source: z.optional(z.string()),
  by: z.optional(z.enum(['redirect', 'fallback'])),
  /** How it goes, a sentence a step. */
  steps: z.array(z.string()),
  attempt: z.optional(attemptSchema),
  /** What keeps it from getting there. */
  problems: z.array(z.object({ code: z.enum(findingCodes), what: z.string(), cure: z.string() })),
  /** Whether a connection gets to its target, as far as can be told. */
  arrives: z.boolean(),
});

export type TraceDocument = z.output<typeof traceDocumentSchema>;
