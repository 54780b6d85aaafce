/** Times of the election in milliseconds. */
export const timing = {
  /** Between two heartbeats to each member. */
  heartbeat: 250,
  /** A member that was silent for longer is dead: three heartbeats and some jitter. */
  dead: 850,
  /** After a start or a pause: how long to listen before taking an address. Longer than `dead`. */
  settle: 1100,
  /** Wait for answers to a probe. The timers of RFC 5227 and RFC 4862 take seconds. */
  probe: 100,
  /** Lifetime of an address in the kernel. It fences a node whose process died. */
  lifetime: 2000,
  /** Between two renewals of the lifetime. */
  renewal: 500,
  /** An address that was not renewed for longer may have expired, so it must not be renewed. */
  expired: 1900,
  /** How long a node may take to prepare for an address before the holder keeps it. Loading rules can be slow. */
  prepare: 5000,
  /** How long a released address waits for its next holder, and the pause between attempts to take an address. */
  take: 1000,
  /** Pause after a failed hand-over. */
  retry: 2000,
  /** How long a node that does not serve waits for another node before it removes its addresses. */
  unserved: 1000,
  /** How long two members may both claim an address while one of them does not hear the other. */
  deaf: 600,
  /** How long a returning node must be ready before it gets its share back. */
  share: 10_000,
  /** Between two moves of a share. */
  nextShare: 1000,
  /** Wait before the next probe of an address that another machine owns. Doubles up to the maximum. */
  conflict: 5000,
  longestConflict: 60_000,
  /** How long to forward connections to a member whose process exited gracefully, for example for an upgrade. */
  absent: 600_000,
  /** The same for a silent member: a pause must not reset the connections that it drains. */
  doubt: 3000,
  /** Between two announcements of a held address after the first three. */
  announcement: 30_000,
} as const;

export type Timing = { readonly [Name in keyof typeof timing]: number };
