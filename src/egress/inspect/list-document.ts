import * as z from 'zod/mini';

/** Where an attachment stands, as far as it can be told without looking into its namespace. */
const attachmentStates = ['attached', 'namespace-gone', 'earlier-boot'] as const;

/** One attachment of the node. */
const listedAttachmentSchema = z.object({
  container: z.string(),
  interface: z.string(),
  /** `NAMESPACE/NAME`; absent where the runtime did not tell. */
  pod: z.optional(z.string()),
  network: z.string(),
  netns: z.string(),
  addresses: z.array(z.string()),
  master: z.string(),
  backend: z.enum(['iptables', 'nftables']),
  /** How many ports are redirected; absent where it is not remembered. */
  redirects: z.optional(z.number()),
  state: z.enum(attachmentStates),
});

/** What `erctl list --output json` prints. */
export const listDocumentSchema = z.object({
  schema: z.literal('erctl.list/v1'),
  attachments: z.array(listedAttachmentSchema),
});

export type ListedAttachment = z.output<typeof listedAttachmentSchema>;
export type ListDocument = z.output<typeof listDocumentSchema>;
