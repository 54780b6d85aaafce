/** Whether this process may write: one of several does, such as the holder of a Lease. */
export interface Leadership {
  readonly isHeld: boolean;
}

/** Thrown when another process may write now: what is left to do is up to that one. */
export class LeadershipLost extends Error {}

/** Throws {@link LeadershipLost} where this process may not write (any more). */
export function checkLeadership({ isHeld }: Leadership): void {
  if (!isHeld) throw new LeadershipLost('another process is the leader');
}
