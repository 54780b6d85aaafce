import assert from 'node:assert/strict';
import { confWith, confWithIp, problemsOfNetConf } from './samples.ts';

describe('parseNetConf with an invalid configuration', () => {
  const cases: readonly (readonly [name: string, conf: unknown, want: readonly string[]])[] = [
    ['no object', 7, ['(document) 7: must be an object: the network configuration']],
    ['a list', [], ['(document) []: must be an object: the network configuration']],
    [
      'nothing at all',
      {},
      [
        'name missing: must be the name of the network',
        'ip missing: is required unless "egressRouter" is set; a router needs a reserved address',
      ],
    ],
    [
      'a name with a slash',
      confWith({ name: '../x' }),
      ['name "../x": must be a network name: letters, digits, "_", "." and "-", starting with a letter or digit'],
    ],
    [
      'ip and egressRouter together',
      confWith({ egressRouter: { addresses: [{ ip: '192.168.12.99/24' }] } }),
      ['egressRouter {"addresses":[{"ip":"192.168.12.99/24"}]}: cannot be combined with "ip"; remove one of them'],
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
        'interfaceArgs.master "aaaaaaaaaaaaaaaa": must be the name of a network interface: at most 15 bytes, without "/", ":" or white space',
      ],
    ],
    [
      'a master that is a folder',
      confWith({ interfaceArgs: { master: '..' } }),
      [
        'interfaceArgs.master "..": must be the name of a network interface: at most 15 bytes, without "/", ":" or white space',
      ],
    ],
    [
      'a master with a slash',
      confWith({ interfaceArgs: { master: '../eth0' } }),
      [
        'interfaceArgs.master "../eth0": must be the name of a network interface: at most 15 bytes, without "/", ":" or white space',
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
      ['clusterNetworks[0] "10.0.0.0": must be a network with prefix length, such as "10.128.0.0/14"'],
    ],
    [
      'the whole world as cluster network',
      confWith({ clusterNetworks: ['0.0.0.0/0'] }),
      ['clusterNetworks[0] "0.0.0.0/0": must be a network with prefix length, such as "10.128.0.0/14"'],
    ],
    [
      'cluster networks of the wrong type',
      confWith({ clusterNetworks: '10.0.0.0/8' }),
      ['clusterNetworks "10.0.0.0/8": must be a list of networks'],
    ],
    [
      'a group MAC',
      confWith({ runtimeConfig: { mac: '01:00:5e:00:00:01' } }),
      ['runtimeConfig.mac "01:00:5e:00:00:01": must be a unicast MAC address such as "02:00:00:12:34:56"'],
    ],
    [
      'half a MAC',
      confWith({ args: { cni: { mac: '02:00:00' } } }),
      ['args.cni.mac "02:00:00": must be a unicast MAC address such as "02:00:00:12:34:56"'],
    ],
    ['args of the wrong type', confWith({ args: { cni: [] } }), ['args.cni []: must be an object']],
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
        'ip.gateway "10.0.0.1": must be an address in 192.168.12.0/24, the network of the reserved address',
        'ip.destinations[0] "x": must be "IP", "PORT PROTOCOL IP" or "PORT PROTOCOL IP TARGETPORT"; must contain an IPv4 or IPv6 address, not "x", or a fully qualified DNS name without a mask',
        'ip.destinations[1] "80 TCP ::1": must contain a routable unicast address, not "::1"',
        'interfaceArgs.mode "none": must be one of bridge, private, vepa, passthru',
        'interfaceArgs.mtu "12": must be at least 68',
        'log_level "loud": must be one of panic, error, verbose, debug',
      ],
    ],
    [
      'one bad address, without its consequences',
      confWithIp({ addresses: ['192.168.12.99'], gateway: '192.168.12.1', destinations: ['80 TCP 10.0.0.1'] }),
      ['ip.addresses[0] "192.168.12.99": must include the prefix length of its network, such as "192.168.12.99/24"'],
    ],
  ];
  for (const [name, conf, want] of cases) {
    it(`rejects ${name}`, () => assert.deepEqual(problemsOfNetConf(conf), want));
  }
});
