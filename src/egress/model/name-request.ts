import * as z from 'zod/mini';
import type { Address, Prefix } from '../../base/model/address.ts';
import { parseAddress, parsePrefix } from '../../base/model/address.ts';

/**
 * Unix socket on which the node daemon answers the plugin, in a folder that only root may access: one request and one
 * reply, each a line of JSON.
 */
export const namesSocket = '/run/egress-router/names/socket';

/** How long ADD waits for the daemon, in milliseconds. */
export const answerPatience = 2000;

/** Largest request and reply in bytes: every port of a router redirected to a name. */
export const largestNameMessage = 32 * 1024 * 1024;

/** What ADD asks the node daemon. */
export interface NameRequest {
  /** Kubernetes namespace of the pod; empty if the runtime did not pass it. */
  readonly namespace: string;
  /** Attachment that asks, until its state file exists. */
  readonly user: string;
  readonly names: readonly string[];
  /** Families of the reserved addresses. */
  readonly families: readonly (4 | 6)[];
}

/** The node daemon's answers. */
export interface NameReply {
  readonly answers: readonly NameAnswer[];
  /** Networks inside the cluster or the node that are allowed as destinations. */
  readonly allowed: readonly Prefix[];
}

/** Answer for one name. */
export interface NameAnswer {
  readonly name: string;
  /** Usable addresses. */
  readonly addresses: readonly Address[];
  /** Why there are none, or not all. */
  readonly problem?: string;
}

/** Schema of a request. */
export function makeRequestSchema() {
  return z.object({
    namespace: z.string(),
    user: z.string(),
    names: z.array(z.string()),
    families: z.array(z.union([z.literal(4), z.literal(6)])),
  });
}

/** Parses a reply; undefined if it is none. */
export function readNameReply(document: unknown): NameReply | undefined {
  const schema = z.object({
    answers: z.array(z.object({ name: z.string(), addresses: z.array(z.string()), problem: z.optional(z.string()) })),
    allowed: z.array(z.string()),
  });
  const parsed = schema.safeParse(document);
  if (!parsed.success) return undefined;
  return {
    answers: parsed.data.answers.map(({ name, addresses, problem }) => ({
      name,
      addresses: addresses.flatMap((address) => parseAddress(address) ?? []),
      ...(problem !== undefined && { problem }),
    })),
    allowed: parsed.data.allowed.flatMap((prefix) => parsePrefix(prefix) ?? []),
  };
}
