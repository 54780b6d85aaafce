import assert from 'node:assert/strict';
import { type Environment, OptionsError } from '../../../../src/base/daemon/reader.ts';
import { formatHelp, optionTable } from '../../../../src/ingress/agent/option-table.ts';
import { type AgentOptions, parseOptions } from '../../../../src/ingress/agent/options.ts';
import { metricsTls } from '../../../../src/ingress/operator/tls-profile.ts';
import { isSelected } from '../../../../src/ingress/route/selection.ts';

function parse(args: readonly string[], environment: Environment = {}): AgentOptions {
  const options = parseOptions(args, environment);
  if (options === undefined) throw new Error('Help was not asked for');
  return options;
}

function problemsOf(args: readonly string[], environment: Environment = {}): readonly string[] {
  try {
    parseOptions(args, environment);
    return [];
  } catch (error) {
    if (error instanceof OptionsError) return error.message.split('\n');
    throw error;
  }
}

const meta = { namespace: 'shop', name: 'web', uid: '1', labels: {}, created: 0 };

describe('parseOptions', () => {
  it('has a default for every option', () => {
    const { ports, identity, stats, cleanupOnExit } = parse([]);
    assert.deepEqual(ports.policy.allowedPorts, [{ from: 1024, to: 29999 }]);
    assert.deepEqual(ports.policy.nodePorts, [{ from: 30000, to: 32767 }]);
    assert.deepEqual(ports.defaults, { balance: 'source' });
    assert.deepEqual([ports.name, ports.checkInterval, ports.syncInterval], ['ingress', 5000, 0]);
    assert.deepEqual(identity, { routerName: 'public', controllerName: 'egress-router.io/ingress-agent' });
    assert.deepEqual(stats, { address: '127.0.0.1', port: 1936 });
    assert.equal(cleanupOnExit, false);
  });

  const goTimes: readonly [variable: string, text: string, read: (options: AgentOptions) => unknown, want: unknown][] =
    [
      ['ROUTER_GRACEFUL_SHUTDOWN_DELAY', '1m30s', ({ http }) => http?.settings.shutdownDelay, 90_000],
      ['ROUTER_GRACEFUL_SHUTDOWN_DELAY', '0s', ({ http }) => http?.settings.shutdownDelay, 0],
      ['ROUTER_MAX_SHUTDOWN_TIMEOUT', '1h0m0s', ({ http }) => http?.settings.shutdownTimeout, 3_600_000],
      ['RELOAD_INTERVAL', '1.5s', ({ http }) => http?.settings.reloadInterval, 1500],
      ['RELOAD_INTERVAL', '0s', ({ http }) => http?.settings.reloadInterval, 1000],
      ['ROUTER_BACKEND_CHECK_INTERVAL', '1m0s', ({ ports }) => ports.checkInterval, 60_000],
      ['ROUTER_DEFAULT_TUNNEL_TIMEOUT', '1h0m0s', ({ ports }) => ports.defaults.idleTimeout, 3_600_000],
      ['ROUTER_DEFAULT_SERVER_TIMEOUT', '+250ms', ({ http }) => http?.settings.haproxy.timeouts.server, 250],
    ];
  for (const [variable, text, read, want] of goTimes) {
    it(`parses ${variable}=${text} like OpenShift's programs write it`, () => {
      const options = parse(['--http-port', '80', '--https-port', '443'], { [variable]: text });
      assert.deepEqual([read(options), options.warnings], [want, []]);
    });
  }

  const wrongVariables: readonly [
    variable: string,
    text: string,
    read: (options: AgentOptions) => unknown,
    want: unknown,
  ][] = [
    ['ROUTER_DEFAULT_SERVER_TIMEOUT', '0s', ({ http }) => http?.settings.haproxy.timeouts.server, 30_000],
    ['ROUTER_DEFAULT_CLIENT_TIMEOUT', 'soon', ({ http }) => http?.settings.haproxy.timeouts.client, 30_000],
    ['ROUTER_BACKEND_CHECK_INTERVAL', '-1s', ({ ports }) => ports.checkInterval, 5000],
    ['ROUTER_LOAD_BALANCE_ALGORITHM', 'fastest', ({ ports }) => ports.defaults.balance, 'source'],
    ['ROUTER_THREADS', 'all', ({ http }) => http?.settings.haproxy.process.threads, undefined],
    ['ROUTER_UPDATE_STATUS', 'yes', ({ updatesStatus }) => updatesStatus, true],
    ['ROUTER_STRICT_SNI', 'yes', ({ http }) => http?.settings.haproxy.tls.strictSni, false],
  ];
  for (const [variable, text, read, want] of wrongVariables) {
    it(`uses the default for ${variable}=${text} and warns, like OpenShift's router`, () => {
      const options = parse(['--http-port', '80', '--https-port', '443'], { [variable]: text });
      assert.deepEqual(read(options), want);
      assert.match(options.warnings.join(), new RegExp(`^${variable} "${text}": `));
    });
  }

  for (const text of ['1', 't', 'T', 'true', 'TRUE', 'True']) {
    it(`treats ${text} as true in every switch`, () => {
      const variables = ['ROUTER_STRICT_SNI', 'ROUTER_USE_PROXY_PROTOCOL', 'ROUTER_ALLOW_WILDCARD_ROUTES'];
      const { http, updatesStatus } = parse(['--http-port', '80', '--https-port', '443'], {
        ...Object.fromEntries(variables.map((variable) => [variable, text])),
        ROUTER_UPDATE_STATUS: text,
      });
      const { haproxy, hosts } = http?.settings ?? {};
      assert.deepEqual(
        [haproxy?.tls.strictSni, haproxy?.listen.proxyProtocol, hosts?.allowsWildcards, updatesStatus],
        [true, true, true, true],
      );
    });
  }

  it('rejects wildcards of Ingresses only if the variable is false', () => {
    const words = ['--http-port', '80', '--https-port', '443'];
    const read = (text: string | undefined, ...more: readonly string[]) =>
      parse([...words, ...more], text === undefined ? {} : { ROUTER_ALLOW_WILDCARD_ROUTES: text }).http?.settings.hosts
        .deniesWildcards;
    assert.deepEqual(
      [undefined, '', 'true', 'false', '0', 'no'].map((text) => read(text)),
      [false, false, false, true, true, false],
    );
    assert.equal(read('false', '--allow-wildcard-routes'), false);
  });

  it('serves statistics on all addresses if a password protects them, otherwise on the loopback address', () => {
    const password = { STATS_USERNAME: 'u', STATS_PASSWORD: 'p' };
    assert.match(parse([], password).stats?.address ?? '', /^(::|0\.0\.0\.0)$/);
    assert.equal(parse(['--stats-address', '127.0.0.1'], password).stats?.address, '127.0.0.1');
    assert.equal(parse([]).stats?.address, '127.0.0.1');
  });

  it('read the TLS settings of statistics as OpenShift’s operator writes them', () => {
    const files = { ROUTER_METRICS_TLS_CERT_FILE: '/c/tls.crt', ROUTER_METRICS_TLS_KEY_FILE: '/c/tls.key' };
    const read = (more: Readonly<Record<string, string>>) => parse([], { ...files, ...more }).stats?.tls;
    const plain = { certificateFile: '/c/tls.crt', keyFile: '/c/tls.key', minVersion: 'TLSv1.2' };
    assert.deepEqual(read({}), plain);
    assert.deepEqual(read(metricsTls), {
      ...plain,
      ciphers: [
        'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
        'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384',
        'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305',
      ].join(':'),
    });
    for (const [given, want] of [
      ['VersionTLS13', 'TLSv1.3'],
      ['TLSv1.3', 'TLSv1.3'],
      ['VersionTLS10', 'TLSv1.2'],
      ['TLSv1.1', 'TLSv1.2'],
      ['x', 'TLSv1.2'],
    ] as const) {
      assert.equal(read({ ROUTER_METRICS_TLS_MIN_VERSION: given })?.minVersion, want, given);
    }
    for (const [given, want] of [
      ['ECDHE-RSA-AES128-GCM-SHA256,NONE', 'ECDHE-RSA-AES128-GCM-SHA256'],
      ['TLS_RSA_WITH_AES_128_CBC_SHA', 'AES128-SHA'],
      ['TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256', 'ECDHE-RSA-AES128-SHA256'],
      ['NONE', undefined],
      ['@SECLEVEL=0', undefined],
    ] as const) {
      assert.equal(read({ ROUTER_METRICS_TLS_CIPHERS: given })?.ciphers, want, given);
    }
    assert.equal(parse([]).stats?.tls, undefined);
  });

  it('treats * in PROJECT_LABELS as every project, and accepts field conditions in ROUTE_FIELDS', () => {
    const { policy } = parse([], {
      PROJECT_LABELS: '*',
      ROUTE_FIELDS: 'metadata.namespace!=test,spec.path==/api',
    }).ports;
    assert.deepEqual(policy.namespaceLabels, []);
    const route = (path: string, namespace: string) => ({
      meta: { ...meta, namespace },
      fields: { 'spec.path': path },
    });
    const isFor = (path: string, namespace: string) => isSelected(route(path, namespace), policy, () => undefined);
    assert.deepEqual([isFor('/api', 'shop'), isFor('/api', 'test'), isFor('/', 'shop')], [true, false, false]);
    assert.match(problemsOf([], { ROUTE_FIELDS: 'spec.color=red' }).join(), /^ROUTE_FIELDS "spec.color=red": must be/);
  });

  it("reads the environment variables of OpenShift's router, and prefers flags", () => {
    const environment = {
      ROUTE_LABELS: 'a=b',
      NAMESPACE_LABELS: 'c',
      PROJECT_LABELS: '!d',
      ROUTER_ALLOWED_DOMAINS: 'A.com, b.org',
      ROUTER_DENIED_DOMAINS: 'x.a.com',
      ROUTER_SERVICE_NAME: 'edge',
      ROUTER_CANONICAL_HOSTNAME: 'r.example.com',
      ROUTER_TCP_BALANCE_SCHEME: 'roundrobin',
      ROUTER_DEFAULT_TUNNEL_TIMEOUT: '1h',
      ROUTER_BACKEND_CHECK_INTERVAL: '2s',
      RELOAD_INTERVAL: '5s',
      STATS_PORT: '9000',
      STATS_USERNAME: 'u',
      STATS_PASSWORD: 'p',
    };
    const { ports, identity, stats } = parse(['--stats-port', '9001', '--denied-domains', 'y.com'], environment);
    assert.deepEqual(ports.policy.allowedDomains, ['a.com', 'b.org']);
    assert.deepEqual(ports.policy.deniedDomains, ['y.com']);
    assert.equal(ports.policy.routeLabels.length, 1);
    assert.equal(ports.policy.namespaceLabels.length, 2);
    assert.deepEqual(ports.defaults, { balance: 'roundrobin', idleTimeout: 3_600_000 });
    assert.deepEqual([ports.checkInterval, ports.syncInterval], [2000, 0]);
    assert.deepEqual(identity, {
      routerName: 'edge',
      canonicalHostname: 'r.example.com',
      controllerName: 'egress-router.io/ingress-agent',
    });
    assert.deepEqual(stats && { ...stats, address: 'any' }, {
      address: 'any',
      port: 9001,
      credentials: { username: 'u', password: 'p' },
    });
  });

  it('keeps the default balance of TCP if only that of HTTP is leastconn', () => {
    assert.equal(parse([], { ROUTER_LOAD_BALANCE_ALGORITHM: 'leastconn' }).ports.defaults.balance, 'source');
  });

  const wrong: readonly (readonly [args: readonly string[], want: string])[] = [
    [
      ['--allowed-ports', '5-4'],
      '--allowed-ports "5-4": must be ports and ranges separated by commas, such as "1024-29999,31000"',
    ],
    [
      ['--route-labels', 'a in b'],
      '--route-labels "a in b": must be a label selector such as "app=web,tier!=test,zone in (a,b),!old"',
    ],
    [
      ['--allowed-domains', 'a b'],
      '--allowed-domains "a b": must be domains separated by commas, for example "a.com,b.org"',
    ],
    [
      ['--namespace-quota', 'ports=1,ports=2'],
      '--namespace-quota "ports=1,ports=2": must be like "ports=500,endpoints=10000", or one of the two',
    ],
    [
      ['--namespace-ports', 'a=1;a=2'],
      '--namespace-ports "a=1;a=2": must be like "team-a=20000-20999,443;team-b=21000"',
    ],
    [['--tcp-balance', 'leastconn'], '--tcp-balance "leastconn": must be source, roundrobin or random'],
    [['--stats-port', 'x'], '--stats-port "x": must be a port, or 0 to disable it'],
    [['--name', 'a;b'], '--name "a;b": must be at most 20 lower-case letters, digits and "-"'],
    [['--addresses', '10.0.0'], '--addresses "10.0.0": must be addresses separated by commas'],
    [['--log-level', 'loud'], '--log-level "loud": must be one of debug, info, warn, error'],
    [
      ['--hosts-only', '--listener-ports', '61000-61063'],
      '--listener-ports "61000-61063": listeners are not served with --hosts-only; remove it',
    ],
    [['--stats-username', 'u'], 'STATS_USERNAME and STATS_PASSWORD: must both be set, or neither'],
    [
      ['--stats-tls-key', '/x'],
      'ROUTER_METRICS_TLS_CERT_FILE and ROUTER_METRICS_TLS_KEY_FILE: must both be set, or neither',
    ],
    [['--stats-tls-min-version', 'SSLv3'], '--stats-tls-min-version "SSLv3": must be TLSv1.2 or TLSv1.3'],
  ];
  for (const [args, want] of wrong) {
    it(`rejects ${args.join(' ')}`, () => assert.deepEqual(problemsOf(args), [want]));
  }

  it('names the invalid variable, and every other error', () => {
    const found = problemsOf(['--name', '-'], { ROUTER_ALLOWED_DOMAINS: 'a b' });
    assert.deepEqual(
      found.map((line) => line.slice(0, line.indexOf(':'))),
      ['--name "-"', 'ROUTER_ALLOWED_DOMAINS "a b"'].sort(),
    );
  });

  it('rejects unknown flags and positional arguments', () => {
    assert.match(problemsOf(['--nonsense'])[0] ?? '', /--nonsense.*--help lists all options/);
    assert.match(problemsOf(['word'])[0] ?? '', /word/);
  });
});

describe('formatHelp', () => {
  it('lists every option with its default and its variable', () => {
    const help = formatHelp();
    assert.equal(parseOptions(['--help'], {}), undefined);
    for (const [name, { initial, variable }] of Object.entries(optionTable)) {
      const line = help.split('\n').find((each) => each.trim().split(' ', 1)[0] === `--${name}`) ?? '';
      assert.ok(line.includes(initial ?? '') && line.includes(variable ?? ''), name);
      assert.notEqual(line, '');
    }
  });
});
