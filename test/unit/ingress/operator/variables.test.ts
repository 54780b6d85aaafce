import assert from 'node:assert/strict';
import { OptionReader } from '../../../../src/base/daemon/reader.ts';
import { optionTable } from '../../../../src/ingress/agent/option-table.ts';
import { parseOptions } from '../../../../src/ingress/agent/options.ts';
import { unservedVariables } from '../../../../src/ingress/http/option-table.ts';
import { type SampleWords, variablesOf } from './samples.ts';

const http2 = 'ingress.operator.openshift.io/default-enable-http2';
const hardStop = 'ingress.operator.openshift.io/hard-stop-after';

/** Variables that a spec adds or changes; undefined: absent. */
interface Row {
  readonly name: string;
  readonly spec: object;
  readonly words?: SampleWords;
  readonly want: Readonly<Record<string, string | undefined>>;
}

const access = (more: object, destination: object = { type: 'Container' }) => ({
  logging: { access: { destination, ...more } },
});
const tuning = (more: object) => ({ tuningOptions: more });
const custom = (more: object) => ({ tlsSecurityProfile: { type: 'Custom', custom: more } });
const actions = (request: readonly object[]) => ({ httpHeaders: { actions: { request } } });

const intermediate =
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305';
const suites = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';
const groups = 'X25519:secp256r1:secp384r1';

/** All variables of an object without fields. */
const usual = {
  DEFAULT_CERTIFICATE_DIR: '/etc/pki/tls/private',
  DEFAULT_DESTINATION_CA_PATH: '/var/run/configmaps/service-ca/service-ca.crt',
  RELOAD_INTERVAL: '5s',
  ROUTER_ALLOW_WILDCARD_ROUTES: 'false',
  ROUTER_CANONICAL_HOSTNAME: 'router-default.apps.example.com',
  ROUTER_CIPHERS: intermediate,
  ROUTER_CIPHERSUITES: suites,
  ROUTER_CURVES: groups,
  ROUTER_DISABLE_HTTP2: 'true',
  ROUTER_DISABLE_NAMESPACE_OWNERSHIP_CHECK: 'false',
  ROUTER_DOMAIN: 'apps.example.com',
  ROUTER_ENABLE_EXTERNAL_CERTIFICATE: 'true',
  ROUTER_IDLE_CLOSE_ON_RESPONSE: 'false',
  ROUTER_LOAD_BALANCE_ALGORITHM: 'random',
  ROUTER_METRICS_TYPE: 'haproxy',
  ROUTER_METRICS_TLS_CERT_FILE: '/etc/pki/tls/metrics-certs/tls.crt',
  ROUTER_METRICS_TLS_KEY_FILE: '/etc/pki/tls/metrics-certs/tls.key',
  ROUTER_METRICS_TLS_CIPHERS:
    'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256:TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
  ROUTER_METRICS_TLS_MIN_VERSION: 'VersionTLS12',
  ROUTER_SERVICE_HTTPS_PORT: '443',
  ROUTER_SERVICE_HTTP_PORT: '80',
  ROUTER_SERVICE_NAME: 'default',
  ROUTER_SERVICE_NAMESPACE: 'openshift-ingress',
  ROUTER_SET_FORWARDED_HEADERS: 'append',
  ROUTER_TCP_BALANCE_SCHEME: 'source',
  ROUTER_THREADS: '4',
  SSL_MIN_VERSION: 'TLSv1.2',
  STATS_PASSWORD_FILE: '/var/lib/haproxy/conf/metrics-auth/statsPassword',
  STATS_PORT: '1936',
  STATS_USERNAME_FILE: '/var/lib/haproxy/conf/metrics-auth/statsUsername',
};

