import assert from 'node:assert/strict';
import { confWith, confWithIp, problemsOfNetConf } from './samples.ts';

describe('parseNetConf with an invalid ip section', () => {
  const address = 'must be an IPv4 or IPv6 address with prefix length, such as "192.168.12.99/24"';
  const host = 'must be a routable unicast address';
  const cases: readonly (readonly [name: string, conf: unknown, want: readonly string[]])[] = [
    [
      'ip of the wrong type',
      confWith({ ip: [] }),
      ['ip []: must be an object with addresses, gateway and destinations'],
    ],
    ['no addresses', confWithIp({ addresses: undefined }), ['ip.addresses missing: must be a list of addresses']],
    [
      'an empty list of addresses',
      confWithIp({ addresses: [] }),
      ['ip.addresses []: must contain a reserved address such as "192.168.12.99/24"'],
    ],
    [
      'an address of the wrong type',
      confWithIp({ addresses: [5] }),
      ['ip.addresses[0] 5: must be an address such as "192.168.12.99/24"'],
    ],
    [
      'an address without length',
      confWithIp({ addresses: ['192.168.12.99'] }),
      ['ip.addresses[0] "192.168.12.99": must include the prefix length of its network, such as "192.168.12.99/24"'],
    ],
    [
      'an IPv6 address without length',
      confWithIp({ addresses: ['2001:db8::9'] }),
      ['ip.addresses[0] "2001:db8::9": must include the prefix length of its network, such as "2001:db8::9/64"'],
    ],
    ['no address', confWithIp({ addresses: ['router/24'] }), [`ip.addresses[0] "router/24": ${address}`]],
    [
      'a length of zero',
      confWithIp({ addresses: ['192.168.12.99/0'] }),
      ['ip.addresses[0] "192.168.12.99/0": must have a prefix length from 1 to 32'],
    ],
    [
      'the network address',
      confWithIp({ addresses: ['192.168.12.0/24'] }),
      ['ip.addresses[0] "192.168.12.0/24": must be a host address, not the network address'],
    ],
    [
      'the broadcast address',
      confWithIp({ addresses: ['192.168.12.255/24'] }),
      ['ip.addresses[0] "192.168.12.255/24": must be a host address, not the broadcast address'],
    ],
    [
      'the anycast address',
      confWithIp({ addresses: ['2001:db8::/64'] }),
      [
        'ip.addresses[0] "2001:db8::/64": must be a host address, not the subnet-router anycast address (all host bits zero)',
      ],
    ],
    ['a loopback address', confWithIp({ addresses: ['127.0.0.2/8'] }), [`ip.addresses[0] "127.0.0.2/8": ${host}`]],
    ['an unspecified address', confWithIp({ addresses: ['0.0.0.0/24'] }), [`ip.addresses[0] "0.0.0.0/24": ${host}`]],
    ['a multicast address', confWithIp({ addresses: ['ff02::1/64'] }), [`ip.addresses[0] "ff02::1/64": ${host}`]],
    [
      'two addresses of one family',
      confWithIp({ addresses: ['192.168.12.99/24', '192.168.12.100/24'] }),
      ['ip.addresses[1] "192.168.12.100/24": is a second IPv4 address; only one IPv4 and one IPv6 address is allowed'],
    ],
    [
      'the address as gateway',
      confWithIp({ gateway: '192.168.12.99' }),
      ['ip.gateway "192.168.12.99": must differ from the reserved address'],
    ],
    [
      'a gateway outside',
      confWithIp({ gateway: '192.168.13.1' }),
      ['ip.gateway "192.168.13.1": must be an address in 192.168.12.0/24, the network of the reserved address'],
    ],
    [
      'a broadcast gateway',
      confWithIp({ gateway: '192.168.12.255' }),
      ['ip.gateway "192.168.12.255": must be a host address, not the network or broadcast address of 192.168.12.0/24'],
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
      ['ip.gateway "2001:db8::1": needs a reserved IPv6 address in the same network; add one or remove this gateway'],
    ],
    [
      'two gateways of one family',
      confWithIp({ gateway: '192.168.12.1,192.168.12.2' }),
      ['ip.gateway "192.168.12.2": is a second IPv4 gateway; only one IPv4 and one IPv6 gateway is allowed'],
    ],
    [
      'a gateway of the wrong type',
      confWithIp({ gateway: 1 }),
      ['ip.gateway 1: must be an address, or a list of one IPv4 and one IPv6 address'],
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
        'ip.destinations[0] ["80 TCP 10.0.0.1"]: must be a string: "IP", "PORT PROTOCOL IP" or "PORT PROTOCOL IP TARGETPORT"',
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
        'ip.destinations[2] "80 tcp 10.0.0.2 81": redirects IPv4 port 80/TCP again, after ip.destinations[0]; remove one of them',
      ],
    ],
    [
      'a destination of another family',
      confWithIp({ destinations: ['80 TCP 2001:db8::1'] }),
      [
        'ip.destinations[0] "80 TCP 2001:db8::1": needs a reserved IPv6 address as its source; add one or remove this destination',
      ],
    ],
    [
      'a fallback of another family',
      confWithIp({ fallbackIP: '2001:db8::1' }),
      ['ip.fallbackIP "2001:db8::1": needs a reserved IPv6 address as its source; add one or remove this destination'],
    ],
    [
      'a bad fallback',
      confWithIp({ fallbackIP: 'all' }),
      [
        'ip.fallbackIP "all": must contain an IPv4 or IPv6 address, not "all", or a fully qualified DNS name without a mask',
      ],
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
      'one bad address of two, without its consequences',
      confWithIp({
        addresses: ['192.168.12.99/24', '2001:db8::9'],
        gateway: '2001:db8::1',
        destinations: ['80 TCP 2001:db8:1::1'],
      }),
      ['ip.addresses[1] "2001:db8::9": must include the prefix length of its network, such as "2001:db8::9/64"'],
    ],
    [
      'three gateways',
      confWithIp({ gateway: ['192.168.12.1', '192.168.12.2', '192.168.12.3'] }),
      [
        'ip.gateway ["192.168.12.1","192.168.12.2","192.168.12.3"]: must be an address, or a list of one IPv4 and one IPv6 address',
      ],
    ],
    [
      'a list of no texts',
      confWithIp({ fallbackIP: [1] }),
      ['ip.fallbackIP [1]: must be an address, or a list of one IPv4 and one IPv6 address'],
    ],
    [
      'a comma too many',
      confWithIp({ gateway: '192.168.12.1,' }),
      ['ip.gateway "": must be the IPv4 or IPv6 address of the gateway, such as "192.168.12.1"'],
    ],
  ];
  for (const [name, conf, want] of cases) {
    it(`rejects ${name}`, () => assert.deepEqual(problemsOfNetConf(conf), want));
  }
});
