import * as z from 'zod/mini';
import { moveReasons } from '../addresses/documents.ts';

/** A virtual address with its owner and holder. Times are in milliseconds since 1970. */
const addressSchema = z.object({
  address: z.string(),
  pool: z.string(),
  /** `Router`, or kind and name: `Gateway shop/web`. */
  owner: z.string(),
  /** `held` by this node, `elsewhere`, `handing-over`, `conflict`, `nobody`, or `unknown` without a report. */
  state: z.enum(['held', 'elsewhere', 'handing-over', 'conflict', 'nobody', 'unknown']),
  holder: z.optional(z.string()),
  since: z.optional(z.number()),
  /** The node that takes the address when the holder dies. */
  next: z.optional(z.string()),
  /** Hardware address of a machine that claims the address and is not a member. */
  rival: z.optional(z.string()),
  /** Connections that this node still serves while another node holds the address. */
  draining: z.optional(z.number()),
  reason: z.optional(z.string()),
});

const memberSchema = z.object({
  node: z.string(),
  alive: z.boolean(),
  ready: z.boolean(),
  /** When this node last heard from the member. Absent: never. */
  lastHeard: z.optional(z.number()),
});

const moveSchema = z.object({
  address: z.string(),
  from: z.optional(z.string()),
  to: z.optional(z.string()),
  at: z.number(),
  reason: z.enum(moveReasons),
});

/** The agent's answer to `/addresses`. */
export const addressesDocumentSchema = z.object({
  schema: z.literal('ingress-agent.addresses/v1'),
  node: z.string(),
  /** When the document was created. */
  at: z.number(),
  /** Why holders are unknown. Absent: `ingress-addresses` reports them. */
  problem: z.optional(z.string()),
  addresses: z.array(addressSchema),
  members: z.array(memberSchema),
  /** Recent moves, oldest first. */
  moves: z.array(moveSchema),
  pools: z.array(z.object({ name: z.string(), assigned: z.number(), free: z.number(), problems: z.array(z.string()) })),
});

export type AddressesDocument = z.output<typeof addressesDocumentSchema>;
