import assert from 'node:assert/strict';
import { formatProblem } from '../../../../src/base/model/problem.ts';

describe('formatProblem', () => {
  it('contains the path, the value and the cure', () => {
    assert.equal(
      formatProblem({ path: 'ip.gateway', value: '"10.0.0.1"', cure: 'must be an address in 192.168.12.0/24' }),
      'ip.gateway "10.0.0.1": must be an address in 192.168.12.0/24',
    );
  });
});
