import type { Claim } from '../claims/claims-document.ts';

/** State of HAProxy that the page shows. */
export interface PageHaproxy {
  readonly version?: string | undefined;
  /** Process ID of the master. Absent if none is running. */
  readonly pid?: number | undefined;
  readonly workers: number;
  readonly oldWorkers: number;
  readonly restarts: number;
  readonly reloads: Readonly<Record<string, number>>;
  readonly problems: readonly { readonly what: string; readonly cure: string }[];
}

/** Content of the status page. */
export interface StatusPageContent {
  readonly node: string;
  readonly version: string;
  /** Why the agent is not ready. Absent: it is. */
  readonly unreadiness?: string;
  /** Problems that do not affect readiness. */
  readonly remarks: readonly string[];
  readonly claims: readonly Claim[];
  /** Endpoints of a claim, such as `10.1.2.3:8080`. */
  readonly endpointsOf: (claim: Claim) => readonly string[];
  /** Absent: hosts are not served. */
  readonly haproxy?: PageHaproxy;
}

/** Rows of a table; a browser would take seconds for 10,000. */
const maxRows = 500;

/** Endpoints in a cell. */
const maxEndpoints = 6;

const style = `
:root { color-scheme: light dark; --line: #8884; --bad: #c62828; --good: #2e7d32; --wait: #b26a00; }
@media (prefers-color-scheme: dark) { :root { --bad: #ff8a80; --good: #a5d6a7; --wait: #ffd180; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 1200px; padding: 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem; }
p { margin: .3rem 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { font-weight: 600; white-space: nowrap; }
td.code { font-family: ui-monospace, monospace; font-size: .9em; }
.bad { color: var(--bad); } .good { color: var(--good); } .wait { color: var(--wait); }
.scroll { overflow-x: auto; }
form { margin: .6rem 0; } input { font: inherit; padding: .2rem .4rem; }
`;

/**
 * Renders the status page: readiness, rejected claims with reasons, hosts and ports with their endpoints, and HAProxy.
 * Plain HTML without scripts. All texts of objects are escaped.
 *
 * @param filter shows only claims whose namespace, name, host or port contains this text; empty shows all
 */
export function renderStatusPage(content: StatusPageContent, filter = ''): string {
  const { node, version, unreadiness, remarks, haproxy } = content;
  const claims = content.claims.filter((claim) => fits(claim, filter));
  const isHost = ({ port, host }: Claim): boolean => port === undefined && host !== undefined;
  const rejected = claims.filter(({ admitted }) => !admitted);
  const admitted = claims.filter((claim) => claim.admitted);
  const state =
    unreadiness === undefined
      ? '<strong class="good">Ready</strong>'
      : `<strong class="bad">Not ready</strong>: ${escapeHtml(unreadiness)}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Ingress agent on ${escapeHtml(node)}</title>
<style>${style}</style>
</head>
<body>
<h1>Ingress agent on ${escapeHtml(node)}</h1>
<p>${state}. Version ${escapeHtml(version)}. ${count(admitted.length, 'claim')} admitted, ${rejected.length} rejected.</p>
${remarks.map((remark) => `<p class="wait">${escapeHtml(remark)}</p>`).join('\n')}
<form><label>Filter <input name="q" value="${escapeHtml(filter)}" placeholder="namespace, name, host or port"></label></form>
${section('Rejected', rejected, ['Object', 'Place', 'Reason', 'Message'], (claim) => [
  cell(nameOf(claim)),
  cell(placeOf(claim), 'code'),
  cell(claim.reason ?? '', 'bad'),
  cell(claim.message ?? ''),
])}
${section(
  'Hosts and paths',
  admitted.filter(isHost),
  ['Object', 'Host and path', 'TLS', 'State', 'Endpoints'],
  (claim) => [
    cell(nameOf(claim)),
    cell(placeOf(claim), 'code'),
    cell(claim.termination ?? ''),
    stateOf(claim),
    endpoints(content.endpointsOf(claim)),
  ],
)}
${section(
  'Ports',
  admitted.filter((claim) => !isHost(claim)),
  ['Object', 'Port', 'State', 'Endpoints'],
  (claim) => [cell(nameOf(claim)), cell(placeOf(claim), 'code'), stateOf(claim), endpoints(content.endpointsOf(claim))],
)}
${haproxy === undefined ? '' : describeHaproxy(haproxy)}
<h2>More</h2>
<p><a href="/metrics">/metrics</a> · <a href="/claims">/claims</a>${haproxy === undefined ? '' : ' · <a href="/haproxy">/haproxy</a>'} · <a href="/readyz">/readyz</a></p>
</body>
</html>
`;
}

