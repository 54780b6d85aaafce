import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { describeError } from '../../../../src/base/model/text.ts';

describe('describeError', () => {
  const root = new Error('no such file');
  const cases: readonly (readonly [error: unknown, text: string])[] = [
    ['words', 'words'],
    [root, 'no such file'],
    [new Error('Cannot read it', { cause: root }), 'Cannot read it: no such file'],
    [new Error('Cannot read it: no such file', { cause: root }), 'Cannot read it: no such file'],
    [
      new Error('Cannot start', { cause: new Error('Cannot read it', { cause: root }) }),
      'Cannot start: Cannot read it: no such file',
    ],
    [new Error('Cannot start', { cause: 'not an error' }), 'Cannot start'],
  ];
  it('ends if an error is its own cause', () => {
    const circle = new Error('again');
    circle.cause = circle;
    assert.equal(describeError(circle), 'again');
  });
  for (const [error, text] of cases) {
    it(`describes an error as ${JSON.stringify(text)}`, () => assert.equal(describeError(error), text));
  }
});
