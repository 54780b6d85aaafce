import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { editEntries, editRules } from '../../../../src/ingress/haproxy/header-edits.ts';
import { UnfitValue } from '../../../../src/ingress/haproxy/quote.ts';

describe('editEntries', () => {
  const remove = (name: string) => editEntries('section', { set: [], add: [], remove: [name] }, 'request');

  for (const name of ['authorization#', '#', "a'b", "x''", 'Transfer-Encoding', 'a b', 'ä']) {
    it(`rejects header ${name}`, () => assert.throws(() => remove(name), UnfitValue));
  }

  it('lists a name of unusual characters', () => assert.equal(remove('X!$%&*+.^_`|~').list, ',remove:x!$%&*+.^_`|~,'));

  it('keeps several cookies apart, and the first change of any other name', () => {
    const cookie = (value: string) => ({ name: 'Set-Cookie', value });
    const add = [cookie('b'), cookie('c'), { name: 'x', value: '1' }, { name: 'X', value: '2' }];
    const { list, values } = editEntries('s', { set: [cookie('a')], add, remove: [] }, 'response');
    assert.equal(list, ',set:set-cookie,add:set-cookie,more:set-cookie,add:x,');
    assert.deepEqual(
      [...values],
      [
        ['s|response|set:set-cookie', 'a'],
        ['s|response|add:set-cookie', 'b'],
        ['s|response|more:set-cookie', 'c'],
        ['s|response|add:x', '1'],
      ],
    );
  });
});

describe('editRules', () => {
  it('has a rule for a second line of cookies only', () => {
    const count = (name: string) => editRules([name], 'response', 'if TRUE').split(`add-header ${name} `).length - 1;
    assert.deepEqual([count('set-cookie'), count('x')], [2, 1]);
  });
});
