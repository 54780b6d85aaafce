import assert from 'node:assert/strict';
import { MoveEvents } from '../../../../../src/ingress/agent/addresses/move-events.ts';
import { type AddressOwner, type Assignments, noAssignments } from '../../../../../src/ingress/pools/assign.ts';
import { parseAddressPool } from '../../../../../src/ingress/pools/pool.ts';

const address = '192.0.2.10';
const move = { address, from: 'a', to: 'b', at: 10, reason: 'node-lost' } as const;

function told(owner: Partial<AddressOwner>, poolUid?: string): unknown[] {
  const seen: unknown[] = [];
  const parsed = parseAddressPool({ metadata: { name: 'lan', uid: poolUid }, spec: { addresses: [address] } });
  assert.ok('value' in parsed);
  const owners = new Map([[address, { ...owner, pool: parsed.value } as AddressOwner]]);
  const assignments: Assignments = { ...noAssignments, owners };
  const events = new MoveEvents(
    ({ kind, name, apiVersion }, { type, reason, message }) =>
      seen.push([apiVersion, kind, name, type, reason, message]),
    () => assignments,
    0,
  );
  const state = { moves: [move] } as unknown as Parameters<MoveEvents['follow']>[0];
  events.follow(state);
  events.follow(state);
  assert.equal(seen.length, poolUid === undefined ? 0 : 1);
  // The clock has jumped back.
  events.follow({ ...state, moves: [move, { ...move, from: 'b', to: 'a', at: 5 }] } as typeof state);
  return seen;
}

describe('MoveEvents', () => {
  const message = `${address} moved from node a to node b: node-lost`;

  it('reports a move once, to the owner of the address', () => {
    const meta = { namespace: 'shop', name: 'web', uid: 'uid' } as NonNullable<AddressOwner['meta']>;
    const expected = ['gateway.networking.k8s.io/v1', 'Gateway', 'web', 'Warning', 'AddressMoved', message];
    const back = [...expected.slice(0, -1), `${address} moved from node b to node a: node-lost`];
    assert.deepEqual(told({ kind: 'Gateway', meta }, 'pool'), [expected, back]);
  });

  it("reports a move of the router's address to the pool, unless the pool is no object", () => {
    const expected = ['egress-router.io/v1alpha1', 'IngressAddressPool', 'lan', 'Warning', 'AddressMoved', message];
    assert.deepEqual(told({ kind: 'Router' }, 'pool')[0], expected);
    assert.deepEqual(told({ kind: 'Router' }), []);
  });
});
