import * as z from 'zod/mini';

/** What the agent answers to `/haproxy`: how its HAProxy fares. */
export const haproxyReportSchema = z.object({
  schema: z.literal('ingress-agent.haproxy/v1'),
  directory: z.string(),
  /** Of the master; absent while none runs. */
  pid: z.optional(z.number()),
  version: z.optional(z.string()),
  workers: z.number(),
  oldWorkers: z.number(),
  reloads: z.record(z.string(), z.number()),
  restarts: z.number(),
  /** What waits for a reload, by cause. */
  waiting: z.record(z.string(), z.array(z.string())),
  /** Sockets and files with more rights than they need, and such. */
  problems: z.array(z.object({ what: z.string(), cure: z.string() })),
});

export type HaproxyReport = z.output<typeof haproxyReportSchema>;
