import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { parsePrefix } from '../../../../src/base/model/address.ts';
import { listMasterCandidates } from '../../../../src/base/model/master.ts';
import type { InterfaceAddress, Link } from '../../../../src/base/model/network.ts';

const link = (name: string, more: Partial<Link> = {}): Link => ({
  index: 1,
  name,
  up: true,
  mtu: 1500,
  mac: '02:00:00:00:00:01',
  ...more,
});

function address(name: string, text: string): InterfaceAddress {
  const prefix = parsePrefix(text);
  assert.ok(prefix);
  return { link: name, prefix };
}

describe('listMasterCandidates', () => {
  const rows: readonly (readonly [
    name: string,
    links: readonly Link[],
    addresses: readonly InterfaceAddress[],
    want: string,
  ])[] = [
    [
      'physical interfaces, bonds and bridges',
      [link('eth0'), link('bond0', { kind: 'bond' }), link('br0', { kind: 'bridge' })],
      [],
      'eth0, bond0, br0',
    ],
    [
      'no veth that leads to a pod',
      [link('eth0'), link('vethd3adbeef', { kind: 'veth' }), link('cali12', { kind: 'veth' })],
      [],
      'eth0',
    ],
    [
      'no veth whose address is only a gateway for a pod',
      [link('eth0'), link('veth1', { kind: 'veth' })],
      [address('veth1', '10.128.0.1/32'), address('veth1', 'fe80::1/64')],
      'eth0',
    ],
    [
      'a veth that the node itself is on a network with',
      [link('eth0', { kind: 'veth' })],
      [address('eth0', '172.18.0.2/16')],
      'eth0',
    ],
    [
      'no loopback, tunnel or macvlan',
      [
        link('lo', { mac: '00:00:00:00:00:00' }),
        link('tun0', { mac: '' }),
        link('flannel.1', { kind: 'vxlan' }),
        link('mac0', { kind: 'macvlan' }),
      ],
      [],
      'none that can be a master',
    ],
    [
      'eight at most',
      Array.from({ length: 9 }, (_, i) => link(`eth${i}`)),
      [],
      'eth0, eth1, eth2, eth3, eth4, eth5, eth6, eth7 and others',
    ],
  ];
  for (const [name, links, addresses, want] of rows) {
    it(`lists ${name}`, () => assert.equal(listMasterCandidates(links, addresses), want));
  }
});
