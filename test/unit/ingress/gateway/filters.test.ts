import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { readFilters } from '../../../../src/ingress/gateway/filters.ts';
import { isFault } from '../../../../src/ingress/gateway/matches.ts';

describe('readFilters', () => {
  const read = (name: string) =>
    readFilters([{ type: 'RequestHeaderModifier', requestHeaderModifier: { remove: [name] } }], {
      kind: 'HTTPRoute',
      home: 'shop',
      at: 'filters',
    });

  for (const name of ['authorization#', "a'b", 'x'.repeat(256)]) {
    it(`rejects header ${name.slice(0, 20)}, which HAProxy cannot name`, () => {
      const filters = read(name);
      assert.ok(isFault(filters));
      assert.match(filters.fault, /^filters\[0\]\.requestHeaderModifier\.remove\[0\] .*must be the name of a header/);
    });
  }

  for (const name of ['Host', 'TE', 'Upgrade', 'keep-alive', 'Trailer', 'Proxy-Connection', 'Transfer-Encoding']) {
    it(`rejects header ${name}, which only the router may set`, () => {
      const filters = read(name);
      assert.match(isFault(filters) ? filters.fault : '', /must not be one of connection, .*upgrade$/);
    });
  }

  it('accepts other characters of a header name', () => assert.ok(!isFault(read('X!$%&*+.^_`|~'))));
});
