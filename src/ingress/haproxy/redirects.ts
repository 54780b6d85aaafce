import { createHash } from 'node:crypto';
import { checkHost, checkPath, UnfitValue } from './quote.ts';
import type { RedirectTarget } from './rule.ts';

/** Section that answers with a redirect. The second field of a route selects its entry in `redirects.map`. */
const section = 'redirect_to';

/**
 * Returns the route of a redirect and its entry: `STATUS SCHEME HOST PORT MODE FROM TO`. `-` means that of the request,
 * and as port that of the listener; `*` means no port. Throws {@link UnfitValue}.
 *
 * @param scope part of the key, so that no entry belongs to two hosts
 */
export function makeRedirect(
  scope: string,
  { status, scheme, host, port, path }: RedirectTarget,
): { readonly route: string; readonly key: string; readonly value: string } {
  const mode = path === undefined ? '-' : path.from === undefined ? 'full' : 'prefix';
  const target = path === undefined ? '-' : checkPath(mode === 'prefix' ? path.value.replace(/\/+$/, '') : path.value);
  const from = path?.from === undefined ? '' : checkPath(path.from.replace(/\/+$/, ''));
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65535))
    throw new UnfitValue(`redirect to port ${port}: not 1–65535`);
  const isKnown = scheme !== undefined && port === { http: 80, https: 443 }[scheme];
  const shown = isKnown || (port === undefined && scheme !== undefined) ? '*' : (port ?? '-');
  const value = [
    status,
    scheme ?? '-',
    host === undefined ? '-' : checkHost(host),
    shown,
    mode,
    from || '-',
    target || '-',
  ].join(' ');
  const key = createHash('sha256').update(`${scope} ${value}`).digest('hex').slice(0, 32);
  return { route: `${section}|${key}`, key, value };
}

function field(number: number): string {
  return `var(txn.to),field(${number}," ")`;
}

/** Answers by the entry of the route. */
export const redirectSection = `# Redirects: "STATUS SCHEME HOST PORT MODE FROM TO".
backend ${section} from base
  http-request set-var(txn.to) var(txn.route),field(2,|),map_str(maps/redirects.map)
  http-request set-var(txn.scheme) '${field(2)}'
  http-request set-var(txn.scheme) ssl_fc,iif(https,http) if { var(txn.scheme) -m str -- - }
  http-request set-var(txn.to_host) '${field(3)}'
  http-request set-var(txn.to_host) req.hdr(host),field(1,:) if { var(txn.to_host) -m str -- - }
  http-request set-var(txn.to_port) '${field(4)}'
  http-request set-var(txn.to_port) var(txn.port) if { var(txn.to_port) -m str -- - }
  http-request set-var-fmt(txn.well_known) "%[var(txn.scheme)] %[var(txn.to_port)]"
  http-request set-var-fmt(txn.authority) "%[var(txn.to_host)]:%[var(txn.to_port)]"
  http-request set-var(txn.authority) var(txn.to_host) if { var(txn.to_port) -m str * } || { var(txn.well_known) -m str "http 80" "https 443" }
  http-request set-var(txn.mode) '${field(5)}'
  http-request set-var(txn.target) '${field(7)},regsub("^-$","")'
  http-request set-var-fmt(txn.rest) "%[var(txn.to),field(6,' ')] %[path]" if { var(txn.mode) -m str prefix }
  http-request set-var(txn.rest) 'var(txn.rest),regsub("^(?:- |([^ ]+) \\\\1)","")' if { var(txn.mode) -m str prefix }
  http-request set-var-fmt(txn.new_path) "%[var(txn.target)]%[var(txn.rest)]"
  http-request set-var(txn.new_path) str(/) if { var(txn.new_path) -m len 0 }
  http-request set-path %[var(txn.new_path)] if !{ var(txn.mode) -m str -- - }
${[301, 302, 303, 307, 308].map((code) => `  http-request redirect location %[var(txn.scheme)]://%[var(txn.authority)]%[pathq] code ${code} if { var(txn.to) -m beg ${code} }\n`).join('')}`;
