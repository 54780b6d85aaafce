/** Whether this process may write. Of several processes one may, such as the holder of a Lease. */
export interface Leadership {
  readonly isHeld: boolean;
}

/** Thrown when another process has become the writer, which will do the remaining work. */
export class LeadershipLost extends Error {}

/** Throws {@link LeadershipLost} if this process may not write or no longer may. */
export function checkLeadership({ isHeld }: Leadership): void {
  if (!isHeld) throw new LeadershipLost('another process is the leader');
}
