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
  const { host, path, tls, route, notes = [], endpoints, others, explanation, outcome } = trace;
  const title = `${tls ? 'https' : 'http'}://${host}${path}`;
  const isGood = outcome !== 'error' && (outcome === 'redirect' || endpoints.some(({ weight }) => weight > 0));
  return [
    renderText(title, screen, '', 'bold'),
    ...(route === undefined ? [] : [renderText(`  → Route ${nameOf(route)}`, screen, '    ')]),
    ...endpoints.map(({ address, port, weight }) =>
      renderText(`  → ${address}:${port}${weight === 1 ? '' : `, weight ${weight}`}`, screen, '    '),
    ),
    ...notes.map((note) => renderText(`  note: ${note}`, screen, '    ', 'yellow')),
    ...others.map((other) => renderText(`  not Route ${nameOf(other)}: ${other.why}`, screen, '    ')),
    attempt === undefined ? '' : renderText(`Tried: ${attempt.outcome}`, screen),
    renderText(`${explanation.charAt(0).toUpperCase()}${explanation.slice(1)}.`, screen, '', isGood ? 'green' : 'red'),
  ].join('');
}

function nameOf({ namespace, name, host, path }: NonNullable<RequestTrace['route']>): string {
  return `${namespace}/${name} (${host}${path})`;
}