const rows: readonly Row[] = [
  {
    name: 'domain',
    spec: { domain: 'shop.test' },
    want: { ROUTER_DOMAIN: 'shop.test', ROUTER_CANONICAL_HOSTNAME: 'router-default.shop.test' },
  },
  {
    name: 'namespaceSelector and routeSelector, sorted as Go prints them',
    spec: {
      namespaceSelector: {
        matchLabels: { team: 'a', zone: 'z' },
        matchExpressions: [
          { key: 'env', operator: 'In', values: ['test', 'prod', 'test'] },
          { key: 'age', operator: 'NotIn', values: ['old'] },
        ],
      },
      routeSelector: {
        matchExpressions: [
          { key: 'b', operator: 'DoesNotExist' },
          { key: 'a', operator: 'Exists' },
        ],
      },
    },
    want: { NAMESPACE_LABELS: 'age notin (old),env in (prod,test),team=a,zone=z', ROUTE_LABELS: 'a,!b' },
  },
  {
    name: 'empty selectors',
    spec: { namespaceSelector: {}, routeSelector: {} },
    want: { NAMESPACE_LABELS: '', ROUTE_LABELS: '' },
  },
  {
    name: 'the profile Old, with TLS 1.1 for 1.0',
    spec: { tlsSecurityProfile: { type: 'Old', old: {} } },
    want: {
      ROUTER_CIPHERS: `${intermediate}:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA:DES-CBC3-SHA`,
      SSL_MIN_VERSION: 'TLSv1.1',
    },
  },
  {
    name: 'the profile Modern, without ciphers for TLS 1.2',
    spec: { tlsSecurityProfile: { type: 'Modern', modern: {} } },
    want: { ROUTER_CIPHERS: '', SSL_MIN_VERSION: 'TLSv1.3' },
  },
  {
    name: 'a custom profile without TLS 1.3 cipher suites',
    spec: custom({ ciphers: ['ECDHE-RSA-AES128-GCM-SHA256', '!aNULL'], minTLSVersion: 'VersionTLS11' }),
    want: {
      ROUTER_CIPHERS: 'ECDHE-RSA-AES128-GCM-SHA256:!aNULL',
      ROUTER_CIPHERSUITES: undefined,
      ROUTER_CURVES: `${groups}:secp521r1`,
      SSL_MIN_VERSION: 'TLSv1.1',
    },
  },
  {
    name: 'a custom profile, without groups that HAProxy does not support',
    spec: custom({
      ciphers: ['TLS_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
      groups: ['X25519MLKEM768', 'SecP256r1MLKEM768', 'secp521r1'],
      minTLSVersion: 'VersionTLS12',
    }),
    want: {
      ROUTER_CIPHERS: 'ECDHE-RSA-AES128-GCM-SHA256',
      ROUTER_CIPHERSUITES: 'TLS_AES_128_GCM_SHA256',
      ROUTER_CURVES: 'secp521r1',
    },
  },
  {
    name: 'clientTLS with patterns',
    spec: {
      clientTLS: {
        clientCertificatePolicy: 'Required',
        clientCA: { name: 'clients' },
        allowedSubjectPatterns: ['^/CN=a', '(?i)ou=b$'],
      },
    },
    want: {
      ROUTER_MUTUAL_TLS_AUTH: 'required',
      ROUTER_MUTUAL_TLS_AUTH_CA: '/etc/pki/tls/client-ca/ca-bundle.pem',
      ROUTER_MUTUAL_TLS_AUTH_FILTER: '(?:^/CN=a|(?i)ou=b$)',
    },
  },
  {
    name: 'clientTLS Optional',
    spec: { clientTLS: { clientCertificatePolicy: 'Optional', clientCA: { name: 'clients' } } },
    want: {
      ROUTER_MUTUAL_TLS_AUTH: 'optional',
      ROUTER_MUTUAL_TLS_AUTH_CA: '/etc/pki/tls/client-ca/ca-bundle.pem',
    },
  },
  {
    name: 'clientTLS without a policy',
    spec: { clientTLS: { clientCertificatePolicy: '', clientCA: { name: '' } } },
    want: {},
  },
  {
    name: 'routeAdmission',
    spec: { routeAdmission: { namespaceOwnership: 'InterNamespaceAllowed', wildcardPolicy: 'WildcardsAllowed' } },
    want: { ROUTER_DISABLE_NAMESPACE_OWNERSHIP_CHECK: 'true', ROUTER_ALLOW_WILDCARD_ROUTES: 'true' },
  },
  {
    name: 'logging to a container without its object',
    spec: access({}),
    want: { ROUTER_LOG_LEVEL: 'info', ROUTER_SYSLOG_ADDRESS: 'stdout' },
  },
  {
    name: 'logging to a container with its object',
    spec: access({}, { type: 'Container', container: {} }),
    want: { ROUTER_LOG_LEVEL: 'info', ROUTER_SYSLOG_ADDRESS: 'stdout', ROUTER_LOG_MAX_LENGTH: '1024' },
  },
  {
    name: 'logging to syslog',
    spec: access(
      { logEmptyRequests: 'Ignore' },
      { type: 'Syslog', syslog: { address: '192.0.2.1', port: 514, facility: 'local3', maxLength: 4096 } },
    ),
    want: {
      ROUTER_LOG_LEVEL: 'info',
      ROUTER_SYSLOG_ADDRESS: '192.0.2.1:514',
      ROUTER_LOG_FACILITY: 'local3',
      ROUTER_LOG_MAX_LENGTH: '4096',
      ROUTER_DONT_LOG_NULL: 'true',
    },
  },
  {
    name: 'logging to syslog over IPv6',
    spec: access({}, { type: 'Syslog', syslog: { address: '2001:db8::1', port: 10514 } }),
    want: {
      ROUTER_LOG_LEVEL: 'info',
      ROUTER_SYSLOG_ADDRESS: '[2001:db8::1]:10514',
      ROUTER_LOG_MAX_LENGTH: '1024',
    },
  },
  {
    name: 'logging to syslog without its object',
    spec: access({ httpLogFormat: '%ci' }, { type: 'Syslog' }),
    want: {},
  },
  {
    name: 'httpLogFormat, quoted as Go does',
    spec: access({ httpLogFormat: '{"client":"%ci",\t"ü":"\\"}\u00a0' }),
    want: {
      ROUTER_LOG_LEVEL: 'info',
      ROUTER_SYSLOG_ADDRESS: 'stdout',
      ROUTER_SYSLOG_FORMAT: String.raw`"{\"client\":\"%ci\",\t\"ü\":\"\\\"}\u00a0"`,
    },
  },
  {
    name: 'captured headers and a cookie',
    spec: access({
      httpCaptureHeaders: {
        request: [
          { name: 'Host', maxLength: 15 },
          { name: 'Referer', maxLength: 7 },
        ],
        response: [{ name: 'Location', maxLength: 20 }],
      },
      httpCaptureCookies: [{ matchType: 'Exact', name: 'id', maxLength: 10 }],
    }),
    want: {
      ROUTER_LOG_LEVEL: 'info',
      ROUTER_SYSLOG_ADDRESS: 'stdout',
      ROUTER_CAPTURE_HTTP_REQUEST_HEADERS: 'Host:15,Referer:7',
      ROUTER_CAPTURE_HTTP_RESPONSE_HEADERS: 'Location:20',
      ROUTER_CAPTURE_HTTP_COOKIE: 'id=:10',
    },
  },
  {
    name: 'a cookie by its prefix, without a length',
    spec: access({ httpCaptureCookies: [{ matchType: 'Prefix', namePrefix: 'sess' }] }),
    want: { ROUTER_LOG_LEVEL: 'info', ROUTER_SYSLOG_ADDRESS: 'stdout', ROUTER_CAPTURE_HTTP_COOKIE: 'sess:256' },
  },
  ...(
    [
      ['Replace', 'replace'],
      ['IfNone', 'if-none'],
      ['Never', 'never'],
      ['Append', 'append'],
    ] as const
  ).map(([policy, value]) => ({
    name: `forwardedHeaderPolicy ${policy}`,
    spec: { httpHeaders: { forwardedHeaderPolicy: policy } },
    want: { ROUTER_SET_FORWARDED_HEADERS: value },
  })),
  {
    name: 'uniqueId with its default format',
    spec: { httpHeaders: { uniqueId: { name: 'X-Id' } } },
    want: {
      ROUTER_UNIQUE_ID_HEADER_NAME: 'X-Id',
      ROUTER_UNIQUE_ID_FORMAT: '"%{+X}o %ci:%cp_%fi:%fp_%Ts_%rt:%pid"',
    },
  },
  {
    name: 'uniqueId with a format',
    spec: { httpHeaders: { uniqueId: { name: 'X-Id', format: 'a"%rt' } } },
    want: { ROUTER_UNIQUE_ID_HEADER_NAME: 'X-Id', ROUTER_UNIQUE_ID_FORMAT: String.raw`"a\"%rt"` },
  },
  {
    name: 'headerNameCaseAdjustments',
    spec: { httpHeaders: { headerNameCaseAdjustments: ['Host', 'X-Foo'] } },
    want: { ROUTER_H1_CASE_ADJUST: 'Host,X-Foo' },
  },
  {
    name: 'header actions, URL-encoded as Go does',
    spec: actions([
      { name: 'X-A', action: { type: 'Set', set: { value: "a b,c:d%%(é)!'*~/+" } } },
      { name: "X'B", action: { type: 'Delete' } },
    ]),
    want: {
      ROUTER_HTTP_REQUEST_HEADERS: 'X-A:a+b%2Cc%3Ad%25%25%28%C3%A9%29%21%27%2A~%2F%2B:Set,X%27B:Delete',
    },
  },
  {
    name: 'actions of responses',
    spec: { httpHeaders: { actions: { response: [{ name: 'Server', action: { type: 'Delete' } }] } } },
    want: { ROUTER_HTTP_RESPONSE_HEADERS: 'Server:Delete' },
  },
  {
    name: 'httpEmptyRequestsPolicy',
    spec: { httpEmptyRequestsPolicy: 'Ignore' },
    want: { ROUTER_HTTP_IGNORE_PROBES: 'true' },
  },
  {
    name: 'httpCompression, with quotes where needed',
    spec: { httpCompression: { mimeTypes: ['text/html', 'text/css; charset="utf-8"', "image/x'y"] } },
    want: {
      ROUTER_ENABLE_COMPRESSION: 'true',
      ROUTER_COMPRESSION_MIME: String.raw`text/html "text/css; charset=\"utf-8\"" image/x\'y`,
    },
  },
  {
    name: 'httpErrorCodePages',
    spec: { httpErrorCodePages: { name: 'pages' } },
    want: {
      ROUTER_ERRORFILE_503: '/var/lib/haproxy/conf/error_code_pages/error-page-503.http',
      ROUTER_ERRORFILE_404: '/var/lib/haproxy/conf/error_code_pages/error-page-404.http',
    },
  },
  {
    name: 'idleConnectionTerminationPolicy',
    spec: { idleConnectionTerminationPolicy: 'Deferred' },
    want: { ROUTER_IDLE_CLOSE_ON_RESPONSE: 'true' },
  },
  {
    name: 'closedClientConnectionPolicy',
    spec: { closedClientConnectionPolicy: 'Abort' },
    want: { ROUTER_ABORT_ON_CLOSE: 'true' },
  },
  {
    name: 'all overrides',
    spec: {
      unsupportedConfigOverrides: {
        loadBalancingAlgorithm: 'leastconn',
        dynamicConfigManager: 'true',
        maxDynamicServers: '7',
        contStats: 'true',
        mutualTLSHeaderFilter: 'false',
      },
    },
    want: {
      ROUTER_LOAD_BALANCE_ALGORITHM: 'leastconn',
      ROUTER_HAPROXY_CONFIG_MANAGER: 'true',
      ROUTER_BLUEPRINT_ROUTE_POOL_SIZE: '0',
      ROUTER_MAX_DYNAMIC_SERVERS: '7',
      ROUTER_HAPROXY_CONTSTATS: 'true',
      ROUTER_MUTUAL_TLS_HEADER_FILTER: 'false',
    },
  },
  {
    name: 'overrides without effect',
    spec: {
      unsupportedConfigOverrides: {
        loadBalancingAlgorithm: 'roundrobin',
        dynamicConfigManager: 'yes',
        maxDynamicServers: '7',
        contStats: 'false',
        mutualTLSHeaderFilter: 'true',
      },
    },
    want: {},
  },
  {
    name: 'configurationManagement Dynamic',
    spec: tuning({ configurationManagement: 'Dynamic' }),
    want: {
      ROUTER_HAPROXY_CONFIG_MANAGER: 'true',
      ROUTER_BLUEPRINT_ROUTE_POOL_SIZE: '0',
      ROUTER_MAX_DYNAMIC_SERVERS: '1',
    },
  },
  {
    name: 'buffers and threads',
    spec: tuning({ headerBufferBytes: 65_536, headerBufferMaxRewriteBytes: 16_384, threadCount: 8 }),
    want: { ROUTER_BUF_SIZE: '65536', ROUTER_MAX_REWRITE_SIZE: '16384', ROUTER_THREADS: '8' },
  },
  { name: 'maxConnections -1', spec: tuning({ maxConnections: -1 }), want: { ROUTER_MAX_CONNECTIONS: 'auto' } },
  { name: 'maxConnections', spec: tuning({ maxConnections: 2000 }), want: { ROUTER_MAX_CONNECTIONS: '2000' } },
  { name: 'maxConnections 0', spec: tuning({ maxConnections: 0 }), want: {} },
  {
    name: 'timeouts, in the largest unit that fits',
    spec: tuning({
      clientTimeout: '300s',
      clientFinTimeout: '1500ms',
      serverTimeout: '1h',
      serverFinTimeout: '2s',
      tunnelTimeout: '90m',
      connectTimeout: '1m30s',
      httpKeepAliveTimeout: '15m',
      tlsInspectDelay: '1.5us',
      healthCheckInterval: '10s',
    }),
    want: {
      ROUTER_DEFAULT_CLIENT_TIMEOUT: '5m',
      ROUTER_CLIENT_FIN_TIMEOUT: '1500ms',
      ROUTER_DEFAULT_SERVER_TIMEOUT: '1h',
      ROUTER_DEFAULT_SERVER_FIN_TIMEOUT: '2s',
      ROUTER_DEFAULT_TUNNEL_TIMEOUT: '90m',
      ROUTER_DEFAULT_CONNECT_TIMEOUT: '90s',
      ROUTER_SLOWLORIS_HTTP_KEEPALIVE: '15m',
      ROUTER_INSPECT_DELAY: '1us',
      ROUTER_BACKEND_CHECK_INTERVAL: '10s',
    },
  },
  {
    name: 'timeouts of zero, and a health check below a second',
    spec: tuning({ clientTimeout: '0s', serverTimeout: '0', healthCheckInterval: '999ms' }),
    want: {},
  },
  {
    name: "a timeout above HAProxy's maximum",
    spec: tuning({ tunnelTimeout: '900h' }),
    want: { ROUTER_DEFAULT_TUNNEL_TIMEOUT: '2147483647ms' },
  },
  { name: 'reloadInterval', spec: tuning({ reloadInterval: '15s' }), want: { RELOAD_INTERVAL: '15s' } },
  { name: 'reloadInterval too short', spec: tuning({ reloadInterval: '1ms' }), want: { RELOAD_INTERVAL: '1s' } },
  { name: 'reloadInterval too long', spec: tuning({ reloadInterval: '1h' }), want: { RELOAD_INTERVAL: '2m' } },
  {
    name: 'the annotation for HTTP/2',
    spec: {},
    words: { annotations: { [http2]: 'true' } },
    want: { ROUTER_DISABLE_HTTP2: 'false' },
  },
  { name: 'an invalid annotation for HTTP/2', spec: {}, words: { annotations: { [http2]: 'yes' } }, want: {} },
  ...(
    [
      ['30m', '30m'],
      ['1h30m', '1h30m'],
      ['2d', '2d'],
      ['30d', '2147483647ms'],
      ['1000h', '2147483647ms'],
      ['soon', undefined],
      ['', undefined],
    ] as const
  ).map(([value, want]) => ({
    name: `the annotation for hard stops with "${value}"`,
    spec: {},
    words: { annotations: { [hardStop]: value } },
    want: { ROUTER_HARD_STOP_AFTER: want },
  })),
  {
    name: 'HostNetwork with ports and the PROXY protocol',
    spec: {
      endpointPublishingStrategy: {
        type: 'HostNetwork',
        hostNetwork: { protocol: 'PROXY', httpPort: 8080, httpsPort: 8443, statsPort: 9001 },
      },
    },
    want: {
      ROUTER_SERVICE_HTTP_PORT: '8080',
      ROUTER_SERVICE_HTTPS_PORT: '8443',
      STATS_PORT: '9001',
      ROUTER_USE_PROXY_PROTOCOL: 'true',
    },
  },
  ...(['NodePortService', 'Private'] as const).map((type) => ({
    name: `${type} with the PROXY protocol`,
    spec: {
      endpointPublishingStrategy: { type, [type === 'Private' ? 'private' : 'nodePort']: { protocol: 'PROXY' } },
    },
    want: {
      ROUTER_SERVICE_HTTP_PORT: undefined,
      ROUTER_SERVICE_HTTPS_PORT: undefined,
      ROUTER_USE_PROXY_PROTOCOL: 'true',
    },
  })),
  {
    name: 'LoadBalancerService',
    spec: { endpointPublishingStrategy: { type: 'LoadBalancerService' } },
    want: { ROUTER_SERVICE_HTTP_PORT: undefined, ROUTER_SERVICE_HTTPS_PORT: undefined },
  },
];

describe('Variables of an IngressController', () => {
  it('are those of OpenShift’s operator for an object without fields', () => {
    assert.deepEqual(variablesOf({}), usual);
  });

  for (const { name, spec, words, want } of rows) {
    it(`reflect ${name}, and nothing else changes`, () => {
      const expected = Object.entries({ ...usual, ...want }).filter(([, value]) => value !== undefined);
      assert.deepEqual(variablesOf(spec, words), Object.fromEntries(expected));
    });
  }

  it('have the families of the cluster’s network', () => {
    assert.equal(variablesOf({}, {}, 'v4v6').ROUTER_IP_V4_V6_MODE, 'v4v6');
    assert.equal(variablesOf({}, {}, 'v6').ROUTER_IP_V4_V6_MODE, 'v6');
  });

  it('are known to the agent, each of them', () => {
    const known = new Set<string>(Object.keys(unservedVariables));
    for (const { variable } of Object.values(optionTable)) if (variable !== undefined) known.add(variable);
    const written = rows.flatMap(({ spec, words }) => Object.keys(variablesOf(spec, words)));
    assert.deepEqual(
      [...new Set(written)].filter((name) => !known.has(name)),
      [],
    );
  });

  it('have values that the agent accepts without a warning', () => {
    // Files of these variables exist only in pods.
    const isFile = (name: string): boolean => /_FILE$|ERRORFILE|CA_PATH$|AUTH_CA$/.test(name);
    for (const { name, spec, words } of rows) {
      const variables = Object.entries(variablesOf(spec, words)).filter(([key]) => !isFile(key));
      const environment = Object.fromEntries(variables.filter(([key]) => key !== 'ROUTER_MUTUAL_TLS_AUTH'));
      const options = parseOptions(['--hosts-only', '--http-port=80', '--https-port=443'], environment);
      assert.deepEqual(options?.warnings, [], name);
      assert.ok(options?.http !== undefined, name);
      assert.equal(new OptionReader(optionTable, [], environment).problems.length, 0);
    }
  });
});
