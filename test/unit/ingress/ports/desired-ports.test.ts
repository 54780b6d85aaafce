import assert from 'node:assert/strict';
import fc from 'fast-check';
import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import { Inventory } from '../../../../src/ingress/objects/inventory.ts';
import { type ClusterObject, objectKey, readObject } from '../../../../src/ingress/objects/kinds.ts';

import { DesiredPorts } from '../../../../src/ingress/ports/desired.ts';
import { writeRoute, writeSlice } from '../samples.ts';

/** What happens to the objects of a cluster, or to the node. */
type Happening =
  | { readonly do: 'put'; readonly object: object }
  | { readonly do: 'remove'; readonly which: number }
  | { readonly do: 'die' | 'live'; readonly address: string }
  | { readonly do: 'listen'; readonly port: number }
  | { readonly do: 'look' };

const name = fc.constantFrom('a', 'b', 'c');
const address = fc.integer({ min: 1, max: 5 }).map((last) => `10.0.0.${last}`);
const route = fc.record({
  name,
  port: fc.constantFrom(2000, 2001, 80),
  created: fc.nat(3),
  labels: fc.constantFrom({}, { a: 'b' }),
});
const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 3,
    arbitrary: route.map((words) => ({
      do: 'put' as const,
      object: writeRoute({ ...words, spec: { to: { kind: 'Service', name: words.name } } }),
    })),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(name, fc.uniqueArray(address, { maxLength: 4 })).map(([service, addresses]) => ({
      do: 'put' as const,
      object: writeSlice(
        service,
        addresses.map((one) => ({ address: one })),
      ),
    })),
  },
  name.map((service) => ({
    do: 'put' as const,
    object: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'shop', name: service },
      spec: { ports: [{ name: 'main', port: 3306 }] },
    },
  })),
  fc.nat(20).map((which) => ({ do: 'remove' as const, which })),
  fc.record({ do: fc.constantFrom('die' as const, 'live' as const), address }),
  fc.record({ do: fc.constant('listen' as const), port: fc.constantFrom(2000, 2001) }),
  fc.constant({ do: 'look' as const }),
);

function makeDesired(inventory: Inventory): DesiredPorts {
  return new DesiredPorts(inventory, { policy: defaultPolicy, defaults: { balance: 'source' }, node: 'n1' });
}

describe('DesiredPorts', () => {
  it('reaches the same state for any order of events', () => {
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 30 }), fc.nat(), (happenings, seed) => {
        const inventory = new Inventory();
        const journal = inventory.openJournal();
        const desired = makeDesired(inventory);
        const objects = new Map<string, ClusterObject>();
        let dead: ReadonlySet<string> = new Set();
        let listeners: ReadonlySet<string> = new Set();
        for (const one of happenings) {
          switch (one.do) {
            case 'put': {
              const reading = readObject(one.object);
              assert.equal(reading.outcome, 'object');
              if (reading.outcome !== 'object') break;
              inventory.put(reading.object);
              objects.set(`${reading.object.kind} ${objectKey(reading.object)}`, reading.object);
              break;
            }
            case 'remove': {
              const key = [...objects.keys()][one.which];
              const object = key === undefined ? undefined : objects.get(key);
              if (key === undefined || object === undefined) break;
              inventory.remove(object.kind, objectKey(object));
              objects.delete(key);
              break;
            }
            case 'die':
            case 'live': {
              const changed = new Set(dead);
              if (one.do === 'die') changed.add(`${one.address} 3306`);
              else changed.delete(`${one.address} 3306`);
              dead = changed;
              break;
            }
            case 'listen':
              listeners = new Set([`tcp ${one.port}`]);
              break;
            case 'look':
              desired.compute(journal.take(), { listeners, dead });
          }
        }
        const fresh = new Inventory();
        const shuffled = [...objects.values()].sort((x, y) => mix(objectKey(x), seed) - mix(objectKey(y), seed));
        for (const object of shuffled) fresh.put(object);
        const view = { listeners, dead };
        const known = desired.compute(journal.take(), view);
        const wanted = makeDesired(fresh).compute(fresh.openJournal().take(), view);
        assert.deepEqual(known.portsOfRequests, wanted.portsOfRequests);
        assert.deepEqual(known.admissions, wanted.admissions);
        // And the same again is the very same: nothing has changed.
        assert.equal(desired.compute(journal.take(), view), known);
      }),
      { numRuns: 500 },
    );
  });
});

function mix(text: string, seed: number): number {
  let hash = seed;
  for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0;
  return hash;
}
