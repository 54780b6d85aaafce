import { isHostName } from '../../base/read/object-meta.ts';

/**
 * Parses the hostname of a listener or route: a name, or `*.` and a name, which covers any number of labels (Gateway
 * API, Hostname). Returns it in lower case, or undefined if it is neither.
 */
export function parseHostname(written: unknown): string | undefined {
  if (typeof written !== 'string') return undefined;
  const lower = written.toLowerCase();
  return isHostName(lower.startsWith('*.') ? lower.slice(2) : lower) ? lower : undefined;
}

/** Returns whether a hostname covers a name, or every name that another wildcard covers. Undefined covers all. */
export function covers(hostname: string | undefined, name: string | undefined): boolean {
  if (hostname === undefined || hostname === name) return true;
  if (name === undefined || !hostname.startsWith('*.')) return false;
  const suffix = hostname.slice(1);
  // `*.example.com` does not cover `example.com`, but covers all of `*.a.example.com`.
  return name.startsWith('*.') ? name.slice(1).endsWith(suffix) : name.endsWith(suffix);
}

/**
 * Returns the names of a route on a listener, without duplicates: each hostname of the route as far as the listener
 * covers it. `undefined` in the list is every name. Empty: they have no name in common.
 */
export function listHostnames(
  listener: string | undefined,
  hostnames: readonly string[],
): readonly (string | undefined)[] {
  const names = new Set<string | undefined>();
  for (const hostname of hostnames.length === 0 ? [undefined] : hostnames) {
    // The intersection of two hostnames is the more specific one.
    if (covers(listener, hostname)) names.add(hostname);
    else if (covers(hostname, listener)) names.add(listener);
  }
  return [...names];
}
