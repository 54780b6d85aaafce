import assert from 'node:assert/strict';
import fc from 'fast-check';
import { escapeUnprintable } from '../../../../src/base/model/text.ts';

describe('escapeUnprintable', () => {
  const cases: readonly (readonly [name: string, input: string, want: string])[] = [
    ['leaves plain text', 'Called CNI ADD ["~]', 'Called CNI ADD ["~]'],
    ['leaves letters of any script', 'Маршрутизатор 라우터 é', 'Маршрутизатор 라우터 é'],
    ['escapes line breaks', 'a\nb\r\nc', 'a\\u000ab\\u000d\\u000ac'],
    ['escapes the line breaks of Unicode', 'a\u2028b\u2029c\u0085d', 'a\\u2028b\\u2029c\\u0085d'],
    ['escapes what colours a terminal', '\u001b[31mred', '\\u001b[31mred'],
    ['escapes what turns the direction of writing', 'a\u202eb\u2066c', 'a\\u202eb\\u2066c'],
    ['escapes what has no width', 'a\u200bb\ufeffc', 'a\\u200bb\\ufeffc'],
    ['escapes half a character', 'a\ud800b', 'a\\ud800b'],
    ['escapes tags beyond the basic plane', 'a\u{e0041}b', 'a\\u{e0041}b'],
  ];
  for (const [name, input, want] of cases) it(name, () => assert.equal(escapeUnprintable(input), want));

  it('leaves no character that could end a line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.doesNotMatch(escapeUnprintable(text), /[\p{Cc}\p{Zl}\p{Zp}]/u);
      }),
    );
  });
});
