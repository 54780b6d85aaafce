import assert from 'node:assert/strict';
import type { Wanted } from '../../../../src/ingress/addresses/documents.ts';
import { type Evidence, judgeFitness } from '../../../../src/ingress/addresses/fitness.ts';

const wanted: Wanted = {
  version: 1,
  router: 'ingress',
  node: 'a',
  writtenAt: 0,
  ready: true,
  drain: false,
  checks: [{ address: '127.0.0.1', port: 80 }],
  members: [{ node: 'a', addresses: ['192.0.2.1'], port: 1941, since: 0 }],
  addresses: [],
};
const healthy: Evidence = { wanted, age: 100, isAnswering: true, isStopping: false };

describe('judgeFitness', () => {
  const cases: readonly (readonly [string, Partial<Evidence>, number])[] = [
    ['a ready node', {}, 2],
    ['a node whose agent has just died', { age: 9000 }, 2],
    ['a node whose agent stays away', { age: 11_000 }, 1],
    ['a node whose agent was not ready when it died', { age: 11_000, wanted: { ...wanted, ready: false } }, 0],
    ['a drained node', { wanted: { ...wanted, drain: true } }, 1],
    ['a process that is exiting', { isStopping: true }, 1],
    ['an agent that is not ready', { wanted: { ...wanted, ready: false } }, 0],
    ['HAProxy that does not answer', { isAnswering: false }, 0],
    ['HAProxy that does not answer on a drained node', { isAnswering: false, isStopping: true }, 0],
    ['a node that is not a member', { wanted: { ...wanted, members: [] } }, 0],
    ['a node without a document', { wanted: undefined }, 0],
  ];
  for (const [name, evidence, level] of cases) {
    it(`gives ${name} level ${level}`, () => {
      const fitness = judgeFitness({ ...healthy, ...evidence });
      assert.equal(fitness.level, level);
      assert.equal(fitness.reason === undefined, level === 2);
    });
  }
});
