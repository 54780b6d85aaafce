import * as z from 'zod/mini';

/** States of an attachment that can be determined without entering its namespace. */
const attachmentStates = ['attached', 'namespace-gone', 'earlier-boot'] as const;

/** An attachment on the node. */
const listedAttachmentSchema = z.object({
  container: z.string(),
  interface: z.string(),
  /** `NAMESPACE/NAME`; absent if the container runtime did not pass it. */
  pod: z.optional(z.string()),
  network: z.string(),
  netns: z.string(),
  addresses: z.array(z.string()),
  master: z.string(),
  backend: z.enum(['iptables', 'nftables']),
  /** Number of redirected ports; absent if the state file does not record it. */
  redirects: z.optional(z.number()),
  state: z.enum(attachmentStates),
});

/** Output of `erctl list --output json`. */
export const listDocumentSchema = z.object({
  schema: z.literal('erctl.list/v1'),
  attachments: z.array(listedAttachmentSchema),
});

export type ListedAttachment = z.output<typeof listedAttachmentSchema>;
export type ListDocument = z.output<typeof listDocumentSchema>;
