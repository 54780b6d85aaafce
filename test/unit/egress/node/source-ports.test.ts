import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SourcePortWarnings } from '../../../../src/egress/node/source-ports.ts';

describe('SourcePortWarnings', () => {
  it('warns once before the source ports of a destination are exhausted, until usage drops again', () => {
    const warnings = new SourcePortWarnings();
    const at = (ratio: number) => warnings.find([{ destination: '203.0.113.1 443/tcp', ratio }]);
    assert.deepEqual(at(0.79), []);
    assert.match(at(0.81).join(), /203\.0\.113\.1 443\/tcp use 81 % .*pool of routers/);
    assert.deepEqual([...at(0.95), ...at(0.7), ...at(0.9)], []);
    assert.deepEqual(at(0.5), []);
    assert.equal(at(0.8).length, 1);
    assert.deepEqual(warnings.find([]), []);
    assert.equal(at(0.8).length, 1);
  });
});
