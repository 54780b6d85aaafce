import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
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
