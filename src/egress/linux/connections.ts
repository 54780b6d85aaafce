import { forgetConnection, forgetting, withConntrack } from '../../base/linux/conntrack-session.ts';
import { listAddresses } from '../../base/linux/netlink/address.ts';
import {
  deleteMarkedConnections,
  deleteTracked,
  listConnections,
  listUntranslated,
} from '../../base/linux/netlink/conntrack.ts';
import type { NetlinkSocket } from '../../base/linux/netlink/socket.ts';
import { readSysctl } from '../../base/linux/sysctl.ts';
import { containsAddress, isUnusable } from '../../base/model/address.ts';
import { portKey, protocolNumbers, type Redirect } from '../../base/model/redirect.ts';
import type { Operation } from '../model/operation.ts';

/**
 * Deletes connections that were tracked before they could be translated: a client that keeps sending would keep such
 * an entry alive, and its packets would never be translated. This concerns connections to this namespace that now
 * have a redirect, and connections from or through it to networks that are now routed differently. Throws {@link
 * NetlinkError}.
 */
export function forgetUntranslated(
  pod: NetlinkSocket,
  { ports: redirected, fallback, kept }: Extract<Operation, { do: 'forget-untranslated' }>,
): void {
  if (!tracksAny()) return;
  withConntrack((conntrack) => {
    const flows = listUntranslated(conntrack);
    if (flows.length === 0) return;
    const local = new Set(listAddresses(pod).map(({ prefix }) => prefix.address.text));
    const ports = new Set(redirected.map((one) => `${protocolNumbers[one.protocol]} ${one.port}`));
    for (const flow of flows) {
      const staysHere = local.has(flow.target.text) || isUnusable(flow.target);
      const stale = staysHere
        ? !flow.destinationTranslated && (fallback || ports.has(`${flow.protocol} ${flow.destinationPort}`))
        : !flow.sourceTranslated && !kept.some((prefix) => containsAddress(prefix, flow.target));
      if (stale) forgetting(() => deleteTracked(conntrack, flow));
    }
  });
}

/**
 * Deletes the marked connections that these redirects or fallbacks created. Their next packets belong to no
 * connection. Throws {@link NetlinkError}.
 */
export function forgetRedirected({
  value,
  mask,
  redirects,
  fallbacks,
  ports,
  endedPorts = new Set(),
  endsFallback = false,
  kept = { redirects: [], fallbacks: [] },
}: Extract<Operation, { do: 'forget-redirected' }>): void {
  const isNothing = redirects.length + fallbacks.length + endedPorts.size === 0 && !endsFallback;
  if (isNothing || !tracksAny()) return;
  const ends = new Set(redirects.map(endOf));
  const keptEnds = new Set(kept.redirects.map(endOf));
  const fallbackTargets = new Set(fallbacks.map(({ text }) => text));
  const keptFallbacks = new Set(kept.fallbacks.map(({ text }) => text));
  withConntrack((conntrack) => {
    for (const connection of listConnections(conntrack, { value, mask })) {
      if (!connection.translated) continue;
      const { source, protocol, destinationPort, answeredBy } = connection;
      const port = `${source.family} ${protocol} ${destinationPort}`;
      const target = answeredBy.address.text;
      const end = `${port} ${target} ${answeredBy.port}`;
      const byRedirect = ends.has(end) || (endedPorts.has(port) && !keptEnds.has(end));
      const isOfFallback = answeredBy.port === destinationPort && !ports.has(port);
      const byFallback = fallbackTargets.has(target) || (endsFallback && !keptFallbacks.has(target));
      if (byRedirect || (isOfFallback && byFallback)) forgetConnection(conntrack, connection);
    }
  });
}

/** Identifies the connections of a redirect by their port and target. */
function endOf(redirect: Redirect): string {
  return `${portKey(redirect)} ${redirect.target.text} ${redirect.targetPort ?? redirect.port}`;
}

/**
 * Deletes every connection whose masked mark has this value, and connections that left the namespace with these
 * source addresses: other translations would keep using an address that no longer exists. Throws {@link
 * NetlinkError}.
 */
export function forgetMarked({ value, mask, seenAs }: Extract<Operation, { do: 'forget-marked' }>): void {
  if (!tracksAny()) return;
  const gone = new Set(seenAs.map(({ text }) => text));
  withConntrack((conntrack) => {
    deleteMarkedConnections(conntrack, value, mask);
    if (gone.size === 0 || !tracksAny()) return;
    for (const flow of listUntranslated(conntrack)) {
      if (flow.sourceTranslated && gone.has(flow.seenAs.text)) forgetting(() => deleteTracked(conntrack, flow));
    }
  });
}

/** Returns whether the namespace tracks any connection. Walking the table takes milliseconds even if it is empty. */
function tracksAny(): boolean {
  return readSysctl('net/netfilter/nf_conntrack_count') !== '0';
}
