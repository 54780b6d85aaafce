import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { startPlane } from './plane.ts';
import { writeRoute, writeSlice } from './samples.ts';

const service = (spec: object = {}, name = 'web') => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace: 'shop', name },
  spec,
});

describe('PortPlane', () => {
  it('tells both sides when a program of the node takes the port of a Route that was admitted', () => {
    const { plane, put, pass, problems, verdicts } = startPlane();
    put(service(), writeSlice('web', [{ address: '10.0.0.1' }]), writeRoute());
    plane.sync();
    assert.deepEqual([verdicts(), problems.get('node ports')], [['web Admitted'], undefined]);
    pass(5000, 'tcp 13306');
    put(writeRoute({ name: 'other', port: 2000 }));
    plane.sync();
    assert.deepEqual(verdicts(), ['other Admitted', 'web PortInUseOnNode']);
    assert.match(problems.get('node ports') ?? '', /^programs on the node listen where Routes were .*: tcp 13306; /);
    pass(400_000);
    put(writeRoute({ name: 'other', port: 2001 }));
    plane.sync();
    assert.deepEqual([verdicts().sort(), problems.get('node ports')], [['other Admitted', 'web Admitted'], undefined]);
    plane.stop(false);
  });
});
