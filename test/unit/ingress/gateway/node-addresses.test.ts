import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { readNodeAddresses } from '../../../../src/ingress/gateway/addresses.ts';

describe('readNodeAddresses', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'addresses-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const zero = '0'.repeat(32);
  const one = (address: string, internal = false) => ({
    address,
    internal,
    netmask: '255.255.255.0',
    family: 'IPv4' as const,
    mac: '',
    cidr: null,
  });
  const interfaces = {
    lo: [one('127.0.0.1', true)],
    cni0: [one('10.244.0.1')],
    eth0: [one('192.0.2.1'), one('fe80::1'), one('2001:db8::1')],
    eth1: [one('198.51.100.1')],
  };

  it('returns the addresses of interfaces that default routes of either family use', () => {
    const head = 'Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT';
    const route = (link: string, to: string, mask: string) => `${link}\t${to}\t0100000A\t3\t0\t0\t0\t${mask}\t0\t0\t0`;
    writeFileSync(
      join(folder, 'route'),
      [head, route('eth1', '00006433', '00FFFFFF'), route('eth0', '00000000', '00000000'), ''].join('\n'),
    );
    assert.deepEqual(readNodeAddresses(folder, interfaces), ['192.0.2.1', '2001:db8::1']);
    writeFileSync(
      join(folder, 'ipv6_route'),
      [
        `${zero} 00 ${zero} 00 ${zero} ffffffff 00000001 00000000 00200200       lo`,
        `${zero} 00 ${zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1`,
        '',
      ].join('\n'),
    );
    assert.deepEqual(readNodeAddresses(folder, interfaces), ['192.0.2.1', '2001:db8::1', '198.51.100.1']);
  });

  it('returns all addresses except those for containers if there is no default route', () => {
    assert.deepEqual(readNodeAddresses(folder, interfaces), ['192.0.2.1', '2001:db8::1', '198.51.100.1']);
  });
});
