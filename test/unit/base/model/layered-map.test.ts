import assert from 'node:assert/strict';
import fc from 'fast-check';
import { baseOf, changedKeys, entriesAboveBase, MapDraft } from '../../../../src/base/model/layered-map.ts';

/** A version of a map, and the same as a plain map. */
interface Version {
  readonly map: ReadonlyMap<string, object>;
  readonly plain: ReadonlyMap<string, object>;
}

const values = Array.from({ length: 3 }, (_, number) => ({ number }));

function derive(
  { map, plain }: Version,
  edits: readonly (readonly [key: string, value: object | undefined])[],
): Version {
  const draft = new MapDraft(map);
  const expected = new Map(plain);
  for (const [key, value] of edits) {
    if (value !== undefined) {
      draft.set(key, value);
      expected.set(key, value);
    } else {
      assert.equal(draft.delete(key), expected.delete(key));
    }
    assert.equal(draft.get(key), expected.get(key));
  }
  assert.equal(draft.size, expected.size);
  return { map: draft.finish(), plain: expected };
}

const sort = (map: Iterable<readonly [string, object]>) => [...map].sort(([one], [other]) => (one < other ? -1 : 1));

function assertSame({ map, plain }: Version): void {
  assert.deepEqual(sort(map), sort(plain));
  assert.equal(map.size, plain.size);
  assert.deepEqual([...map.keys()].sort(), [...plain.keys()].sort());
  assert.equal([...map.values()].length, plain.size);
  for (const key of plain.keys()) assert.ok(map.has(key));
  assert.deepEqual(
    sort(new Map([...baseOf(map), ...entriesAboveBase(map)])).filter(([key]) => map.has(key)),
    sort(plain),
  );
}

describe('MapDraft', () => {
  it('derives versions that equal plain maps, compares them, and leaves earlier ones unchanged', () => {
    // More keys than entries above a base, so that versions get a new base.
    const key = fc.integer({ min: 0, max: 150 }).map(String);
    const edit = fc.tuple(key, fc.option(fc.constantFrom(...values), { nil: undefined }));
    const steps = fc.array(fc.array(edit, { maxLength: 60 }), { maxLength: 8, size: 'max' });
    fc.assert(
      fc.property(steps, (all) => {
        const versions: Version[] = [{ map: new Map(), plain: new Map() }];
        for (const edits of all) versions.push(derive(versions.at(-1) as Version, edits));
        for (const version of versions) assertSame(version);
        for (const before of versions) {
          for (const after of versions) {
            const keys = new Set([...before.plain.keys(), ...after.plain.keys()]);
            const changed = [...keys].filter((one) => before.plain.get(one) !== after.plain.get(one));
            assert.deepEqual([...changedKeys(before.map, after.map)].sort(), changed.sort());
          }
        }
      }),
    );
  });

  it('returns the original if nothing has changed', () => {
    const original = new Map([['a', 1]]);
    const draft = new MapDraft(original);
    draft.set('a', 1);
    draft.delete('b');
    assert.equal(draft.finish(), original);
  });

  it('shares the base while few entries differ', () => {
    const original = new Map(Array.from({ length: 1000 }, (_, index) => [index, index + 1]));
    const draft = new MapDraft(original);
    draft.set(5, 0);
    draft.delete(6);
    const version = draft.finish();
    assert.equal(baseOf(version), original);
    assert.deepEqual(entriesAboveBase(version), [[5, 0]]);
    assert.equal(original.get(6), 7);
  });
});
