import assert from 'node:assert/strict';
import { maxDuration, parseCheckInterval, parseDuration } from '../../../../src/base/read/duration.ts';

describe('parseCheckInterval', () => {
  it('parses intervals of at least 500 ms, and rejects shorter ones', () => {
    const read = ['500ms', '500', '1s', '500000us', '1us', '499ms', '0', '1', '-1s', ''].map(parseCheckInterval);
    const none = Array.from({ length: 6 }, () => undefined);
    assert.deepEqual(read, [500, 500, 1000, 500, ...none]);
  });
});

describe('parseDuration', () => {
  const cases: readonly (readonly [text: string, want: number | undefined])[] = [
    ['5', 5],
    ['5ms', 5],
    ['5s', 5000],
    ['5m', 300_000],
    ['5h', 18_000_000],
    ['5d', 432_000_000],
    ['1500us', 2],
    ['1us', 1],
    ['25d', maxDuration],
    ['99999999999999999999', maxDuration],
    ['0', undefined],
    ['05s', undefined],
    ['5 s', undefined],
    ['5S', undefined],
    ['5w', undefined],
    ['5s\n', undefined],
    ['-5s', undefined],
    ['1.5s', undefined],
    ['٥s', undefined],
    ['', undefined],
    ['1'.repeat(100), undefined],
  ];
  for (const [text, want] of cases) {
    it(`parses ${JSON.stringify(text).slice(0, 40)}`, () => assert.equal(parseDuration(text), want));
  }
});
