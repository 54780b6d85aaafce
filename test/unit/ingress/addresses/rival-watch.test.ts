import assert from 'node:assert/strict';
import { RivalWatch } from '../../../../src/ingress/addresses/rival-watch.ts';

function mac(number: number): string {
  return `02:00:00:${[16, 8, 0].map((bits) => ((number >> bits) & 0xff).toString(16).padStart(2, '0')).join(':')}`;
}

describe('RivalWatch', () => {
  it('asks for at most one probe of an address in 5 s, however many machines claim it', () => {
    const watch = new RivalWatch();
    let probes = 0;
    // 20 s of forged claims, each from another machine.
    for (let now = 0; now < 20_000; now++) if (watch.claimed('192.0.2.10', mac(now), now)) probes++;
    assert.equal(probes, 4);
    assert.equal(watch.claimed('192.0.2.11', mac(1), 20_000), true);
  });

  it('counts a machine once a second', () => {
    const watch = new RivalWatch();
    for (let now = 0; now < 10_000; now += 100) watch.claimed('192.0.2.10', mac(1), now);
    assert.equal(watch.count, 10);
  });

  it('remembers a bounded number of forged machines', () => {
    const watch = new RivalWatch();
    for (let number = 0; number < 200_000; number++) {
      watch.claimed('192.0.2.10', mac(number), number / 100);
      assert.ok(watch.size <= 1001, `${watch.size} after ${number}`);
    }
    assert.equal(watch.count, 200_000);
  });
});
