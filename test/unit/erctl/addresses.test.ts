import assert from 'node:assert/strict';
import { renderAddresses } from '../../../src/erctl/screens/addresses.ts';
import { type AddressesDocument, addressesDocumentSchema } from '../../../src/ingress/pools/addresses-document.ts';

const screen = { width: 160, colour: false };
const empty: AddressesDocument = {
  schema: 'ingress-agent.addresses/v1',
  node: 'a',
  at: 1_000_000,
  addresses: [],
  members: [],
  moves: [],
  pools: [],
};
const full: AddressesDocument = {
  ...empty,
  addresses: [
    {
      address: '192.0.2.10',
      pool: 'lan',
      owner: 'Gateway shop/web',
      state: 'elsewhere',
      holder: 'b',
      since: 985_000,
      next: 'a',
      draining: 3,
      reason: 'b holds it.',
    },
    { address: '192.0.2.11', pool: 'lan', owner: 'Service shop/db', state: 'conflict', rival: '02:00:00:00:00:66' },
    { address: '192.0.2.12', pool: 'lan', owner: 'Router', state: 'unknown' },
  ],
  members: [
    { node: 'a', alive: true, ready: true, lastHeard: 1_000_000 },
    { node: 'b', alive: false, ready: true, lastHeard: 700_000 },
    { node: 'c', alive: true, ready: false },
  ],
  moves: [{ address: '192.0.2.10', from: 'a', to: 'b', at: 985_000, reason: 'drain' }],
  pools: [
    { name: 'lan', assigned: 3, free: 1, problems: ['192.0.2.13 is not assigned, because it belongs to node x'] },
  ],
};

describe('renderAddresses', () => {
  it('shows owners, holders, members and moves, each with its age and reason', () => {
    addressesDocumentSchema.parse(full);
    const lines = renderAddresses(full, screen)
      .split('\n')
      .map((line) => line.trimEnd().replace(/ {2,}/g, ' | '));
    assert.deepEqual(lines, [
      'ADDRESS | OWNER | HOLDER | SINCE | NEXT | POOL | WHY',
      '192.0.2.10 | Gateway shop/web | b | 15s | a | lan | 3 connections drain here; b holds it.',
      '192.0.2.11 | Service shop/db | none (conflict) | - | - | lan | claimed by 02:00:00:00:00:66',
      '192.0.2.12 | Router | unknown | - | - | lan',
      '',
      'Pool lan: 3 assigned, 1 free; 192.0.2.13 is not assigned, because it belongs to node x',
      '',
      'NODE | STATE | HEARD',
      'a | ready | 0.0s ago',
      'b | silent | 5m ago',
      'c | not ready | never',
      '',
      'MOVED | ADDRESS | FROM | TO | REASON',
      '15s ago | 192.0.2.10 | a | b | drain',
      '',
    ]);
  });

  it('explains that there is no pool, and why holders are unknown', () => {
    assert.match(renderAddresses(empty, screen), /^There are no virtual addresses; create an IngressAddressPool\.\n$/);
    const problem = 'state.json is not written; start ingress-addresses';
    assert.ok(renderAddresses({ ...full, problem }, screen).startsWith(`${problem}\n`));
  });
});
