import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  addressBytes,
  addressFromBytes,
  containsAddress,
  defaultPrefix,
  formatPrefix,
  hostPrefix,
  isLinkLocal,
  isUnusable,
  lastAddressOf,
  networkOf,
  type Prefix,
  parseAddress,
  parsePrefix,
} from '../../../../src/base/model/address.ts';
import { addresses } from '../../arbitraries.ts';

describe('parseAddress', () => {
  const cases: readonly (readonly [text: string, want: string | undefined])[] = [
    ['192.168.12.99', '192.168.12.99'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['::', '::'],
    ['::0', '::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['', undefined],
    ['10.1', undefined],
    ['010.0.0.1', undefined],
    ['0x0a.0.0.1', undefined],
    ['256.0.0.1', undefined],
    ['1.2.3.4.', undefined],
    ['1.2.3.4\n', undefined],
    [' 1.2.3.4', undefined],
    ['[1.2.3.4]', undefined],
    ['2001:db8::1%eth0', undefined],
    ['::ffff:192.0.2.1', undefined],
    ['2001:db8::1::2', undefined],
    ['1:2:3:4:5:6:7:8:9', undefined],
    ['[2001:db8::1', undefined],
    ['12345::', undefined],
    ['example.com', undefined],
  ];
  for (const [text, want] of cases) {
    it(`${want === undefined ? 'refuses' : 'reads'} ${JSON.stringify(text)}`, () => {
      assert.equal(parseAddress(text)?.text, want);
    });
  }

  it('parses back every address that it formatted, as text and as bytes', () => {
    fc.assert(
      fc.property(addresses, (address) => {
        assert.deepEqual(parseAddress(address.text), address);
        assert.deepEqual(addressFromBytes(addressBytes(address)), address);
      }),
    );
  });
});

describe('parsePrefix', () => {
  const cases: readonly (readonly [text: string, want: string | undefined])[] = [
    ['192.168.12.99/24', '192.168.12.99/24'],
    ['10.0.0.0/0', '10.0.0.0/0'],
    ['::0/0', '::/0'],
    ['2001:db8::1/128', '2001:db8::1/128'],
    ['192.168.12.99', undefined],
    ['192.168.12.99/', undefined],
    ['192.168.12.99/33', undefined],
    ['192.168.12.99/255.255.255.0', undefined],
    ['192.168.12.99/ 24', undefined],
    ['192.168.12.99/-1', undefined],
    ['2001:db8::1/129', undefined],
    ['/24', undefined],
  ];
  for (const [text, want] of cases) {
    it(`${want === undefined ? 'refuses' : 'reads'} ${text}`, () => {
      const prefix = parsePrefix(text);
      assert.equal(prefix && formatPrefix(prefix), want);
    });
  }
});

describe('networks', () => {
  const cases: readonly (readonly [prefix: string, network: string, last: string])[] = [
    ['192.168.12.99/24', '192.168.12.0/24', '192.168.12.255'],
    ['192.168.12.99/30', '192.168.12.96/30', '192.168.12.99'],
    ['192.168.12.99/32', '192.168.12.99/32', '192.168.12.99'],
    ['192.168.12.99/0', '0.0.0.0/0', '255.255.255.255'],
    ['2001:db8::1:2:3:4/64', '2001:db8::/64', '2001:db8::ffff:ffff:ffff:ffff'],
    ['2001:db8::9/125', '2001:db8::8/125', '2001:db8::f'],
  ];
  for (const [text, network, last] of cases) {
    it(`computes the first and last address of ${text}`, () => {
      const prefix = readPrefix(text);
      assert.equal(formatPrefix(networkOf(prefix)), network);
      assert.equal(lastAddressOf(prefix).text, last);
    });
  }

  it('contain their own addresses and no others', () => {
    assert.equal(containsAddress(readPrefix('192.168.12.99/24'), hostOf('192.168.12.1')), true);
    assert.equal(containsAddress(readPrefix('192.168.12.99/24'), hostOf('192.168.13.1')), false);
    assert.equal(containsAddress(readPrefix('0.0.0.0/0'), hostOf('2001:db8::1')), false);
    assert.equal(containsAddress(readPrefix('2001:db8::1/64'), hostOf('2001:db8::ffff')), true);
  });

  it('of length 0 contain every address of their family', () => {
    assert.equal(formatPrefix(defaultPrefix(4)), '0.0.0.0/0');
    assert.equal(formatPrefix(defaultPrefix(6)), '::/0');
  });

  it('of full length contain only that host', () => {
    assert.equal(formatPrefix(hostPrefix(hostOf('10.0.0.1'))), '10.0.0.1/32');
    assert.equal(formatPrefix(hostPrefix(hostOf('2001:db8::1'))), '2001:db8::1/128');
  });
});

describe('isUnusable and isLinkLocal', () => {
  const cases: readonly (readonly [text: string, unusable: boolean, linkLocal: boolean])[] = [
    ['10.0.0.1', false, false],
    ['0.0.0.0', true, false],
    ['127.0.0.1', true, false],
    ['224.0.0.1', true, false],
    ['255.255.255.255', true, false],
    ['223.255.255.255', false, false],
    ['::', true, false],
    ['::1', true, false],
    ['::2', false, false],
    ['ff02::1', true, false],
    ['fe80::1', false, true],
    ['febf::1', false, true],
    ['fec0::1', false, false],
    ['fe8::1', false, false],
  ];
  for (const [text, unusable, linkLocal] of cases) {
    it(`classify ${text}`, () => {
      assert.equal(isUnusable(hostOf(text)), unusable);
      assert.equal(isLinkLocal(hostOf(text)), linkLocal);
    });
  }
});

function hostOf(text: string) {
  const address = parseAddress(text);
  assert.ok(address, `${text} must be an address`);
  return address;
}

function readPrefix(text: string): Prefix {
  const prefix = parsePrefix(text);
  assert.ok(prefix, `${text} must be a prefix`);
  return prefix;
}
