import assert from 'node:assert/strict';
import fc from 'fast-check';
import { everySuffix, parseDnsName, parseSuffixes } from '../../../../src/egress/api/dns-name.ts';
import { parseEgressRouterPool } from '../../../../src/egress/api/egress-router.ts';
import { parseNetConf } from '../../../../src/egress/api/net-conf.ts';
import { toNetConfIp } from '../../../../src/egress/api/net-conf-ip.ts';
import { parseEgressRouter } from './samples.ts';

const addresses = ['192.168.12.99/24'];

function problemsOf(ip: object, allowedSuffixes?: readonly string[]): string[] {
  const parsed = parseNetConf({ name: 'net', ip: { addresses, ...ip } }, undefined, allowedSuffixes);
  return parsed.ok ? [] : parsed.problems.map(({ path, cure }) => `${path}: ${cure}`);
}

describe('DNS names as destinations', () => {
  it('reads names in destinations, in the fallback, and how addresses share connections', () => {
    const ip = {
      addresses,
      destinations: ['8443 TCP API.Partner.example. 443', '80 TCP 203.0.113.1', '53 UDP api.partner.example'],
      fallbackName: 'rest.partner.example',
      balance: 'source',
    };
    const parsed = parseNetConf({ name: 'net', ip });
    assert.ok(parsed.ok, JSON.stringify(parsed));
    const { redirects } = parsed.value;
    assert.deepEqual(redirects.named, [
      { protocol: 'tcp', port: 8443, name: 'api.partner.example', targets: [], targetPort: 443 },
      { protocol: 'udp', port: 53, name: 'api.partner.example', targets: [] },
    ]);
    assert.deepEqual(redirects.fallbackName, { name: 'rest.partner.example', targets: [] });
    assert.equal(redirects.sharing, 'source');
    const again = parseNetConf({ name: 'net', ip: toNetConfIp(parsed.value) });
    assert.deepEqual(again, parsed);
  });

  it('reads a name in the place of the fallback address, and alone in destinations', () => {
    for (const ip of [{ fallbackIP: 'rest.example' }, { destinations: ['rest.example'] }]) {
      const parsed = parseNetConf({ name: 'net', ip: { addresses, ...ip } });
      assert.deepEqual(parsed.ok && parsed.value.redirects.fallbackName, { name: 'rest.example', targets: [] });
    }
  });

  const wrong: readonly (readonly [what: string, ip: object, want: RegExp])[] = [
    [
      'a port that a name and an address share',
      { destinations: ['80 TCP a.example', '80 TCP 203.0.113.1'] },
      /^ip\.destinations\[1\]: redirects IPv4 port 80\/TCP again, after ip\.destinations\[0\]/,
    ],
    [
      'a port that two names share',
      { destinations: ['80 TCP a.example', '80 TCP b.example'] },
      /^ip\.destinations\[1\]: redirects port 80\/TCP again, after ip\.destinations\[0\]/,
    ],
    [
      'a fallback address besides a fallback name',
      { fallbackIP: '203.0.113.1', fallbackName: 'a.example' },
      /^ip\.fallbackName: is a second fallback, after ip\.fallbackIP/,
    ],
    ['an address as a name', { fallbackName: '203.0.113.1' }, /^ip\.fallbackName: must be a fully qualified DNS name/],
    ['a host of its own', { destinations: ['80 TCP db.localhost'] }, /must not name the router's own host/],
    ['a Service', { destinations: ['80 TCP db.shop.svc'] }, /must be a name outside the cluster, not below "svc"/],
    [
      'a Service by its full name',
      { fallbackName: 'db.shop.svc.cluster.local' },
      /^ip\.fallbackName: must be a name outside the cluster, not below "cluster\.local"/,
    ],
    ['an unknown balance', { balance: 'leastconn' }, /^ip\.balance: must be one of roundrobin, source/],
  ];
  for (const [what, ip, want] of wrong) {
    it(`rejects ${what}`, () => {
      const problems = problemsOf(ip);
      assert.equal(problems.length, 1, problems.join('\n'));
      assert.match(problems[0] ?? '', want);
    });
  }

  it('accepts names inside the cluster that an administrator allows, and never those of the own host', () => {
    assert.deepEqual(
      problemsOf({ destinations: ['80 TCP db.shop.svc.cluster.local'] }, ['shop.svc.cluster.local']),
      [],
    );
    assert.equal(
      problemsOf({ destinations: ['80 TCP db.other.svc.cluster.local'] }, ['shop.svc.cluster.local']).length,
      1,
    );
    assert.equal(problemsOf({ destinations: ['80 TCP notshop.svc'] }, ['shop.svc']).length, 1);
    assert.equal(problemsOf({ destinations: ['80 TCP a.localhost'] }, everySuffix).length, 1);
    assert.deepEqual(parseSuffixes(' Shop.svc , cluster.local'), ['shop.svc', 'cluster.local']);
    assert.equal(parseSuffixes('*.svc'), undefined);
  });

  const spec = { addresses: [{ ip: addresses[0] }] };

  it('reads destinationName and fallbackName of an EgressRouter', () => {
    const parsed = parseEgressRouter({
      ...spec,
      redirect: {
        redirectRules: [
          { destinationName: 'api.partner.example', destinationIP: '', port: 8443, protocol: 'TCP', targetPort: 443 },
          { destinationIP: '203.0.113.1', port: 80, protocol: 'TCP' },
        ],
        fallbackName: 'rest.partner.example',
        balance: 'Source',
      },
    });
    assert.ok(parsed.ok, JSON.stringify(parsed));
    assert.deepEqual(toNetConfIp(parsed.value), {
      addresses,
      destinations: ['80 TCP 203.0.113.1', '8443 TCP api.partner.example 443'],
      fallbackName: 'rest.partner.example',
      balance: 'source',
    });
  });

  it('requires exactly one of destinationIP and destinationName', () => {
    const rule = { port: 80, protocol: 'TCP' };
    const redirectRules = [{ ...rule, destinationIP: '203.0.113.1', destinationName: 'a.example' }, rule];
    const parsed = parseEgressRouter({ ...spec, redirect: { redirectRules } });
    assert.deepEqual(!parsed.ok && parsed.problems.map(({ path, cure }) => `${path}: ${cure}`), [
      'redirect.redirectRules[0].destinationName: cannot be combined with destinationIP; remove one of them',
      'redirect.redirectRules[1].destinationIP: must be the IPv4 or IPv6 address of the destination, unless destinationName is set',
    ]);
  });

  it('reads destinations of an annotation, where the CRD is that of OpenShift', () => {
    const annotations = {
      'egress-router.io/destinations': '8443 TCP api.partner.example 443\n# the rest\nrest.example\n',
    };
    const redirect = { redirectRules: [{ destinationIP: '203.0.113.1', port: 80, protocol: 'TCP' }] };
    const whole = parseEgressRouter({ kind: 'EgressRouter', metadata: { annotations }, spec: { ...spec, redirect } });
    assert.ok(whole.ok, JSON.stringify(whole));
    assert.deepEqual(toNetConfIp(whole.value).destinations, ['80 TCP 203.0.113.1', '8443 TCP api.partner.example 443']);
    assert.equal(toNetConfIp(whole.value).fallbackName, 'rest.example');
    const pool = parseEgressRouterPool({ ...spec, redirect }, 'spec', { annotations });
    assert.deepEqual(pool.ok && pool.value[0]?.redirects, whole.value.redirects);
    const clash = { 'egress-router.io/destinations': '80 TCP api.partner.example' };
    const bad = parseEgressRouterPool({ ...spec, redirect }, 'spec', { annotations: clash });
    assert.equal(!bad.ok && bad.problems[0]?.path, 'metadata.annotations["egress-router.io/destinations"][0]');
  });

  it('parses every name to itself', () => {
    fc.assert(
      fc.property(fc.domain(), (domain) => {
        const name = parseDnsName(domain);
        if (name !== undefined) assert.equal(parseDnsName(`${name}.`), name);
      }),
    );
  });
});
