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
 * Forgets connections that were seen before they could be translated: whoever keeps sending would keep
 * such a one alive, and it would never be. Those to this namespace that now have a redirect, and
 * those from it, or through it, that are not to a network that is reached as before. Throws
 * {@link NetlinkError}.
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
 * Ends the connections, of those with a mark, that these redirects or fallbacks made: what comes of them
 * next is no part of a connection any more. Throws {@link NetlinkError}.
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
 * Forgets every connection whose masked mark has this value, and what left the namespace itself under
 * these addresses: while others translate, it would go on under an address that is gone. Throws
 * {@link NetlinkError}.
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

/** Whether the namespace tracks any connection; walking its table costs milliseconds even when it is empty. */
function tracksAny(): boolean {
  return readSysctl('net/netfilter/nf_conntrack_count') !== '0';
}
