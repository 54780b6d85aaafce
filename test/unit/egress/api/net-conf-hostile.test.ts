import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseNetConf } from '../../../../src/egress/api/net-conf.ts';
import { clusterNetworkOperatorConf, confWith, confWithIp, problemsOfNetConf, readNetConf } from './samples.ts';

describe('parseNetConf with hostile input', () => {
  it('never throws for any JSON', () => {
    fc.assert(fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => void parseNetConf(value)));
  });

  it('never throws for a valid configuration with any JSON in any place', () => {
    const places = fc.constantFrom(
      ...Object.keys(clusterNetworkOperatorConf),
      'egressRouter',
      'args',
      'runtimeConfig',
      'interfaceArgs',
    );
    const inner = fc.constantFrom('addresses', 'gateway', 'destinations', 'fallbackIP');
    fc.assert(
      fc.property(places, inner, fc.jsonValue(), fc.jsonValue(), (place, key, first, second) => {
        for (const conf of [
          confWith({ [place]: first }),
          confWithIp({ [key]: second }),
          confWith({ [place]: { [key]: [first, second] } }),
        ]) {
          for (const problem of problemsOfNetConf(conf)) assert.ok(problem.length < 400, problem);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('shortens long values in problems', () => {
    const long = 'x'.repeat(10_000_000);
    const problems = problemsOfNetConf(
      confWith({ name: long, log_file: long, ip: { addresses: [long], gateway: long, destinations: [long] } }),
    );
    assert.equal(problems.length, 5);
    for (const problem of problems) assert.ok(problem.length < 300, problem);
  });

  it('stops collecting after 100 problems', () => {
    const destinations = Array.from({ length: 1_000_000 }, () => 0);
    assert.equal(problemsOfNetConf(confWithIp({ destinations })).length, 100);
    assert.equal(problemsOfNetConf(confWithIp({ addresses: destinations })).length, 100);
    assert.equal(problemsOfNetConf(confWithIp({ gateway: destinations })).length, 1);
    assert.equal(problemsOfNetConf(confWith({ clusterNetworks: destinations })).length, 100);
  });

  it('parses 10,000 destinations', () => {
    const destinations = Array.from({ length: 10_000 }, (_, index) => `${index + 1} TCP 203.0.113.26 80`);
    assert.equal(readNetConf(confWithIp({ destinations })).redirects.redirects.length, 10_000);
  });
});