function fits(claim: Claim, filter: string): boolean {
  return filter === '' || `${nameOf(claim)} ${placeOf(claim)}`.toLowerCase().includes(filter.toLowerCase());
}

function nameOf({ kind, namespace, name, listener }: Claim): string {
  return `${kind} ${namespace}/${name}${listener === undefined ? '' : ` listener ${listener}`}`;
}

function placeOf({ port, protocol, address, host, path }: Claim): string {
  if (port === undefined) return `${host ?? ''}${path ?? ''}`;
  return `${address === undefined ? '' : `${address} `}${port}/${protocol}`;
}

function section(
  title: string,
  claims: readonly Claim[],
  heads: readonly string[],
  row: (claim: Claim) => readonly string[],
): string {
  if (claims.length === 0) return title === 'Rejected' ? '' : `<h2>${title}</h2>\n<p>None.</p>`;
  const rows = claims.slice(0, maxRows).map((claim) => `<tr>${row(claim).join('')}</tr>`);
  const rest = claims.length > maxRows ? `<p>The first ${maxRows} of ${claims.length}; use the filter.</p>` : '';
  return `<h2>${title} (${claims.length})</h2>
<div class="scroll"><table>
<tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr>
${rows.join('\n')}
</table></div>
${rest}`;
}

function cell(text: string, kind?: string): string {
  return `<td${kind === undefined ? '' : ` class="${kind}"`}>${escapeHtml(text)}</td>`;
}

const pendingTexts = {
  all: 'not in force',
  change: 'last change not in force',
  endpoints: 'earlier endpoints',
} as const;

function stateOf({ pending }: Claim): string {
  return pending === undefined ? cell('in force', 'good') : cell(pendingTexts[pending], 'wait');
}

function endpoints(all: readonly string[]): string {
  if (all.length === 0) return cell('none', 'bad');
  const rest = all.length > maxEndpoints ? `, and ${all.length - maxEndpoints} more` : '';
  return cell(`${all.slice(0, maxEndpoints).join(', ')}${rest}`, 'code');
}

function describeHaproxy({ version, pid, workers, oldWorkers, restarts, reloads, problems }: PageHaproxy): string {
  const causes = Object.entries(reloads).filter(([, number]) => number > 0);
  const state = pid === undefined ? '<strong class="bad">not running</strong>' : `running as process ${pid}`;
  const rows: readonly (readonly [string, string])[] = [
    ['State', state],
    ['Version', escapeHtml(version ?? 'unknown')],
    ['Workers', `${workers} current, ${oldWorkers} old`],
    ['Reloads', escapeHtml(causes.map(([cause, number]) => `${cause} ${number}`).join(', ') || 'none')],
    ['Restarts', String(restarts)],
  ];
  return `<h2>HAProxy</h2>
<div class="scroll"><table>
${rows.map(([head, value]) => `<tr><th>${head}</th><td>${value}</td></tr>`).join('\n')}
</table></div>
${problems.map(({ what, cure }) => `<p class="bad">${escapeHtml(what)}: ${escapeHtml(cure)}</p>`).join('\n')}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Escapes HTML, and shows control and direction characters as their code points. */
function escapeHtml(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}]/gu, (letter) => `\\u{${letter.codePointAt(0)?.toString(16)}}`)
    .replace(/[&<>"']/g, (letter) => entities[letter] ?? '');
}
