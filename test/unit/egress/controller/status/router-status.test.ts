import assert from 'node:assert/strict';
import type { RouterPod } from '../../../../../src/egress/controller/failover/pods.ts';
import type { MemberSituation } from '../../../../../src/egress/controller/status/conditions.ts';
import { summarize } from '../../../../../src/egress/controller/status/router-status.ts';

const now = '2026-11-30T12:00:00Z';

function member(last: number, destinationNames: readonly string[], reports: object, isReady = true): MemberSituation {
  const address = `192.168.12.${last}`;
  const pod = {
    name: `router-${last}`,
    node: `n${last}`,
    isEnding: false,
    isReady,
    configuration: 'c',
    egressAddresses: [address],
    nameReports: JSON.stringify(reports),
  } as unknown as RouterPod;
  return { addresses: [address], destinationNames, configuration: 'c', pods: [pod] } as unknown as MemberSituation;
}

const of = (name: string, ...addresses: string[]) => ({ name, addresses });

describe('the summary of names', () => {
  it('lists names of the specification in its order, and counts those that no daemon reported', () => {
    const reports = { net1: [of('b.example', '203.0.113.2'), of('evil.example', '203.0.113.9'), of('a.example')] };
    const summary = summarize([member(9, ['a.example', 'b.example', 'c.example'], reports)], {}, now);
    assert.deepEqual(summary.routers[0]?.names, [of('a.example'), of('b.example', '203.0.113.2')]);
    assert.equal(summary.routers[0]?.namesOmitted, 1);
    assert.equal(summary.names, '1 of 3 resolved');
  });

  it('calls a name resolved when every router of a pool serves and has an address', () => {
    const names = ['a.example', 'b.example'];
    const all = { net1: [of('a.example', '203.0.113.1'), of('b.example', '203.0.113.2')] };
    const one = { net1: [of('a.example', '203.0.113.1'), of('b.example')] };
    assert.equal(summarize([member(1, names, all), member(2, names, all)], {}, now).names, '2 of 2 resolved');
    assert.equal(summarize([member(1, names, all), member(2, names, one)], {}, now).names, '1 of 2 resolved');
    assert.equal(summarize([member(1, names, all), member(2, names, all, false)], {}, now).names, '0 of 2 resolved');
    assert.equal(
      summarize([member(1, names, all), member(2, names, { net2: all.net1 })], {}, now).names,
      '0 of 2 resolved',
    );
  });

  it('keeps the status of a large pool within what an object may have', () => {
    const names = Array.from({ length: 64 }, (_, index) => `n${index}.example`);
    const reports = { net1: names.map((name) => of(name, '203.0.113.1')) };
    const pool = Array.from({ length: 50 }, (_, index) => member(index + 1, names, reports));
    const { routers } = summarize(pool, {}, now);
    assert.equal(routers.flatMap((router) => router.names ?? []).length, 256);
    assert.equal(
      routers.reduce((sum, { namesOmitted = 0 }) => sum + namesOmitted, 0),
      50 * 64 - 256,
    );
  });

  it('has no fields for routers without names, whatever their pods say', () => {
    const summary = summarize([member(9, [], { net1: [of('a.example', '203.0.113.1')] })], {}, now);
    assert.ok(!('names' in summary) && !('names' in (summary.routers[0] ?? {})));
  });
});
