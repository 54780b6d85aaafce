import * as z from 'zod/mini';

/** One line of `erctl watch --output json`: what passed between two looks. */
export const watchDocumentSchema = z.object({
  schema: z.literal('erctl.watch/v1'),
  container: z.string(),
  pod: z.optional(z.string()),
  interface: z.string(),
  /** Seconds between the looks. */
  seconds: z.number(),
  rows: z.array(
    z.object({
      /** `8080/tcp`, or `other` for the fallback. */
      rule: z.string(),
      target: z.string(),
      /** Living now. */
      connections: z.number(),
      /** Seen for the first time in this look. */
      opened: z.number(),
      /** Towards the target, and back. */
      bytesOutPerSecond: z.number(),
      bytesInPerSecond: z.number(),
    }),
  ),
  /** Whether the namespace counts bytes; otherwise all rates are 0. */
  counted: z.boolean(),
});

export type WatchDocument = z.output<typeof watchDocumentSchema>;
