import assert from 'node:assert/strict';
import fc from 'fast-check';
import { showValue } from '../../../../src/base/read/show-value.ts';

function nest(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

describe('showValue', () => {
  const cases: readonly (readonly [name: string, value: unknown, want: string])[] = [
    ['writes text in quotes', 'a"b', '"a\\"b"'],
    ['writes numbers', 1500, '1500'],
    ['writes null', null, 'null'],
    ['writes lists', [1, 'a', [true]], '[1,"a",[true]]'],
    ['writes objects', { a: { b: [] }, c: 1 }, '{"a":{"b":[]},"c":1}'],
    ['names what is absent', undefined, 'missing'],
    ['escapes controls', 'a\nb\u001b\u202e', '"a\\nb\\u001b\\u202e"'],
    ['cuts long text', 'x'.repeat(10_000_000), `"${'x'.repeat(78)}…`],
    ['cuts long lists', Array.from({ length: 100_000 }, () => 7), `[${'7,'.repeat(39)}…`],
    ['cuts deep nesting', nest(100_000), `${'['.repeat(79)}…`],
    ['cuts long keys', { ['k'.repeat(1_000_000)]: 1 }, `{"${'k'.repeat(77)}…`],
  ];
  for (const [name, value, want] of cases) it(name, () => assert.equal(showValue(value), want));

  it('writes short JSON unchanged, and never exceeds the limit', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.integer({ min: 8, max: 200 }), (value, limit) => {
        assert.ok(showValue(value, limit).length <= limit);
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 5 }), (list) => {
        assert.equal(showValue(list), JSON.stringify(list));
      }),
    );
  });
});
