import assert from 'node:assert/strict';
import { type CniVersion, supportedVersions } from '../../../../src/egress/api/cni-version.ts';
import { parsePreviousResult } from '../../../../src/egress/api/prev-result.ts';
import { type Attached, formatResult } from '../../../../src/egress/cni/result.ts';

const attached: Attached = {
  ifname: 'net1',
  mac: '02:ab:00:00:00:01',
  mtu: 1500,
  netns: '/run/netns/pod',
  addresses: [
    {
      prefix: { address: { family: 4, text: '192.168.12.99' }, length: 24 },
      gateway: { family: 4, text: '192.168.12.1' },
    },
    { prefix: { address: { family: 6, text: '2001:db8::9' }, length: 64 } },
  ],
  routes: [
    {
      destination: { address: { family: 4, text: '0.0.0.0' }, length: 0 },
      gateway: { family: 4, text: '192.168.12.1' },
    },
    { destination: { address: { family: 4, text: '192.168.12.1' }, length: 32 } },
  ],
};

/** Which keys a version has, beyond those that all have. */
const shapes: Readonly<Record<CniVersion, { hasIpVersion: boolean; hasMtu: boolean }>> = {
  '0.3.0': { hasIpVersion: true, hasMtu: false },
  '0.3.1': { hasIpVersion: true, hasMtu: false },
  '0.4.0': { hasIpVersion: true, hasMtu: false },
  '1.0.0': { hasIpVersion: false, hasMtu: false },
  '1.1.0': { hasIpVersion: false, hasMtu: true },
};

describe('formatResult', () => {
  for (const version of supportedVersions) {
    it(`has the form of ${version}`, () => {
      const { hasIpVersion, hasMtu } = shapes[version];
      assert.deepEqual(JSON.parse(formatResult(version, attached)), {
        cniVersion: version,
        interfaces: [
          { name: 'net1', mac: '02:ab:00:00:00:01', ...(hasMtu && { mtu: 1500 }), sandbox: '/run/netns/pod' },
        ],
        ips: [
          { ...(hasIpVersion && { version: '4' }), interface: 0, address: '192.168.12.99/24', gateway: '192.168.12.1' },
          { ...(hasIpVersion && { version: '6' }), interface: 0, address: '2001:db8::9/64' },
        ],
        routes: [{ dst: '0.0.0.0/0', gw: '192.168.12.1' }, { dst: '192.168.12.1/32' }],
        dns: {},
      });
    });

    it(`can be parsed as prevResult of ${version}`, () => {
      const parsed = parsePreviousResult({ prevResult: JSON.parse(formatResult(version, attached)) });
      assert.ok(parsed.ok);
      assert.deepEqual(parsed.value?.ips, [
        { address: attached.addresses[0]?.prefix, gateway: attached.addresses[0]?.gateway, interface: 0 },
        { address: attached.addresses[1]?.prefix, interface: 0 },
      ]);
      assert.deepEqual(parsed.value.routes, attached.routes);
    });
  }

  it('keeps interfaces of previous plugins and appends its own', () => {
    const prevResult = {
      cniVersion: '1.0.0',
      interfaces: [{ name: 'cni0' }, { name: 'eth0', sandbox: '/run/netns/pod', pciID: 'x' }],
      ips: [{ interface: 1, address: '10.128.10.18/23' }],
      routes: [{ dst: '10.128.0.0/14', mtu: 1400 }],
      dns: { nameservers: ['10.0.0.10'] },
    };
    const previous = parsePreviousResult({ prevResult });
    assert.ok(previous.ok);
    const result = JSON.parse(formatResult('1.0.0', attached, previous.value));
    assert.deepEqual(result.interfaces.slice(0, 2), prevResult.interfaces);
    assert.equal(result.interfaces[2].name, 'net1');
    assert.deepEqual(
      result.ips.map((ip: { interface: number }) => ip.interface),
      [1, 2, 2],
    );
    assert.deepEqual(result.routes[0], { dst: '10.128.0.0/14', mtu: 1400 });
    assert.deepEqual(result.dns, { nameservers: ['10.0.0.10'] });
  });
});
