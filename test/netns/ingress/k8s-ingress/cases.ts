import assert from 'node:assert/strict';
import { it } from 'mocha';
import { type RequestTrace, requestTraceSchema } from '../../../../src/ingress/http/request-trace-document.ts';
import type { Answer, HttpNode, Words } from '../../../lab/http-node.ts';

/** A request, and the answer as {@link describeAnswer} shows it. */
export type Case = readonly [
  name: string,
  scheme: 'http' | 'https',
  host: string,
  path: string,
  want: string,
  words?: Words,
];

/** Makes a test of each request. */
export function runCases(node: HttpNode, cases: readonly Case[]): void {
  for (const [name, scheme, host, path, want, words] of cases) {
    it(`serves ${name}`, async () => {
      assert.equal(describeAnswer(await node.ask(scheme, host, path, words)), want);
    });
  }
}

/** Returns what `erctl trace` says about a request. */
export async function fetchTrace(
  node: HttpNode,
  scheme: 'http' | 'https',
  host: string,
  path: string,
): Promise<RequestTrace> {
  const stats = { address: '127.0.0.1', port: 1936 };
  const query = new URLSearchParams({ host, path: path.replace(/\?.*/, ''), tls: `${scheme === 'https'}` });
  const { body, error } = await node.ask('http', 'localhost', `/trace?${query.toString()}`, stats);
  if (error !== undefined) throw new Error(`/trace?${query.toString()}: ${error} ${node.log.slice(-1500)}`);
  return requestTraceSchema.parse(JSON.parse(body));
}

/** Compares the predictions of `erctl trace` with the answers. */
export async function checkTraces(node: HttpNode, cases: readonly Case[]): Promise<void> {
  for (const [name, scheme, host, path, want] of cases) {
    const trace = await fetchTrace(node, scheme, host, path);
    const isServed = trace.outcome !== 'error' && trace.endpoints.length > 0;
    const said =
      trace.outcome === 'redirect'
        ? trace.explanation.slice(0, 3)
        : isServed
          ? '200'
          : (/: (\d{3})$/.exec(trace.explanation)?.[1] ?? '503');
    assert.equal(said, want.split(' ')[0], `${name}: ${JSON.stringify(trace)}`);
  }
}

/** Returns `200 SERVER /path`, `302 LOCATION`, `503`, or `closed`. */
export function describeAnswer({ status, headers, echo, error }: Answer): string {
  if (error !== undefined) return 'closed';
  if (echo !== undefined) return `${status} ${echo.server} ${echo.url}`;
  return headers.location === undefined ? `${status}` : `${status} ${String(headers.location)}`;
}
