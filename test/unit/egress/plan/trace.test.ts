import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { EgressRules } from '../../../../src/egress/plan/rules.ts';
import { type FirstPacket, type Trace, traceEgress } from '../../../../src/egress/plan/trace.ts';
import { address, documented, everything } from '../../base/rules/examples.ts';

const toPod = { destination: address('10.128.10.18'), incoming: 'eth0', local: true } as const;
const source = address('192.168.12.99');

const cases: { name: string; rules: typeof documented; packet: FirstPacket; goes: Trace }[] = [
  {
    name: 'a port with a redirect and a target port',
    rules: documented,
    packet: { ...toPod, protocol: 'tcp', port: 8080 },
    goes: { kind: 'redirected', target: address('203.0.113.26'), port: 80, source, by: 'redirect' },
  },
  {
    name: 'a port with a redirect to the same port',
    rules: documented,
    packet: { ...toPod, protocol: 'udp', port: 80 },
    goes: { kind: 'redirected', target: address('10.0.0.99'), port: 80, source, by: 'redirect' },
  },
  {
    name: 'the same port of another protocol',
    rules: documented,
    packet: { ...toPod, protocol: 'tcp', port: 80 },
    goes: { kind: 'delivered' },
  },
  {
    name: 'a port without a redirect if there is a fallback',
    rules: everything,
    packet: { ...toPod, protocol: 'tcp', port: 1 },
    goes: { kind: 'redirected', target: address('203.0.113.30'), port: 1, source, by: 'fallback' },
  },
  {
    name: 'transit TCP',
    rules: documented,
    packet: { ...toPod, protocol: 'tcp', port: 8080, destination: address('198.51.100.7'), local: false },
    goes: { kind: 'refused', with: 'tcp-reset' },
  },
  {
    name: 'transit UDP',
    rules: documented,
    packet: { ...toPod, protocol: 'udp', port: 80, destination: address('198.51.100.7'), local: false },
    goes: { kind: 'refused', with: 'port-unreachable' },
  },
  {
    name: 'a connection from outside',
    rules: documented,
    packet: { ...toPod, protocol: 'tcp', port: 8080, incoming: 'net1' },
    goes: { kind: 'dropped' },
  },
  {
    name: 'a family without a reserved address',
    rules: documented,
    packet: { ...toPod, protocol: 'tcp', port: 8080, destination: address('fd00::18') },
    goes: { kind: 'delivered' },
  },
];

describe('traceEgress', () => {
  for (const { name, rules, packet, goes } of cases) {
    it(`follows ${name}`, () => assert.deepEqual(traceEgress(rules, packet), goes));
  }
});

describe('traceEgress of DNS names', () => {
  const rules: EgressRules = {
    owner: 'c',
    egressLink: 'net1',
    podLinks: { 4: 'eth0', 6: 'eth0' },
    reserved: [address('192.168.12.99'), address('2001:db8:12::99')],
    redirects: {
      redirects: [],
      fallbacks: [],
      named: [
        {
          protocol: 'tcp',
          port: 8443,
          targetPort: 443,
          name: 'api.partner.example',
          targets: [address('203.0.113.1'), address('203.0.113.2')],
        },
      ],
      fallbackName: { name: 'rest.example', targets: [address('203.0.113.30')] },
    },
    slot: 1,
  };
  const packet = { protocol: 'tcp', destination: address('10.0.0.1'), incoming: 'eth0', local: true } as const;

  it('shows the name and all addresses that share its connections', () => {
    const trace = traceEgress(rules, { ...packet, port: 8443 });
    assert.ok(trace.kind === 'redirected');
    assert.deepEqual(
      [trace.name, trace.port, trace.by, trace.targets?.length],
      ['api.partner.example', 443, 'redirect', 2],
    );
  });

  it('shows a name without an address of the family, and sends other ports to the fallback', () => {
    const six = { ...packet, destination: address('fd00::1') };
    assert.deepEqual(traceEgress(rules, { ...six, port: 8443 }), { kind: 'unresolved', name: 'api.partner.example' });
    assert.deepEqual(traceEgress(rules, { ...six, port: 9 }), { kind: 'delivered' });
    const rest = traceEgress(rules, { ...packet, port: 9 });
    assert.ok(rest.kind === 'redirected' && rest.by === 'fallback' && rest.name === 'rest.example');
  });
});
