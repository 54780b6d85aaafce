import assert from 'node:assert/strict';
import { parseAddress } from '../../../../src/base/model/address.ts';
import type { AddressState } from '../../../../src/ingress/addresses/documents.ts';
import { Holdings } from '../../../../src/ingress/pools/holdings.ts';

function stateWith(state: AddressState['addresses'][number]['state']): AddressState {
  return {
    version: 1,
    node: 'a',
    writtenAt: 0,
    ready: true,
    members: [],
    addresses: [{ address: '192.0.2.10', since: 0, state, reason: '' }],
    moves: [],
    counters: {
      moves: { unheld: 0, 'node-lost': 0, drain: 0, 'not-ready': 0, share: 0, 'partition-healed': 0 },
      rivals: 0,
      lostMembers: 0,
      lostHeartbeats: 0,
      rejectedHeartbeats: {
        malformed: 0,
        'unknown-key': 0,
        signature: 0,
        router: 0,
        sender: 0,
        incarnation: 0,
        replay: 0,
      },
    },
  };
}

describe('Holdings', () => {
  const rows = [
    ['held', ['held', 'held']],
    ['elsewhere', ['held', 'held']],
    ['handing-over', ['held', 'held']],
    ['nobody', ['waiting', 'free']],
    ['conflict', ['waiting', 'free']],
  ] as const;
  for (const [state, want] of rows) {
    it(`reports ${want.join(', then ')} for an address in state ${state}`, () => {
      let now = 0;
      const holdings = new Holdings({ readState: () => stateWith(state), ownAddresses: () => [], clock: () => now });
      const first = holdings.of('192.0.2.10').state;
      now = 10_001;
      assert.deepEqual([first, holdings.of('192.0.2.10').state], want);
    });
  }

  it('restarts the grace period for an address that was held in between', () => {
    let now = 0;
    let state = stateWith('nobody');
    const holdings = new Holdings({ readState: () => state, ownAddresses: () => [], clock: () => now });
    holdings.of('192.0.2.10');
    state = stateWith('elsewhere');
    now = 9000;
    holdings.of('192.0.2.10');
    state = stateWith('nobody');
    now = 12_000;
    assert.equal(holdings.of('192.0.2.10').state, 'waiting');
  });

  it('trusts the interfaces of this node without a report', () => {
    const own = [parseAddress('192.0.2.10')].flatMap((one) => one ?? []);
    const holdings = new Holdings({ readState: () => undefined, ownAddresses: () => own, clock: () => 0 });
    assert.deepEqual([holdings.of('192.0.2.10').state, holdings.of('192.0.2.11').state], ['held', 'waiting']);
  });
});
