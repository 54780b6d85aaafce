import assert from 'node:assert/strict';
import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, it } from 'mocha';
import { formatIpv6Groups, parseIpv6Groups } from '../../../../src/base/model/ipv6.ts';

describe('IPv6 addresses', () => {
  // Zeros in all places, and numbers of all lengths.
  const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 0xffff }));
  const groups = fc.array(group, { minLength: 8, maxLength: 8 });

  it('are written like another library writes them, and can be parsed again', () => {
    fc.assert(
      fc.property(groups, (parts) => {
        const text = formatIpv6Groups(parts);
        assert.equal(text, new ipaddr.IPv6(parts).toRFC5952String());
        assert.deepEqual(parseIpv6Groups(text), parts);
      }),
      { numRuns: 2000 },
    );
  });

  it('are accepted or rejected like Node does it, in any spelling', () => {
    const piece = fc.constantFrom(
      ':',
      '::',
      '0',
      '00',
      'a',
      'FFFF',
      '12345',
      '1.2.3.4',
      '1.2.3.256',
      '01.2.3.4',
      '.',
      'g',
      '%',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 18 }), (pieces) => {
        const text = pieces.join('');
        const read = parseIpv6Groups(text);
        assert.equal(read !== undefined, isIPv6(text) && !text.includes('%'), text);
        if (read !== undefined) assert.equal(`[${formatIpv6Groups(read)}]`, new URL(`http://[${text}]`).hostname);
      }),
      { numRuns: 20_000 },
    );
  });
});
