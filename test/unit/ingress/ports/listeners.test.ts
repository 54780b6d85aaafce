import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { nodeServicePorts } from '../../../../src/ingress/claims/node-ports.ts';
import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import { includesPort } from '../../../../src/ingress/claims/port-ranges.ts';
import { decidePorts } from '../../../../src/ingress/claims/ports.ts';
import { ListenerWatch } from '../../../../src/ingress/ports/listeners.ts';
import { readRequest, writeRoute } from '../samples.ts';

const minute = 60_000;

describe('ListenerWatch', () => {
  function watch(...first: readonly string[]) {
    let now = 0;
    let listening: ReadonlySet<string> = new Set(first);
    const one = new ListenerWatch(
      () => listening,
      () => now,
    );
    const look = (minutes: number, ...ports: readonly string[]): string => {
      now = minutes * minute;
      listening = new Set(ports);
      const { taken, held } = one.refresh();
      return [...taken].map((port) => (held.has(port) ? `(${port})` : port)).join(' ');
    };
    one.refresh();
    return { one, look };
  }

  it('reserves a port for minutes after its listener is gone, and no longer', () => {
    const { look } = watch();
    assert.equal(look(1, 'tcp 2000'), 'tcp 2000');
    assert.equal(look(2), '(tcp 2000)');
    assert.equal(look(3, 'tcp 2000'), 'tcp 2000');
    assert.equal(look(7.9), '(tcp 2000)');
    assert.equal(look(8), '');
  });

  it('reserves ports permanently if they had a listener at the start', () => {
    const { look } = watch('tcp 10250');
    assert.equal(look(60), '(tcp 10250)');
    assert.equal(look(61, 'tcp 10250'), 'tcp 10250');
  });

  it('returns the same value until something changes', () => {
    const { one, look } = watch('tcp 1');
    const before = one.current;
    look(1, 'tcp 1');
    assert.equal(one.current, before);
    look(2);
    assert.notEqual(one.current, before);
  });
});

describe('ListenerWatch that was started', () => {
  it('reads again soon after a claim, so that a program that listened meanwhile gets its port', async () => {
    let listening: ReadonlySet<string> = new Set();
    let reads = 0;
    const one = new ListenerWatch(() => {
      reads++;
      return listening;
    });
    const heard = new Promise<void>((resolve) => one.start(resolve));
    try {
      one.refresh();
      const afterClaim = reads;
      listening = new Set(['tcp 2000']);
      await heard;
      assert.ok(one.current.taken.has('tcp 2000'));
      assert.equal(reads, afterClaim + 1);
    } finally {
      one.close();
    }
  });
});

describe('ports of the node’s own services', () => {
  const wanted = [1936, 2379, 2380, 6443, 9100, 9153, 10248, 10249, 10250, 10255, 10256, 10257, 10259, 8472, 4789];
  for (const port of wanted) {
    it(`reserve ${port} unless the administrator allows it`, () => {
      assert.ok(includesPort(nodeServicePorts, port));
      const request = readRequest(writeRoute({ port }));
      const [refused] = decidePorts([request], { policy: defaultPolicy, listeners: new Set() }).refused;
      assert.deepEqual(
        [refused?.reason, refused?.message],
        ['PortNotAllowed', `TCP port ${port} is a port of the node's own services`],
      );
      const policy = { ...defaultPolicy, nodeServicePorts: [] };
      assert.equal(decidePorts([request], { policy, listeners: new Set() }).admitted.length, 1);
    });
  }

  it('report that a reserved port has no listener', () => {
    const taken = new Set(['tcp 13306']);
    const context = { policy: defaultPolicy, listeners: taken, held: taken };
    const [refused] = decidePorts([readRequest(writeRoute())], context).refused;
    assert.deepEqual(
      [refused?.reason, refused?.message],
      ['PortInUseOnNode', 'TCP port 13306 is kept for a program that listened there on the node'],
    );
  });
});
