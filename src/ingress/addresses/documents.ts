/**
 * The files between the agent and `ingress-addresses`, in the folder {@link addressesFolder} of the agent's run folder.
 * Each side replaces its own files whole and reads the other's.
 */
import * as z from 'zod/mini';
import { parseAddress } from '../../base/model/address.ts';

/** Names of the files. `keys` has mode 0600. */
export const addressFiles = { wanted: 'wanted.json', keys: 'keys.json', state: 'state.json' } as const;

/** Default folder of the files. */
export const addressesFolder = '/run/egress-router/addresses';

/** Default UDP port of the heartbeat. */
export const heartbeatPort = 1941;

const address = z
  .string()
  .check(z.refine((text) => parseAddress(text)?.text === text, 'must be an IP address in canonical form'));
const port = z.int().check(z.minimum(1), z.maximum(65_535));
const nodeName = z.string().check(z.regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, 'must be the name of a node'));
/** Milliseconds since 1970. */
const instant = z.number().check(z.nonnegative());

/** A virtual address that the members of a pool may hold. */
const wantedAddress = z.object({
  address,
  /** Interface that carries the address. Absent: the interface whose subnet contains the address. */
  interface: z.optional(z.string().check(z.regex(/^[^\s/]{1,15}$/, 'must be the name of an interface'))),
  /** The object that uses the address, as kind and name: `Gateway shop/web`. */
  owner: z.string().check(z.minLength(1), z.maxLength(600)),
  /** Nodes that may hold the address: the members that the pool's node selector admits. Absent: all members. */
  eligibleNodes: z.optional(z.array(nodeName)),
  /** Served ports. Everything else that is sent to the address is rejected, on every member. */
  ports: z.array(z.object({ protocol: z.enum(['TCP', 'UDP', 'SCTP']), port })),
  /**
   * Another program, such as kube-proxy, translates connections to the ports. Those that it does not translate are
   * rejected: a program of the node that listens on the port serves something else.
   */
  translated: z.optional(z.boolean()),
});

/** A node that takes part in the election. */
const wantedMember = z.object({
  node: nodeName,
  /** Addresses of the node for heartbeats; heartbeats of the member count only if they come from one of them. */
  addresses: z.array(address).check(z.minLength(1)),
  port,
  /** When the node became a member. */
  since: instant,
});

/** `wanted.json`, written by the agent at every change and at least every 3 s. */
export const wantedSchema = z.object({
  version: z.literal(1),
  /** `--name` of the agent. Heartbeats of other routers are rejected. */
  router: z.string(),
  /** This node's name, which is among the members once the node takes part. */
  node: nodeName,
  /** When the agent wrote the file. An agent that has been silent for 10 s gives its addresses to other nodes. */
  writtenAt: instant,
  /** Whether this node serves: `/readyz` of the agent. */
  ready: z.boolean(),
  /** Whether this node must hand over its addresses, for example because it is cordoned or its pod terminates. */
  drain: z.boolean(),
  /**
   * Local sockets that accept connections while this node serves, such as HAProxy on 127.0.0.1:80. The process checks
   * them itself, so that it needs no living agent. May be empty.
   */
  checks: z.array(z.object({ address, port })),
  members: z.array(wantedMember),
  addresses: z.array(wantedAddress),
});

/** `keys.json`: keys of the heartbeat. The first one signs; all of them verify, so that keys can be rotated. */
export const keysSchema = z.object({
  version: z.literal(1),
  keys: z.array(
    z.object({
      id: z.string().check(z.regex(/^[A-Za-z0-9._-]{1,32}$/, 'must have 1 to 32 letters, digits, ".", "_" or "-"')),
      /** Base64 of at least 32 random bytes. */
      secret: z
        .string()
        .check(z.refine((text) => Buffer.from(text, 'base64').length >= 32, 'must be base64 of at least 32 bytes')),
    }),
  ),
});

/** Reasons of moves. */
export const moveReasons = ['unheld', 'node-lost', 'drain', 'not-ready', 'share', 'partition-healed'] as const;

/** Reasons for which a heartbeat is rejected. */
export const rejectionReasons = [
  'malformed',
  'unknown-key',
  'signature',
  'router',
  'sender',
  'incarnation',
  'replay',
] as const;

/** A change of an address's holder, as observed by this node. */
const move = z.object({
  address,
  /** Absent: no node held the address. */
  from: z.optional(nodeName),
  /** Absent: no node holds the address now. */
  to: z.optional(nodeName),
  at: instant,
  reason: z.enum(moveReasons),
});

/** `state.json`, written by the process at every change and every second. */
export const stateSchema = z.object({
  version: z.literal(1),
  node: z.string(),
  /** When the process wrote the file. After 5 s without a change the process is dead or stopped. */
  writtenAt: instant,
  /** Whether this node may hold addresses now, and the reason if it may not. */
  ready: z.boolean(),
  reason: z.optional(z.string()),
  members: z.array(
    z.object({
      node: nodeName,
      /** When the last accepted heartbeat arrived. Absent: never. For this node itself, the time of writing. */
      lastHeard: z.optional(instant),
      /** Whether heartbeats arrive in both directions now. */
      alive: z.boolean(),
      ready: z.boolean(),
    }),
  ),
  addresses: z.array(
    z.object({
      address,
      /** The node that holds the address, as far as this node knows. */
      holder: z.optional(nodeName),
      /** When `state` or `holder` last changed. */
      since: instant,
      /**
       * `held`: by this node; `elsewhere`: by another member; `handing-over`: this node moves it to `next`; `conflict`:
       * a machine that is not a member, `rival`, answers for it; `nobody`: not held, for example while it is probed.
       */
      state: z.enum(['held', 'elsewhere', 'nobody', 'conflict', 'handing-over']),
      /** The node that takes the address when the holder dies. */
      next: z.optional(nodeName),
      /** Hardware address of the machine that claims the address. */
      rival: z.optional(z.string()),
      /** Established connections that this node still serves while another node holds the address. */
      draining: z.optional(z.int().check(z.nonnegative())),
      /** Human-readable explanation. */
      reason: z.string(),
    }),
  ),
  /** The last 50 moves, oldest first. */
  moves: z.array(move),
  /** Totals since the process started. */
  counters: z.object({
    moves: z.record(z.enum(moveReasons), z.number()),
    /** Claims of an address by machines that are not members. */
    rivals: z.number(),
    /** Members that were found dead. */
    lostMembers: z.number(),
    /** Gaps in the sequence numbers of accepted heartbeats. */
    lostHeartbeats: z.number(),
    rejectedHeartbeats: z.record(z.enum(rejectionReasons), z.number()),
  }),
});

export type Wanted = z.output<typeof wantedSchema>;
export type WantedAddress = Wanted['addresses'][number];
export type Keys = z.output<typeof keysSchema>;
export type AddressState = z.output<typeof stateSchema>;
export type MoveReason = (typeof moveReasons)[number];
export type RejectionReason = (typeof rejectionReasons)[number];
