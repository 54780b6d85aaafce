import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { collectNetworks, parseAllowList } from '../../../../src/ingress/route/allow-list.ts';

describe('allow-lists', () => {
  it('are networks sorted by address, without duplicates', () => {
    const { networks, wrong } = collectNetworks('10.0.0.7/8, ::1/64 9.0.0.1,10.0.0.0/8 2001:DB8::1', 'commas');
    assert.deepEqual([networks, wrong], [['9.0.0.1/32', '10.0.0.0/8', '2001:db8::1/128', '::/64'], []]);
  });

  it('name the first invalid entries', () => {
    assert.deepEqual(collectNetworks('10.0.0.1 a 10.0.0 b 1.2.3.4/33 c').wrong, ['a', '10.0.0', 'b']);
  });

  it('are separated only by blanks for ports', () => {
    assert.match(
      JSON.stringify(parseAllowList('10.0.0.1,10.0.0.2')),
      /must be addresses and CIDRs separated by blanks/,
    );
    assert.match(JSON.stringify(parseAllowList(' \t')), /must contain an address or CIDR/);
  });

  it('are not parsed again while a long text is the same', () => {
    const text = Array.from({ length: 300 }, (_, i) => `10.0.${i >> 8}.${i & 255}`).join(' ');
    const first = collectNetworks(text);
    assert.equal(collectNetworks(`${text}`.slice(0)), first);
    assert.notEqual(collectNetworks(text, 'commas'), first);
    assert.notEqual(collectNetworks(`${text} 10.1.0.0`), first);
    assert.equal(first.networks.length, 300);
  });
});
