import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { editEntries } from '../../../../src/ingress/haproxy/header-edits.ts';
import { UnfitValue } from '../../../../src/ingress/haproxy/quote.ts';

describe('editEntries', () => {
  const remove = (name: string) => editEntries('section', { set: [], add: [], remove: [name] }, 'request');

  for (const name of ['authorization#', '#', "a'b", "x''", 'Transfer-Encoding', 'a b', 'ä']) {
    it(`rejects header ${name}`, () => assert.throws(() => remove(name), UnfitValue));
  }

  it('lists a name of unusual characters', () => assert.equal(remove('X!$%&*+.^_`|~').list, ',remove:x!$%&*+.^_`|~,'));
});
