import { type Connection, deleteConnection } from './netlink/conntrack.ts';
import { NetlinkError, NetlinkSocket, netlinkFamily } from './netlink/socket.ts';

/** Forgets one connection; that it is gone already is no error. Throws {@link NetlinkError}. */
export function forgetConnection(conntrack: NetlinkSocket, connection: Connection): void {
  forgetting(() => deleteConnection(conntrack, connection));
}

/** Deletes something from the connection table; that it is gone already is no error. Throws {@link NetlinkError}. */
export function forgetting(forget: () => void): void {
  try {
    forget();
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.code !== 'ENOENT') throw error;
  }
}

/**
 * Runs something with a socket to connection tracking, in the namespace that the thread is in. Throws
 * {@link NetlinkError}.
 */
export function withConntrack(use: (conntrack: NetlinkSocket) => void): void {
  const conntrack = new NetlinkSocket(netlinkFamily.netfilter);
  try {
    use(conntrack);
  } catch (error) {
    // A kernel without this interface tracks connections that nobody can delete: nothing to do for us.
    if (!(error instanceof NetlinkError) || (error.code !== 'EINVAL' && error.code !== 'ENOTSUP')) throw error;
  } finally {
    conntrack.close();
  }
}
