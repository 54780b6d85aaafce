import assert from 'node:assert/strict';
import { it } from 'mocha';
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

/** Returns `200 SERVER /path`, `302 LOCATION`, `503`, or `closed`. */
export function describeAnswer({ status, headers, echo, error }: Answer): string {
  if (error !== undefined) return 'closed';
  if (echo !== undefined) return `${status} ${echo.server} ${echo.url}`;
  return headers.location === undefined ? `${status}` : `${status} ${String(headers.location)}`;
}
