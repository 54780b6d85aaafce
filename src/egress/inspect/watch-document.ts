import * as z from 'zod/mini';

/** One line of `erctl watch --output json`: traffic between two samples. */
export const watchDocumentSchema = z.object({
  schema: z.literal('erctl.watch/v1'),
  container: z.string(),
  pod: z.optional(z.string()),
  interface: z.string(),
  /** Seconds between the samples. */
  seconds: z.number(),
  rows: z.array(
    z.object({
      /** `8080/tcp`, or `other` for the fallback. */
      rule: z.string(),
      target: z.string(),
      /** Live connections. */
      connections: z.number(),
      /** Connections first seen in this sample. */
      opened: z.number(),
      /** Sent to the target, and received from it. */
      bytesOutPerSecond: z.number(),
      bytesInPerSecond: z.number(),
    }),
  ),
  /** Whether connection accounting is on; otherwise all rates are 0. */
  counted: z.boolean(),
});

export type WatchDocument = z.output<typeof watchDocumentSchema>;
