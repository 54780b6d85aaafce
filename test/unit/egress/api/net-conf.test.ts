import assert from 'node:assert/strict';
import type { AttachmentSpec } from '../../../../src/egress/model/attachment.ts';
import { clusterNetworkOperatorConf, confWith, confWithIp, readNetConf } from './samples.ts';

describe('parseNetConf with a valid configuration', () => {
  it('parses the configuration of the Cluster Network Operator', () => {
    const v4 = (text: string) => ({ family: 4, text });
    assert.deepEqual(readNetConf(clusterNetworkOperatorConf), {
      network: 'egress-router-cni-nad',
      kind: { type: 'macvlan', mode: 'bridge' },
      reserved: [{ prefix: { address: v4('192.168.12.99'), length: 24 }, gateway: v4('192.168.12.1') }],
      redirects: {
        redirects: [
          { protocol: 'udp', port: 80, target: v4('10.0.0.99') },
          { protocol: 'tcp', port: 8080, target: v4('203.0.113.26'), targetPort: 80 },
          { protocol: 'tcp', port: 8443, target: v4('203.0.113.27'), targetPort: 443 },
        ],
        fallbacks: [v4('203.0.113.30')],
      },
      clusterNetworks: [],
      ruleBackend: 'auto',
      log: { file: '/tmp/egress-router-log', level: 'debug' },
    });
  });

  const settings: readonly (readonly [name: string, conf: unknown, want: Partial<AttachmentSpec>])[] = [
    [
      'the mode in any case',
      confWith({ interfaceArgs: { mode: 'VEPA' } }),
      { kind: { type: 'macvlan', mode: 'vepa' } },
    ],
    ['the MTU as a text', confWith({ interfaceArgs: { mtu: '1400' } }), { mtu: 1400 }],
    ['the MTU as a number', confWith({ interfaceArgs: { mtu: 68 } }), { mtu: 68 }],
    ['the master', confWith({ interfaceArgs: { master: 'bond0.100' } }), { master: 'bond0.100' }],
    ['a master of 15 bytes', confWith({ interfaceArgs: { master: 'enp130s0f1np100' } }), { master: 'enp130s0f1np100' }],
    [
      'empty settings as absent',
      confWith({ interfaceType: '', interfaceArgs: { mode: '', mtu: '' } }),
      { kind: { type: 'macvlan', mode: 'bridge' } },
    ],
    [
      'null settings as absent',
      confWith({ interfaceArgs: null, log_file: null, args: null }),
      { kind: { type: 'macvlan', mode: 'bridge' } },
    ],
    ['the rule backend', confWith({ ruleBackend: 'nftables' }), { ruleBackend: 'nftables' }],
    [
      'the log settings',
      confWith({ log_file: '/var/log/egress.log', log_level: 'verbose' }),
      { log: { file: '/var/log/egress.log', level: 'verbose' } },
    ],
    [
      'the MAC of runtimeConfig',
      confWith({ runtimeConfig: { mac: '02-AB-00-00-00-01' } }),
      { mac: '02:ab:00:00:00:01' },
    ],
    ['the MAC of args.cni', confWith({ args: { cni: { mac: '02:ab:00:00:00:02' } } }), { mac: '02:ab:00:00:00:02' }],
    [
      'the MAC of runtimeConfig before that of args.cni',
      confWith({ runtimeConfig: { mac: '02:ab:00:00:00:01' }, args: { cni: { mac: '02:ab:00:00:00:02' } } }),
      { mac: '02:ab:00:00:00:01' },
    ],
    [
      'cluster networks, without host bits and repetitions',
      confWith({ clusterNetworks: ['10.128.5.1/14', '10.128.0.0/14', 'fd00::/48'] }),
      {
        clusterNetworks: [
          { address: { family: 4, text: '10.128.0.0' }, length: 14 },
          { address: { family: 6, text: 'fd00::' }, length: 48 },
        ],
      },
    ],
    [
      'no destinations at all',
      confWithIp({ destinations: undefined }),
      { redirects: { redirects: [], fallbacks: [] } },
    ],
    [
      'a /31 and its other address as gateway',
      confWithIp({ addresses: ['192.168.12.98/31'], gateway: '192.168.12.99' }),
      {
        reserved: [
          {
            prefix: { address: { family: 4, text: '192.168.12.98' }, length: 31 },
            gateway: { family: 4, text: '192.168.12.99' },
          },
        ],
      },
    ],
    [
      'a /32 without a gateway',
      confWithIp({ addresses: ['192.168.12.99/32'], gateway: undefined }),
      { reserved: [{ prefix: { address: { family: 4, text: '192.168.12.99' }, length: 32 } }] },
    ],
    [
      'a link-local gateway for IPv6',
      confWithIp({ addresses: ['2001:db8::9/64'], gateway: 'fe80::1', destinations: [] }),
      {
        reserved: [
          {
            prefix: { address: { family: 6, text: '2001:db8::9' }, length: 64 },
            gateway: { family: 6, text: 'fe80::1' },
          },
        ],
      },
    ],
    [
      'a router behind a point-to-point IPv6 link',
      confWithIp({ addresses: ['2001:db8::/127'], gateway: '2001:db8::1', destinations: [] }),
      {},
    ],
    [
      'one port of each protocol and family',
      confWithIp({
        addresses: ['192.168.12.99/24', '2001:db8::9/64'],
        destinations: ['53 TCP 10.0.0.1', '53 UDP 10.0.0.1', '53 SCTP 10.0.0.1', '53 TCP 2001:db8:1::1'],
      }),
      {},
    ],
  ];
  for (const [name, conf, want] of settings) {
    it(`accepts ${name}`, () => {
      const spec = readNetConf(conf);
      for (const [key, value] of Object.entries(want)) assert.deepEqual(spec[key as keyof AttachmentSpec], value);
    });
  }

  it('uses the MAC address of CNI_ARGS if the configuration has none', () => {
    assert.equal(readNetConf(confWith({}), '02:ab:00:00:00:03').mac, '02:ab:00:00:00:03');
    const args = { cni: { mac: '02:ab:00:00:00:02' } };
    assert.equal(readNetConf(confWith({ args }), '02:ab:00:00:00:03').mac, '02:ab:00:00:00:02');
    assert.equal(Object.hasOwn(readNetConf(confWith({})), 'mac'), false);
  });

  for (const [form, gateway] of [
    ['a list', ['192.168.12.1', '2001:db8::1']],
    ['one text', ' 2001:db8::1 , 192.168.12.1'],
  ] as const) {
    it(`accepts two gateways as ${form}`, () => {
      const { reserved } = readNetConf(confWithIp({ addresses: ['2001:db8::9/64', '192.168.12.99/24'], gateway }));
      assert.deepEqual(
        reserved.map((address) => address.gateway?.text),
        ['2001:db8::1', '192.168.12.1'],
      );
    });
  }

  it('accepts a gateway for one family only', () => {
    const { reserved } = readNetConf(
      confWithIp({ addresses: ['2001:db8::9/64', '192.168.12.99/24'], gateway: '192.168.12.1' }),
    );
    assert.deepEqual(
      reserved.map((address) => address.gateway?.text),
      [undefined, '192.168.12.1'],
    );
  });

  it('ignores unknown keys', () => {
    const strange = JSON.parse('{"__proto__": {"mode": 1}, "constructor": 5, "ipam": {}, "dns": 1, "extra": []}');
    assert.deepEqual(
      readNetConf({ ...clusterNetworkOperatorConf, ...strange }),
      readNetConf(clusterNetworkOperatorConf),
    );
    const withProto = JSON.parse(`{"__proto__": {"ip": 1}, ${JSON.stringify(clusterNetworkOperatorConf).slice(1)}`);
    assert.deepEqual(readNetConf(withProto), readNetConf(clusterNetworkOperatorConf));
  });
});
