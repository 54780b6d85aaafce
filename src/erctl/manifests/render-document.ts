import * as z from 'zod/mini';

const definitionSchema = z.object({
  apiVersion: z.literal('k8s.cni.cncf.io/v1'),
  kind: z.literal('NetworkAttachmentDefinition'),
  metadata: z.object({ namespace: z.optional(z.string()), name: z.string() }),
  /** The network configuration as JSON text. */
  spec: z.object({ config: z.string() }),
});

const renderedRouterSchema = z.object({
  title: z.string(),
  /** Only for an EgressRouter. */
  definition: z.optional(definitionSchema),
  /** Rule tools with their standard input. */
  scripts: z.array(z.object({ tool: z.enum(['iptables-restore', 'ip6tables-restore', 'nft']), input: z.string() })),
});

/** Document of `erctl render --output json`. */
export const renderDocumentSchema = z.object({
  schema: z.literal('erctl.render/v1'),
  routers: z.array(renderedRouterSchema),
});

export type RenderedRouter = z.output<typeof renderedRouterSchema>;
export type RenderDocument = z.output<typeof renderDocumentSchema>;
