import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseAddress } from '../../../../src/base/model/address.ts';
import {
  type AddressRange,
  countAddresses,
  formatRange,
  includesAddress,
  mergeRanges,
  parseAddressRange,
  subtractRanges,
  toAddress,
} from '../../../../src/base/model/address-range.ts';

describe('parseAddressRange', () => {
  const valid = [
    ['192.0.2.10', '192.0.2.10', 1n],
    ['192.0.2.10-192.0.2.12', '192.0.2.10-192.0.2.12', 3n],
    ['192.0.2.16/30', '192.0.2.16-192.0.2.19', 4n],
    ['2001:db8::1 - 2001:db8::3', '2001:db8::1-2001:db8::3', 3n],
    ['2001:DB8::/112', '2001:db8::-2001:db8::ffff', 65_536n],
  ] as const;
  for (const [text, formatted, count] of valid) {
    it(`parses ${text}`, () => {
      const range = parseAddressRange(text) as AddressRange;
      assert.deepEqual([formatRange(range), countAddresses(range)], [formatted, count]);
    });
  }

  for (const text of [
    '',
    '192.0.2.12-192.0.2.10',
    '192.0.2.1-2001:db8::1',
    '192.0.2.10/24',
    '192.0.2.1-9',
    'a',
    '1-2-3',
  ]) {
    it(`rejects "${text}"`, () => assert.equal(parseAddressRange(text), undefined));
  }
});

describe('sets of ranges', () => {
  const small = fc
    .tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 6 }), fc.constantFrom(4 as const, 6 as const))
    .map(([first, more, family]): AddressRange => {
      const base = family === 4 ? 0xc000_0200n : 0x2001_0db8n << 96n;
      return { family, first: base + BigInt(first), last: base + BigInt(first + more) };
    });
  const ranges = fc.array(small, { maxLength: 6 });
  const members = (list: readonly AddressRange[]) => new Set(list.flatMap((one) => listAddresses(one)));

  it('merge and subtract like sets of addresses', () => {
    fc.assert(
      fc.property(ranges, ranges, (some, others) => {
        const merged = mergeRanges(some);
        assert.deepEqual(members(merged), members(some));
        for (const [index, range] of merged.entries()) {
          const next = merged[index + 1];
          if (next?.family === range.family) assert.ok(range.last + 1n < next.first);
        }
        assert.deepEqual(members(subtractRanges(some, others)), members(some).difference(members(others)));
        for (const text of ['192.0.2.3', '2001:db8::5']) {
          const address = parseAddress(text);
          assert.equal(address && includesAddress(some, address), members(some).has(text));
        }
      }),
    );
  });
});

function listAddresses({ family, first, last }: AddressRange): string[] {
  return Array.from({ length: Number(last - first) + 1 }, (_, index) => toAddress(family, first + BigInt(index)).text);
}
