import assert from 'node:assert/strict';
import fc from 'fast-check';
import { formatPrefix } from '../../../../src/base/model/address.ts';
import { formatProblem } from '../../../../src/base/model/problem.ts';
import { parseRoute } from '../../../../src/ingress/route/route.ts';
import { documentedRoute, problemsOfRoute, readRequest, readRoute, writeRoute } from '../samples.ts';

function demandOf(input: unknown) {
  const { demand } = readRequest(input);
  if (!demand.ok) throw new Error(demand.problems.map(formatProblem).join('; '));
  return demand.value;
}

const portCure = 'must be a port from 1 to 65535';

describe('parseRoute', () => {
  it('parses the documented Route', () => {
    const route = readRoute(documentedRoute);
    assert.equal(route.routerName, 'wzh-router-1');
    assert.deepEqual(demandOf(documentedRoute), {
      ports: [{ protocol: 'tcp', port: 6620 }],
      limits: {},
      ignored: [],
      backends: [{ service: 'ottcache-002-service', weight: 100 }],
      targetPort: 6620,
      termination: 'passthrough',
    });
  });

  it('treats an object without a creation time as the youngest, and compares names of such objects', () => {
    const { created, uid } = readRoute(documentedRoute).meta;
    assert.deepEqual({ created, uid }, { created: Number.POSITIVE_INFINITY, uid: 'default/ottcache-002' });
  });

  it('parses a Route without a port', () => {
    assert.equal(readRoute({ ...documentedRoute, metadata: { name: 'web' } }).ports, undefined);
  });

  it('parses a port of each protocol', () => {
    const input = writeRoute({ annotations: { 'external-udp-port': '53000', 'external-sctp-port': '5000' } });
    assert.deepEqual(
      demandOf(input).ports.map(({ protocol, port }) => `${protocol} ${port}`),
      ['tcp 13306', 'udp 53000', 'sctp 5000'],
    );
  });

  it('parses every annotation that applies without HTTP', () => {
    const demand = demandOf(
      writeRoute({
        annotations: {
          balance: 'random',
          'rate-limit-connections': 'TRUE',
          'rate-limit-connections.concurrent-tcp': '5',
          'rate-limit-connections.rate-tcp': '100',
          timeout: '5s',
          'timeout-tunnel': '2h',
          ip_whitelist: '10.0.0.1 10.1.2.3/8  2001:db8::/32 10.0.0.0/8',
          'router.openshift.io/haproxy.health.check.interval': '750ms',
        },
      }),
    );
    assert.deepEqual(demand.limits, { concurrent: 5, rate: 100 });
    assert.deepEqual((demand.allowed ?? []).map(formatPrefix), ['10.0.0.0/8', '10.0.0.1/32', '2001:db8::/32']);
    assert.deepEqual([demand.balance, demand.idleTimeout, demand.checkInterval], ['random', 7_200_000, 750]);
    assert.deepEqual(demand.ignored, []);
  });

  it('lists annotations of routers without effect, including limits that are not enabled', () => {
    const annotations = {
      'rate-limit-connections.rate-tcp': '9',
      disable_cookies: 'true',
      'external-tcp-prot': '1',
      'router.openshift.io/cookie_name': 'x',
      'example.com/other': 'x',
    };
    const demand = demandOf(writeRoute({ annotations }));
    assert.deepEqual(demand.limits, {});
    assert.deepEqual(demand.ignored, [
      'haproxy.router.openshift.io/disable_cookies',
      'haproxy.router.openshift.io/external-tcp-prot',
      'haproxy.router.openshift.io/rate-limit-connections.rate-tcp',
      'router.openshift.io/cookie_name',
    ]);
  });

  const right: readonly (readonly [name: string, spec: object, want: object])[] = [
    [
      'weights',
      { to: { name: 'a', weight: 0 }, alternateBackends: [{ kind: 'Service', name: 'b', weight: 256 }] },
      {
        backends: [
          { service: 'a', weight: 0 },
          { service: 'b', weight: 256 },
        ],
      },
    ],
    ['a named port', { port: { targetPort: 'mysql' } }, { targetPort: 'mysql' }],
    ['no TLS', { tls: null }, {}],
    ['edge TLS', { tls: { termination: 'edge' } }, { termination: 'edge' }],
  ];
  for (const [name, spec, want] of right) {
    it(`parses ${name}`, () => {
      const demand = demandOf(writeRoute({ spec: spec as Record<string, unknown> }));
      assert.partialDeepStrictEqual(demand, want);
    });
  }

  const wrong: readonly (readonly [path: string, value: unknown, cure: string])[] = [
    ['spec.to', undefined, 'must be an object with kind and name'],
    ['spec.to.weight', 257, 'must be a weight from 0 to 256'],
    ['spec.to.weight', -1, 'must be a weight from 0 to 256'],
    ['spec.to.weight', 1.5, 'must be a weight from 0 to 256'],
    ['spec.to.name', 'a;b', 'must be the name of a Service'],
    ['spec.to.kind', 'Secret', 'must be "Service"'],
    ['spec.port.targetPort', 65536, 'must be the name of a port, or its number from 1 to 65535'],
    ['spec.port.targetPort', 'a\nb', 'must be the name of a port, or its number from 1 to 65535'],
    ['spec.tls.termination', 'sni', 'must be edge, reencrypt or passthrough'],
    ['spec.tls.termination', 'Passthrough', 'must be "passthrough", in lower case'],
    ['spec.host', 'a b', 'must be a host name'],
  ];
  for (const [path, value, cure] of wrong) {
    it(`rejects ${path} ${JSON.stringify(value)}`, () => {
      const input = writeRoute() as { spec: Record<string, unknown> };
      const [, key = '', inner] = path.split('.');
      input.spec[key] = inner === undefined ? value : { name: 'web', [inner]: value };
      const found = problemsOfRoute(input);
      const [problem = ''] = found;
      assert.equal(found.length, 1);
      assert.ok(problem.startsWith(`${path} `) && problem.endsWith(`: ${cure}`), problem);
    });
  }

  const hostile: readonly (readonly [name: string, value: unknown])[] = [
    ['a semicolon', '80; flush ruleset'],
    ['a line break', '80\n'],
    ['10 MB', '1'.repeat(10_000_000)],
    ['a negative number', '-5'],
    ['digits of another script', '１３３０６'],
    ['an empty text', ''],
    ['a number', 80],
    ['a list', ['80']],
    ['a right-to-left mark', '80\u200f'],
  ];
  const keys = ['external-tcp-port', 'external-udp-port', 'balance', 'timeout', 'timeout-tunnel', 'ip_allowlist'];
  const limitKeys = ['rate-limit-connections.concurrent-tcp', 'rate-limit-connections.rate-tcp'];
  for (const [name, value] of hostile) {
    it(`rejects ${name} in every annotation, with its name, in a short message`, () => {
      for (const key of [...keys, ...limitKeys, 'router.openshift.io/haproxy.health.check.interval']) {
        const full = key.includes('/') ? key : `haproxy.router.openshift.io/${key}`;
        const found = problemsOfRoute(writeRoute({ annotations: { 'rate-limit-connections': 'true', [key]: value } }));
        assert.equal(found.length, 1, key);
        const [problem = ''] = found;
        assert.ok(problem.startsWith(`metadata.annotations[${full}] `) && problem.length < 400, problem);
        assert.match(problem, /^[\x20-\x7e…１３０６]*$/);
      }
    });
  }

  it('explains the syntax of a port, a choice and an allow-list', () => {
    const annotations = { 'external-tcp-port': '0', balance: 'leastconn', ip_whitelist: '10.0.0.0/8 nobody' };
    assert.deepEqual(problemsOfRoute(writeRoute({ annotations })), [
      `metadata.annotations[haproxy.router.openshift.io/external-tcp-port] "0": ${portCure}`,
      'metadata.annotations[haproxy.router.openshift.io/balance] "leastconn": must be source, roundrobin or random, because ports do not count connections',
      'metadata.annotations[haproxy.router.openshift.io/ip_whitelist] "10.0.0.0/8 nobody": must be addresses and CIDRs separated by blanks, not "nobody"',
    ]);
  });

  it('treats a Route without a valid name as unreadable', () => {
    for (const name of [undefined, 'a/b', 'a\n', '', 5, 'x'.repeat(300)]) {
      const input = writeRoute() as { metadata: Record<string, unknown> };
      input.metadata.name = name;
      assert.equal(parseRoute(input).ok, false);
    }
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.anything(), (input) => void parseRoute(input)));
    fc.assert(
      fc.property(fc.anything(), fc.string(), fc.anything(), (annotation, key, spec) => {
        const route = writeRoute({ annotations: { [key]: annotation, balance: annotation } });
        parseRoute({ ...route, spec });
      }),
    );
  });
});
