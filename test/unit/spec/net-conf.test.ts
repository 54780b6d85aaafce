import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { AttachmentSpec } from '../../../src/model/attachment.ts';
import { formatProblem } from '../../../src/model/problem.ts';
import { parseNetConf } from '../../../src/spec/net-conf.ts';
import { clusterNetworkOperatorConf, confWith, confWithIp } from './samples.ts';

function read(conf: unknown, mac?: string): AttachmentSpec {
  const parsed = parseNetConf(conf, mac);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.problems.map(formatProblem).join('\n'));
  return parsed.value;
}

function problemsOf(conf: unknown): string[] {
  const parsed = parseNetConf(conf);
  return parsed.ok ? [] : parsed.problems.map(formatProblem);
}

describe('parseNetConf, on what is right', () => {
  it('reads what the Cluster Network Operator writes', () => {
    const v4 = (text: string) => ({ family: 4, text });
    assert.deepEqual(read(clusterNetworkOperatorConf), {
      network: 'egress-router-cni-nad',
      mode: 'bridge',
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
    ['the mode in any case', confWith({ interfaceArgs: { mode: 'VEPA' } }), { mode: 'vepa' }],
    ['the MTU as a text', confWith({ interfaceArgs: { mtu: '1400' } }), { mtu: 1400 }],
    ['the MTU as a number', confWith({ interfaceArgs: { mtu: 68 } }), { mtu: 68 }],
    ['the master', confWith({ interfaceArgs: { master: 'bond0.100' } }), { master: 'bond0.100' }],
    [
      'empty settings as absent',
      confWith({ interfaceType: '', interfaceArgs: { mode: '', mtu: '' } }),
      { mode: 'bridge' },
    ],
    ['null settings as absent', confWith({ interfaceArgs: null, log_file: null, args: null }), { mode: 'bridge' }],
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
    it(`takes ${name}`, () => {
      const spec = read(conf);
      for (const [key, value] of Object.entries(want)) assert.deepEqual(spec[key as keyof AttachmentSpec], value);
    });
  }

  it('takes the MAC of CNI_ARGS when nothing else names one', () => {
    assert.equal(read(confWith({}), '02:ab:00:00:00:03').mac, '02:ab:00:00:00:03');
    const args = { cni: { mac: '02:ab:00:00:00:02' } };
    assert.equal(read(confWith({ args }), '02:ab:00:00:00:03').mac, '02:ab:00:00:00:02');
    assert.equal(Object.hasOwn(read(confWith({})), 'mac'), false);
  });

  for (const [form, gateway] of [
    ['a list', ['192.168.12.1', '2001:db8::1']],
    ['one text', ' 2001:db8::1 , 192.168.12.1'],
  ] as const) {
    it(`takes two gateways as ${form}`, () => {
      const { reserved } = read(confWithIp({ addresses: ['2001:db8::9/64', '192.168.12.99/24'], gateway }));
      assert.deepEqual(
        reserved.map((address) => address.gateway?.text),
        ['2001:db8::1', '192.168.12.1'],
      );
    });
  }

  it('takes a gateway of one family only', () => {
    const { reserved } = read(
      confWithIp({ addresses: ['2001:db8::9/64', '192.168.12.99/24'], gateway: '192.168.12.1' }),
    );
    assert.deepEqual(
      reserved.map((address) => address.gateway?.text),
      [undefined, '192.168.12.1'],
    );
  });

  it('ignores what it does not know', () => {
    const strange = JSON.parse('{"__proto__": {"mode": 1}, "constructor": 5, "ipam": {}, "dns": 1, "extra": []}');
    assert.deepEqual(read({ ...clusterNetworkOperatorConf, ...strange }), read(clusterNetworkOperatorConf));
    const withProto = JSON.parse(`{"__proto__": {"ip": 1}, ${JSON.stringify(clusterNetworkOperatorConf).slice(1)}`);
    assert.deepEqual(read(withProto), read(clusterNetworkOperatorConf));
  });
});

describe('parseNetConf, on what is wrong', () => {
  const address = 'must be an IPv4 or IPv6 address with its prefix length, such as "192.168.12.99/24"';
  const host = 'must be the address of a host that others can reach';
  const cases: readonly (readonly [name: string, conf: unknown, want: readonly string[]])[] = [
    ['no object', 7, ['(document) 7: must be an object: the network configuration']],
    ['a list', [], ['(document) []: must be an object: the network configuration']],
    [
      'nothing at all',
      {},
      [
        'name missing: must be the name of the network',
        'ip missing: must be given, or else "egressRouter": a router needs a reserved address',
      ],
    ],
    [
      'a name with a slash',
      confWith({ name: '../x' }),
      ['name "../x": must be a network name: letters, digits, "_", "." and "-", a letter or digit first'],
    ],
    [
      'ip and egressRouter together',
      confWith({ egressRouter: { addresses: [{ ip: '192.168.12.99/24' }] } }),
      ['egressRouter {"addresses":[{"ip":"192.168.12.99/24"}]}: cannot stand beside "ip"; remove one of them'],
    ],
    [
      'another type of interface',
      confWith({ interfaceType: 'ipvlan' }),
      ['interfaceType "ipvlan": must be one of macvlan'],
    ],
    [
      'a mode that does not exist',
      confWith({ interfaceArgs: { mode: 'passthrough' } }),
      ['interfaceArgs.mode "passthrough": must be one of bridge, private, vepa, passthru'],
    ],
    [
      'a mode of the wrong type',
      confWith({ interfaceArgs: { mode: 1 } }),
      ['interfaceArgs.mode 1: must be one of bridge, private, vepa, passthru'],
    ],
    [
      'interfaceArgs of the wrong type',
      confWith({ interfaceArgs: 'x' }),
      ['interfaceArgs "x": must be an object with master, mode and mtu'],
    ],
    ['a small MTU', confWith({ interfaceArgs: { mtu: 67 } }), ['interfaceArgs.mtu 67: must be at least 68']],
    ['an MTU of zero', confWith({ interfaceArgs: { mtu: '0' } }), ['interfaceArgs.mtu "0": must be at least 68']],
    [
      'an MTU too small for IPv6',
      confWith({ ip: { addresses: ['192.168.12.99/24', '2001:db8::9/64'] }, interfaceArgs: { mtu: '1279' } }),
      ['interfaceArgs.mtu "1279": must be at least 1280 for IPv6'],
    ],
    ['a large MTU', confWith({ interfaceArgs: { mtu: 65536 } }), ['interfaceArgs.mtu 65536: must be at most 65535']],
    [
      'half a byte',
      confWith({ interfaceArgs: { mtu: 1500.5 } }),
      ['interfaceArgs.mtu 1500.5: must be a whole number of bytes, such as 1500'],
    ],
    [
      'an MTU in words',
      confWith({ interfaceArgs: { mtu: '1500b' } }),
      ['interfaceArgs.mtu "1500b": must be a whole number of bytes, such as 1500'],
    ],
    [
      'an MTU of the wrong type',
      confWith({ interfaceArgs: { mtu: true } }),
      ['interfaceArgs.mtu true: must be a whole number of bytes, such as 1500'],
    ],
    [
      'a long master',
      confWith({ interfaceArgs: { master: 'a'.repeat(16) } }),
      [
        'interfaceArgs.master "aaaaaaaaaaaaaaaa": must be the name of a network interface: at most 15 bytes, no "/", ":" or blanks',
      ],
    ],
    [
      'a master with a slash',
      confWith({ interfaceArgs: { master: '../eth0' } }),
      [
        'interfaceArgs.master "../eth0": must be the name of a network interface: at most 15 bytes, no "/", ":" or blanks',
      ],
    ],
    [
      'a backend that does not exist',
      confWith({ ruleBackend: 'ebpf' }),
      ['ruleBackend "ebpf": must be one of auto, iptables, nftables'],
    ],
    [
      'a level that does not exist',
      confWith({ log_level: 'info' }),
      ['log_level "info": must be one of panic, error, verbose, debug'],
    ],
    ['a relative log', confWith({ log_file: 'log' }), ['log_file "log": must be the absolute path of a file']],
    [
      'a log that is a folder',
      confWith({ log_file: '/tmp/' }),
      ['log_file "/tmp/": must be the absolute path of a file'],
    ],
    [
      'a log with a line break',
      confWith({ log_file: '/tmp/a\nb' }),
      ['log_file "/tmp/a\\nb": must be the absolute path of a file'],
    ],
    [
      'a cluster network without length',
      confWith({ clusterNetworks: ['10.0.0.0'] }),
      ['clusterNetworks[0] "10.0.0.0": must be a network with its prefix length, such as "10.128.0.0/14"'],
    ],
    [
      'the whole world as cluster network',
      confWith({ clusterNetworks: ['0.0.0.0/0'] }),
      ['clusterNetworks[0] "0.0.0.0/0": must be a network with its prefix length, such as "10.128.0.0/14"'],
    ],
    [
      'cluster networks of the wrong type',
      confWith({ clusterNetworks: '10.0.0.0/8' }),
      ['clusterNetworks "10.0.0.0/8": must be a list of networks'],
    ],
    [
      'a group MAC',
      confWith({ runtimeConfig: { mac: '01:00:5e:00:00:01' } }),
      ['runtimeConfig.mac "01:00:5e:00:00:01": must be the MAC address of one host, such as "02:00:00:12:34:56"'],
    ],
    [
      'half a MAC',
      confWith({ args: { cni: { mac: '02:00:00' } } }),
      ['args.cni.mac "02:00:00": must be the MAC address of one host, such as "02:00:00:12:34:56"'],
    ],
    ['args of the wrong type', confWith({ args: { cni: [] } }), ['args.cni []: must be an object']],
    [
      'ip of the wrong type',
      confWith({ ip: [] }),
      ['ip []: must be an object with addresses, gateway and destinations'],
    ],
    ['no addresses', confWithIp({ addresses: undefined }), ['ip.addresses missing: must be a list of addresses']],
    [
      'an empty list of addresses',
      confWithIp({ addresses: [] }),
      ['ip.addresses []: must name a reserved address such as "192.168.12.99/24"'],
    ],
    [
      'an address of the wrong type',
      confWithIp({ addresses: [5] }),
      ['ip.addresses[0] 5: must be an address such as "192.168.12.99/24"'],
    ],
    [
      'an address without length',
      confWithIp({ addresses: ['192.168.12.99'] }),
      ['ip.addresses[0] "192.168.12.99": must have the prefix length of its network, such as "192.168.12.99/24"'],
    ],
    [
      'an IPv6 address without length',
      confWithIp({ addresses: ['2001:db8::9'] }),
      ['ip.addresses[0] "2001:db8::9": must have the prefix length of its network, such as "2001:db8::9/64"'],
    ],
    ['no address', confWithIp({ addresses: ['router/24'] }), [`ip.addresses[0] "router/24": ${address}`]],
    [
      'a length of zero',
      confWithIp({ addresses: ['192.168.12.99/0'] }),
      ['ip.addresses[0] "192.168.12.99/0": must have the prefix length of its network, 1 to 32'],
    ],
    [
      'the network address',
      confWithIp({ addresses: ['192.168.12.0/24'] }),
      ['ip.addresses[0] "192.168.12.0/24": must not be the network address of its own network'],
    ],
    [
      'the broadcast address',
      confWithIp({ addresses: ['192.168.12.255/24'] }),
      ['ip.addresses[0] "192.168.12.255/24": must not be the broadcast address of its own network'],
    ],
    [
      'the anycast address',
      confWithIp({ addresses: ['2001:db8::/64'] }),
      ['ip.addresses[0] "2001:db8::/64": must not be the anycast address of its own network (all host bits zero)'],
    ],
    ['a loopback address', confWithIp({ addresses: ['127.0.0.2/8'] }), [`ip.addresses[0] "127.0.0.2/8": ${host}`]],
    ['an address of nobody', confWithIp({ addresses: ['0.0.0.0/24'] }), [`ip.addresses[0] "0.0.0.0/24": ${host}`]],
    ['a multicast address', confWithIp({ addresses: ['ff02::1/64'] }), [`ip.addresses[0] "ff02::1/64": ${host}`]],
    [
      'two addresses of one family',
      confWithIp({ addresses: ['192.168.12.99/24', '192.168.12.100/24'] }),
      ['ip.addresses[1] "192.168.12.100/24": is a second IPv4 address; only one IPv4 and one IPv6 is allowed'],
    ],
    [
      'the address as gateway',
      confWithIp({ gateway: '192.168.12.99' }),
      ['ip.gateway "192.168.12.99": must not be the reserved address itself'],
    ],
    [
      'a gateway outside',
      confWithIp({ gateway: '192.168.13.1' }),
      ['ip.gateway "192.168.13.1": must be an address of 192.168.12.0/24, the network of the reserved address'],
    ],
    [
      'a broadcast gateway',
      confWithIp({ gateway: '192.168.12.255' }),
      ['ip.gateway "192.168.12.255": must not be the network or broadcast address of 192.168.12.0/24'],
    ],
    [
      'a multicast gateway',
      confWithIp({ gateway: '224.0.0.1' }),
      ['ip.gateway "224.0.0.1": must be the IPv4 or IPv6 address of the gateway, such as "192.168.12.1"'],
    ],
    [
      'a gateway with a length',
      confWithIp({ gateway: '192.168.12.1/24' }),
      ['ip.gateway "192.168.12.1/24": must be the IPv4 or IPv6 address of the gateway, such as "192.168.12.1"'],
    ],
    [
      'a gateway of another family',
      confWithIp({ gateway: '2001:db8::1' }),
      ['ip.gateway "2001:db8::1": has no reserved IPv6 address beside it; add one, or remove this'],
    ],
    [
      'two gateways of one family',
      confWithIp({ gateway: '192.168.12.1,192.168.12.2' }),
      ['ip.gateway "192.168.12.2": is a second IPv4 gateway; only one IPv4 and one IPv6 is allowed'],
    ],
    [
      'a gateway of the wrong type',
      confWithIp({ gateway: 1 }),
      ['ip.gateway 1: must be an address, or for two families a list of them'],
    ],
    [
      'destinations of the wrong type',
      confWithIp({ destinations: '80 TCP 10.0.0.1' }),
      ['ip.destinations "80 TCP 10.0.0.1": must be a list of destinations'],
    ],
    [
      'a destination of the wrong type',
      confWithIp({ destinations: [['80 TCP 10.0.0.1']] }),
      [
        'ip.destinations[0] ["80 TCP 10.0.0.1"]: must be a text: "IP", "PORT PROTOCOL IP" or "PORT PROTOCOL IP TARGETPORT"',
      ],
    ],
    [
      'a bad destination',
      confWithIp({ destinations: ['', '99999 TCP 10.0.0.1'] }),
      ['ip.destinations[1] "99999 TCP 10.0.0.1": must begin with a port from 1 to 65535, not "99999"'],
    ],
    [
      'a port used twice',
      confWithIp({ destinations: ['80 TCP 10.0.0.1', '80 UDP 10.0.0.1', '80 tcp 10.0.0.2 81'] }),
      [
        'ip.destinations[2] "80 tcp 10.0.0.2 81": redirects IPv4 port 80/TCP a second time, after ip.destinations[0]; remove one of them',
      ],
    ],
    [
      'a destination of another family',
      confWithIp({ destinations: ['80 TCP 2001:db8::1'] }),
      ['ip.destinations[0] "80 TCP 2001:db8::1": needs a reserved IPv6 address to leave from; add one, or remove this'],
    ],
    [
      'a fallback of another family',
      confWithIp({ fallbackIP: '2001:db8::1' }),
      ['ip.fallbackIP "2001:db8::1": needs a reserved IPv6 address to leave from; add one, or remove this'],
    ],
    [
      'a bad fallback',
      confWithIp({ fallbackIP: 'all' }),
      ['ip.fallbackIP "all": needs an IPv4 or IPv6 address, not "all"'],
    ],
    [
      'two fallbacks',
      confWithIp({ destinations: ['10.0.0.1'], fallbackIP: '10.0.0.2' }),
      ['ip.fallbackIP "10.0.0.2": is a second IPv4 fallback, after ip.destinations[0]; remove one of them'],
    ],
    [
      'two bare addresses',
      confWithIp({ destinations: ['10.0.0.1', '10.0.0.2/24'] }),
      ['ip.destinations[1] "10.0.0.2/24": is a second IPv4 fallback, after ip.destinations[0]; remove one of them'],
    ],
    [
      'many things at once, each told',
      {
        name: 5,
        interfaceArgs: { mtu: '12', mode: 'none' },
        ip: { addresses: ['192.168.12.99/24'], gateway: '10.0.0.1', destinations: ['x', '80 TCP ::1'] },
        log_level: 'loud',
      },
      [
        'name 5: must be the name of the network',
        'ip.gateway "10.0.0.1": must be an address of 192.168.12.0/24, the network of the reserved address',
        'ip.destinations[0] "x": must be "IP", "PORT PROTOCOL IP" or "PORT PROTOCOL IP TARGETPORT"; needs an IPv4 or IPv6 address, not "x"',
        'ip.destinations[1] "80 TCP ::1": needs the address of a host that can be routed to, not "::1"',
        'interfaceArgs.mode "none": must be one of bridge, private, vepa, passthru',
        'interfaceArgs.mtu "12": must be at least 68',
        'log_level "loud": must be one of panic, error, verbose, debug',
      ],
    ],
    [
      'one bad address, without its consequences',
      confWithIp({ addresses: ['192.168.12.99'], gateway: '192.168.12.1', destinations: ['80 TCP 10.0.0.1'] }),
      ['ip.addresses[0] "192.168.12.99": must have the prefix length of its network, such as "192.168.12.99/24"'],
    ],
  ];
  for (const [name, conf, want] of cases) {
    it(`refuses ${name}`, () => assert.deepEqual(problemsOf(conf), want));
  }
});

describe('parseNetConf, on hostile input', () => {
  it('never throws, whatever the JSON', () => {
    fc.assert(fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => void parseNetConf(value)));
  });

  it('never throws when a right configuration has any JSON in any place', () => {
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
          for (const problem of problemsOf(conf)) assert.ok(problem.length < 400, problem);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('tells of long texts in few words', () => {
    const long = 'x'.repeat(10_000_000);
    const problems = problemsOf(
      confWith({ name: long, log_file: long, ip: { addresses: [long], gateway: long, destinations: [long] } }),
    );
    assert.equal(problems.length, 5);
    for (const problem of problems) assert.ok(problem.length < 300, problem);
  });

  it('stops collecting after 100 problems', () => {
    const destinations = new Array(1_000_000).fill(0);
    assert.equal(problemsOf(confWithIp({ destinations })).length, 100);
    assert.equal(problemsOf(confWithIp({ addresses: destinations })).length, 100);
  });

  it('reads 10,000 destinations in well under a second', () => {
    const destinations = Array.from({ length: 10_000 }, (_, index) => `${index + 1} TCP 203.0.113.26 80`);
    const start = performance.now();
    assert.equal(read(confWithIp({ destinations })).redirects.redirects.length, 10_000);
    assert.ok(performance.now() - start < 500);
  });
});
