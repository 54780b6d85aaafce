import { type Connection, deleteConnection } from './netlink/conntrack.ts';
import { NetlinkError, NetlinkSocket, netlinkFamily } from './netlink/socket.ts';

/**
 * Deletes a connection from the tracking table. A connection that no longer exists is not an error. Throws {@link
 * NetlinkError}.
 */
export function forgetConnection(conntrack: NetlinkSocket, connection: Connection): void {
  forgetting(() => deleteConnection(conntrack, connection));
}

/** Runs a deletion and ignores that the entry no longer exists. Throws {@link NetlinkError}. */
export function forgetting(forget: () => void): void {
  try {
    forget();
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.code !== 'ENOENT') throw error;
  }
}

/** Runs a function with a connection tracking socket in the current network namespace. Throws {@link NetlinkError}. */
export function withConntrack(use: (conntrack: NetlinkSocket) => void): void {
  const conntrack = new NetlinkSocket(netlinkFamily.netfilter);
  try {
    use(conntrack);
  } catch (error) {
    // A kernel without this interface offers no way to delete tracked connections.
    if (!(error instanceof NetlinkError) || (error.code !== 'EINVAL' && error.code !== 'ENOTSUP')) throw error;
  } finally {
    conntrack.close();
  }
}
