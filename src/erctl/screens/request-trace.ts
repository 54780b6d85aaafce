import type { RequestTrace } from '../../ingress/http/request-trace-document.ts';
import type { Screen } from '../console.ts';
import { renderText } from '../table.ts';

/** Result of a real request. */
export interface RequestAttempt {
  /** For example `200 OK`, or the reason for a missing answer. */
  readonly outcome: string;
  readonly isAnswered: boolean;
}

/** Renders `erctl trace --host`. */
export function renderRequestTrace(trace: RequestTrace, attempt: RequestAttempt | undefined, screen: Screen): string {
  const { host, path, tls, listener, route, notes = [], endpoints, others, explanation, outcome } = trace;
  const title = `${tls ? 'https' : 'http'}://${host}${path}`;
  const isGood = outcome !== 'error' && (outcome === 'redirect' || endpoints.some(({ weight }) => weight > 0));
  return [
    renderText(title, screen, '', 'bold'),
    ...(listener === undefined ? [] : [renderText(`  → ${describeListener(listener)}`, screen, '    ')]),
    ...(route === undefined ? [] : [renderText(`  → ${nameOf(route)}`, screen, '    ')]),
    ...endpoints.map(({ address, port, weight }) =>
      renderText(`  → ${address}:${port}${weight === 1 ? '' : `, weight ${weight}`}`, screen, '    '),
    ),
    ...notes.map((note) => renderText(`  note: ${note}`, screen, '    ', 'yellow')),
    ...others.map((other) => renderText(`  not ${nameOf(other)}: ${other.why}`, screen, '    ')),
    attempt === undefined ? '' : renderText(`Tried: ${attempt.outcome}`, screen),
    renderText(`${explanation.charAt(0).toUpperCase()}${explanation.slice(1)}.`, screen, '', isGood ? 'green' : 'red'),
  ].join('');
}

function nameOf({
  kind = 'Route',
  namespace,
  name,
  host,
  path,
  rule,
  match,
}: NonNullable<RequestTrace['route']>): string {
  const own = `${kind} ${namespace}/${name}`;
  if (rule === undefined) return `${own} (${host}${path})`;
  return `${own}, rule ${rule} (${host}: ${match ?? path})`;
}

function describeListener({ gateway, name, port, addresses, hostname }: NonNullable<RequestTrace['listener']>): string {
  const at = addresses.length === 0 ? '' : ` at ${addresses.join(', ')}`;
  return `Gateway ${gateway}, listener ${name} (port ${port}${at}${hostname === undefined ? '' : `, ${hostname}`})`;
}
