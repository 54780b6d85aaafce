import assert from 'node:assert/strict';
import fc from 'fast-check';
import { formatProblem } from '../../../../src/base/model/problem.ts';
import { parsePreviousResult } from '../../../../src/egress/api/prev-result.ts';

function problemsOf(prevResult: unknown): string[] {
  const parsed = parsePreviousResult({ prevResult });
  return parsed.ok ? [] : parsed.problems.map(formatProblem);
}

describe('parsePreviousResult', () => {
  it('parses a result of CNI 0.4.0', () => {
    const prevResult = {
      cniVersion: '0.4.0',
      interfaces: [{ name: 'net1', mac: '02:AB:00:00:00:01', sandbox: '/run/netns/x' }],
      ips: [{ version: '4', interface: 0, address: '192.168.12.99/24', gateway: '192.168.12.1' }],
      routes: [{ dst: '0.0.0.0/0', gw: '192.168.12.1' }],
      dns: {},
    };
    assert.deepEqual(parsePreviousResult({ prevResult }), {
      ok: true,
      value: {
        interfaces: [{ name: 'net1', mac: '02:ab:00:00:00:01', sandbox: '/run/netns/x' }],
        ips: [
          {
            address: { address: { family: 4, text: '192.168.12.99' }, length: 24 },
            gateway: { family: 4, text: '192.168.12.1' },
            interface: 0,
          },
        ],
        routes: [
          {
            destination: { address: { family: 4, text: '0.0.0.0' }, length: 0 },
            gateway: { family: 4, text: '192.168.12.1' },
          },
        ],
        written: prevResult,
      },
    });
  });

  it('parses a result of CNI 1.1.0 with the IPv6 default route that Multus writes', () => {
    const parsed = parsePreviousResult({
      prevResult: { interfaces: [{ name: 'net1', mtu: 1500 }], routes: [{ dst: '::0/0', gw: 'fe80::1', priority: 5 }] },
    });
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.value?.interfaces, [{ name: 'net1', mtu: 1500 }]);
    assert.deepEqual(parsed.value.routes, [
      { destination: { address: { family: 6, text: '::' }, length: 0 }, gateway: { family: 6, text: 'fe80::1' } },
    ]);
  });

  for (const configuration of [{}, { prevResult: null }, 5]) {
    it(`finds none in ${JSON.stringify(configuration)}`, () => {
      assert.deepEqual(parsePreviousResult(configuration), { ok: true, value: undefined });
    });
  }

  const cases: readonly (readonly [name: string, prevResult: unknown, want: readonly string[]])[] = [
    ['no object', 'x', ['prevResult "x": must be a CNI result']],
    [
      'an address without length',
      { ips: [{ address: '10.0.0.1' }] },
      ['prevResult.ips[0].address "10.0.0.1": must be an address with prefix length'],
    ],
    [
      'a gateway that is none',
      { routes: [{ dst: '0.0.0.0/0', gw: 'x' }] },
      ['prevResult.routes[0].gw "x": must be an IPv4 or IPv6 address'],
    ],
    ['an interface without name', { interfaces: [{}] }, ['prevResult.interfaces[0].name missing: must be a string']],
    [
      'half an index',
      { ips: [{ address: '10.0.0.1/24', interface: 0.5 }] },
      ['prevResult.ips[0].interface 0.5: must be a whole number'],
    ],
    ['routes of the wrong type', { routes: {} }, ['prevResult.routes {}: must be a list of objects']],
  ];
  for (const [name, prevResult, want] of cases) {
    it(`rejects ${name}`, () => assert.deepEqual(problemsOf(prevResult), want));
  }

  it('never throws for any JSON', () => {
    fc.assert(
      fc.property(fc.constantFrom('interfaces', 'ips', 'routes'), fc.jsonValue(), (key, value) => {
        parsePreviousResult({ prevResult: value });
        parsePreviousResult({ prevResult: { [key]: value } });
        parsePreviousResult({ prevResult: { [key]: [value] } });
      }),
    );
  });
});
