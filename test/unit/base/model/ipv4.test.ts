import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { formatPrefix, hostPrefix, networkOf, parseAddress, parsePrefix } from '../../../../src/base/model/address.ts';
import { formatIpv4Network, parseIpv4Network } from '../../../../src/base/model/ipv4.ts';

/** The same by the general parsers. */
function parseSlowly(text: string): string | undefined {
  if (text.includes(':')) return undefined;
  const address = parseAddress(text);
  const prefix = address === undefined ? parsePrefix(text) : hostPrefix(address);
  return prefix && formatPrefix(networkOf(prefix));
}

function parseFast(text: string): string | undefined {
  const number = parseIpv4Network(text);
  return number < 0 ? undefined : formatIpv4Network(number);
}

const part = fc.oneof(fc.nat(300).map(String), fc.constantFrom('', '00', '01', '1e1', '-1', ' 1', '0x1', '٣'));
const length = fc.oneof(fc.nat(40).map(String), fc.constantFrom('', '032', '00', '0032', '3a', '-1', '+8'));

describe('parseIpv4Network', () => {
  it('agrees with the general parser', () => {
    const addresses = fc.array(part, { minLength: 3, maxLength: 5 }).map((parts) => parts.join('.'));
    const good = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)).map((parts) => parts.join('.'));
    const texts = fc
      .tuple(fc.oneof(addresses, good), fc.option(length), fc.constantFrom('', '', '', ' ', '.', '/'))
      .map(([address, bits, end]) => `${address}${bits === null ? '' : `/${bits}`}${end}`);
    fc.assert(
      fc.property(fc.oneof(texts, fc.string()), (text) => {
        assert.equal(parseFast(text), parseSlowly(text), JSON.stringify(text));
      }),
      { numRuns: 5000 },
    );
  });

  it('sorts networks by address, then by length', () => {
    const texts = ['255.255.255.255', '10.0.0.1', '10.0.0.0/8', '10.0.0.0/9', '0.0.0.0/0', '9.255.255.255'];
    const numbers = texts.map(parseIpv4Network).sort((one, other) => one - other);
    assert.deepEqual(numbers.map(formatIpv4Network), [
      '0.0.0.0/0',
      '9.255.255.255/32',
      '10.0.0.0/8',
      '10.0.0.0/9',
      '10.0.0.1/32',
      '255.255.255.255/32',
    ]);
  });
});
