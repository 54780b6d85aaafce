import * as z from 'zod/mini';

/** The agent's answer to `/haproxy`: the state of its HAProxy. */
export const haproxyReportSchema = z.object({
  schema: z.literal('ingress-agent.haproxy/v1'),
  directory: z.string(),
  /** Process ID of the master. Absent if none is running. */
  pid: z.optional(z.number()),
  version: z.optional(z.string()),
  workers: z.number(),
  oldWorkers: z.number(),
  reloads: z.record(z.string(), z.number()),
  restarts: z.number(),
  /** Changes that wait for a reload, by cause. */
  waiting: z.record(z.string(), z.array(z.string())),
  /** Problems, for example excessive permissions of sockets and files. */
  problems: z.array(z.object({ what: z.string(), cure: z.string() })),
});

export type HaproxyReport = z.output<typeof haproxyReportSchema>;
