import { protocolNumbers, type Redirect } from '../../model/redirect.ts';
import { listAddresses } from './netlink/address.ts';
import { type Connection, deleteConnection, deleteMarkedConnections, listConnections } from './netlink/conntrack.ts';
import { NetlinkError, NetlinkSocket, netlinkFamily } from './netlink/socket.ts';
import { readSysctl } from './sysctl.ts';

/**
 * Forgets connections to this namespace that were seen before their redirect was in force: a client
 * that keeps sending would keep such a one alive, and never be redirected. Throws {@link NetlinkError}.
 */
export function forgetUntranslated(pod: NetlinkSocket, redirects: readonly Redirect[], fallback: boolean): void {
  if (!tracksAny()) return;
  withConntrack((conntrack) => {
    const connections = listConnections(conntrack).filter((connection) => !connection.translated);
    if (connections.length === 0) return;
    const local = new Set(listAddresses(pod).map(({ prefix }) => prefix.address.text));
    const ports = new Set(redirects.map((one) => `${protocolNumbers[one.protocol]} ${one.port}`));
    for (const connection of connections) {
      const wanted = fallback || ports.has(`${connection.protocol} ${connection.destinationPort}`);
      if (wanted && local.has(connection.destination.text)) forgetConnection(conntrack, connection);
    }
  });
}

/** Forgets every connection whose masked mark has this value. Throws {@link NetlinkError}. */
export function forgetMarked(value: number, mask: number): void {
  if (!tracksAny()) return;
  withConntrack((conntrack) => deleteMarkedConnections(conntrack, value, mask));
}

/** Whether the namespace tracks any connection; walking its table costs milliseconds even when it is empty. */
function tracksAny(): boolean {
  return readSysctl('net/netfilter/nf_conntrack_count') !== '0';
}

/** Forgets one connection; that it is gone already is no error. Throws {@link NetlinkError}. */
export function forgetConnection(conntrack: NetlinkSocket, connection: Connection): void {
  try {
    deleteConnection(conntrack, connection);
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
