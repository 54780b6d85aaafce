import assert from 'node:assert/strict';
import fc from 'fast-check';
import { formatPrefix } from '../../../../src/base/model/address.ts';
import { formatProblem } from '../../../../src/base/model/problem.ts';
import { parseNetConf } from '../../../../src/egress/api/net-conf.ts';
import { toNetConfIp } from '../../../../src/egress/api/net-conf-ip.ts';
import { routers } from '../../arbitraries.ts';
import { clusterNetworkOperatorConf, documentedEgressRouter, parseEgressRouter } from './samples.ts';

const { spec } = documentedEgressRouter;

function problemsOf(input: unknown, path?: string): string[] {
  const parsed = parseEgressRouter(input, path);
  return parsed.ok ? [] : parsed.problems.map(formatProblem);
}

function confOf(egressRouter: unknown, more: object = {}): unknown {
  return { cniVersion: '1.1.0', name: 'net', egressRouter, ...more };
}

describe('parseEgressRouter', () => {
  it('parses the documented object into the configuration that the Cluster Network Operator writes', () => {
    const { fallbackIP: _, ...ip } = clusterNetworkOperatorConf.ip;
    assert.deepEqual(parseNetConf(confOf(documentedEgressRouter)), parseNetConf({ name: 'net', ip }));
  });

  it('parses the spec alone like the whole object', () => {
    const parsed = parseEgressRouter(spec);
    assert.ok(parsed.ok);
    assert.deepEqual(parsed, parseEgressRouter(documentedEgressRouter));
  });

  it('writes ip as the Cluster Network Operator does', () => {
    const parsed = parseEgressRouter({ ...spec, redirect: { ...spec.redirect, fallbackIP: '203.0.113.30' } });
    assert.ok(parsed.ok);
    assert.deepEqual(toNetConfIp(parsed.value), {
      ...clusterNetworkOperatorConf.ip,
      destinations: ['80 UDP 10.0.0.99', '8080 TCP 203.0.113.26 80', '8443 TCP 203.0.113.27 443'],
    });
  });

  it('takes interface settings from the resource first, then from interfaceArgs', () => {
    const macvlan = { mode: 'VEPA', master: 'eth1' };
    const parsed = parseNetConf(confOf({ ...spec, networkInterface: { macvlan } }, { interfaceArgs: { mtu: 1400 } }));
    assert.ok(parsed.ok);
    assert.deepEqual([parsed.value.kind.mode, parsed.value.master, parsed.value.mtu], ['vepa', 'eth1', 1400]);
    const other = parseNetConf(
      confOf({ addresses: spec.addresses }, { interfaceArgs: { mode: 'private', master: 'eth2' } }),
    );
    assert.ok(other.ok);
    assert.deepEqual([other.value.kind.mode, other.value.master], ['private', 'eth2']);
  });

  const cases: readonly (readonly [name: string, input: unknown, want: readonly string[]])[] = [
    ['no object', 'router', ['egressRouter "router": must be an EgressRouter or its spec']],
    ['an empty spec', {}, ['egressRouter.addresses missing: must be a list of objects with ip and gateway']],
    [
      'an object without spec',
      { kind: 'EgressRouter' },
      ['egressRouter.spec missing: must be an EgressRouter or its spec'],
    ],
    [
      'another resource',
      { ...documentedEgressRouter, kind: 'Route', apiVersion: 'v1' },
      [
        'egressRouter.apiVersion "v1": must be "network.operator.openshift.io/v1"',
        'egressRouter.kind "Route": must be "EgressRouter"',
      ],
    ],
    ['another mode', { ...spec, mode: 'DNSProxy' }, ['egressRouter.mode "DNSProxy": must be one of redirect']],
    [
      'no addresses',
      { addresses: [] },
      ['egressRouter.addresses []: must contain a reserved address such as "192.168.12.99/24"'],
    ],
    [
      'an address without ip',
      { addresses: [{ gateway: '192.168.12.1' }] },
      ['egressRouter.addresses[0].ip missing: must be an address such as "192.168.12.99/24"'],
    ],
    [
      'a gateway outside its network',
      { addresses: [{ ip: '192.168.12.99/24', gateway: '192.168.13.1' }] },
      [
        'egressRouter.addresses[0].gateway "192.168.13.1": must be an address in 192.168.12.0/24, the network of the reserved address',
      ],
    ],
    [
      'a gateway of the other family for an address without a network',
      { addresses: [{ ip: '192.168.12.99/32', gateway: '2001:db8::1' }] },
      ['egressRouter.addresses[0].gateway "2001:db8::1": must be an IPv4 address'],
    ],
    [
      'a gateway of the other family',
      { addresses: [{ ip: '192.168.12.99/24', gateway: 'fe80::1' }] },
      [
        'egressRouter.addresses[0].gateway "fe80::1": must be an address in 192.168.12.0/24, the network of the reserved address',
      ],
    ],
    [
      'two addresses of one family',
      { addresses: [{ ip: '192.168.12.99/24' }, { ip: '192.168.13.99/24' }] },
      [
        'egressRouter.addresses[1].ip "192.168.13.99/24": is a second IPv4 address; only one IPv4 and one IPv6 address is allowed',
      ],
    ],
    [
      'rules that are wrong in every field',
      {
        ...spec,
        redirect: {
          redirectRules: [{ destinationIP: 'x', port: 0, protocol: 'ICMP', targetPort: '80' }, { port: 1.5 }],
        },
      },
      [
        'egressRouter.redirect.redirectRules[0].port 0: must be a port from 1 to 65535',
        'egressRouter.redirect.redirectRules[0].targetPort "80": must be a port from 1 to 65535',
        'egressRouter.redirect.redirectRules[1].port 1.5: must be a port from 1 to 65535',
        'egressRouter.redirect.redirectRules[1].protocol missing: must be TCP, UDP or SCTP',
        'egressRouter.redirect.redirectRules[0].destinationIP "x": must contain an IPv4 or IPv6 address, not "x"',
        'egressRouter.redirect.redirectRules[0].protocol "ICMP": must be TCP, UDP or SCTP',
        'egressRouter.redirect.redirectRules[1].destinationIP missing: must be the IPv4 or IPv6 address of the destination, unless destinationName is set',
      ],
    ],
    [
      'a port used twice',
      {
        ...spec,
        redirect: { redirectRules: [0, 1].map(() => ({ destinationIP: '10.0.0.1', port: 80, protocol: 'TCP' })) },
      },
      [
        'egressRouter.redirect.redirectRules[1] {"destinationIP":"10.0.0.1","port":80,"protocol":"TCP"}: redirects IPv4 port 80/TCP again, after egressRouter.redirect.redirectRules[0]; remove one of them',
      ],
    ],
    [
      'a bad fallback',
      { ...spec, redirect: { fallbackIP: '10.0.0' } },
      [
        'egressRouter.redirect.fallbackIP "10.0.0": must contain an IPv4 or IPv6 address, not "10.0.0", or a fully qualified DNS name without a mask',
      ],
    ],
    [
      'a bad mode of macvlan',
      { ...spec, networkInterface: { macvlan: { mode: 'none' } } },
      ['egressRouter.networkInterface.macvlan.mode "none": must be one of bridge, private, vepa, passthru'],
    ],
  ];
  for (const [name, input, want] of cases) {
    it(`rejects ${name}`, () => assert.deepEqual(problemsOf(input, 'egressRouter'), want));
  }

  it('names the path inside the whole object', () => {
    const wrong = {
      ...documentedEgressRouter,
      spec: { ...spec, redirect: { redirectRules: [{ destinationIP: '10.0.0.1', port: 70000, protocol: 'TCP' }] } },
    };
    assert.deepEqual(problemsOf(wrong), ['spec.redirect.redirectRules[0].port 70000: must be a port from 1 to 65535']);
  });

  it('rejects interfaceArgs that contradict the resource', () => {
    const parsed = parseNetConf(
      confOf(
        { ...spec, networkInterface: { macvlan: { mode: 'Bridge', master: 'eth1' } } },
        { interfaceArgs: { mode: 'vepa', master: 'eth2' } },
      ),
    );
    assert.deepEqual(parsed.ok ? [] : parsed.problems.map(formatProblem), [
      'interfaceArgs.mode "vepa": differs from the EgressRouter\'s "bridge"; remove one of them',
      'interfaceArgs.master "eth2": differs from the EgressRouter\'s "eth1"; remove one of them',
    ]);
  });

  it('parses both configuration forms into the same router', () => {
    fc.assert(
      fc.property(routers, (router) => {
        const addresses = router.reserved.map(({ prefix, gateway }) => ({
          ip: formatPrefix(prefix),
          gateway: gateway?.text,
        }));
        const redirectRules = router.redirects.redirects.map(({ target, protocol, ...rest }) => ({
          destinationIP: target.text,
          protocol: protocol.toUpperCase(),
          ...rest,
        }));
        const fallbackIP = router.redirects.fallbacks.map(({ text }) => text).join(',');
        const written = { addresses, mode: 'Redirect', redirect: { redirectRules, fallbackIP } };
        const fromResource = parseNetConf(confOf(JSON.parse(JSON.stringify(written))));
        const fromIp = parseNetConf({ name: 'net', ip: toNetConfIp(router) });
        assert.ok(fromResource.ok, JSON.stringify(fromResource));
        assert.deepEqual(fromIp, fromResource);
        assert.deepEqual(fromResource.value.reserved, router.reserved);
        assert.deepEqual(fromResource.value.redirects, router.redirects);
      }),
    );
  });

  it('never throws for any JSON', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => void parseEgressRouter(value)));
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(spec)),
        fc.jsonValue(),
        (key, value) => void parseEgressRouter({ ...spec, [key]: value }),
      ),
    );
  });
});
