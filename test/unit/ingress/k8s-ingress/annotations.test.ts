import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readIngressAnnotations } from '../../../../src/ingress/k8s-ingress/annotations.ts';
import type { Finding, IngressSettings } from '../../../../src/ingress/k8s-ingress/settings.ts';

const prefix = 'nginx.ingress.kubernetes.io/';

function read(annotations: Readonly<Record<string, string>>) {
  return readIngressAnnotations(
    Object.fromEntries(Object.entries(annotations).map(([name, value]) => [`${prefix}${name}`, value])),
    'shop',
  );
}

function findingOf(name: string, value: string): Finding | undefined {
  return read({ [name]: value }).findings.find(({ subject }) => subject === `${prefix}${name}`);
}

describe('Annotations of ingress-nginx', () => {
  const defaults = read({}).settings;

  const settings: readonly (readonly [
    annotations: Readonly<Record<string, string>>,
    want: Partial<IngressSettings>,
  ])[] = [
    [{ 'rewrite-target': '/new' }, { rewriteTarget: '/new', usesRegex: true }],
    [{ 'rewrite-target': 'new' }, { rewriteTarget: '/new', usesRegex: true }],
    [{ 'ssl-redirect': 'false' }, { httpsRedirect: 'never' }],
    [{ 'ssl-redirect': 'no' }, {}],
    [{ 'force-ssl-redirect': 'true', 'ssl-redirect': 'false' }, { httpsRedirect: 'always' }],
    [
      { 'permanent-redirect': 'https://a.example:8443/x', 'permanent-redirect-code': '308' },
      { redirect: { location: { scheme: 'https', host: 'a.example', port: 8443, path: '/x' }, status: 308 } },
    ],
    [
      { 'permanent-redirect': 'https://a.example', 'temporal-redirect': '/maintenance' },
      { redirect: { location: { path: '/maintenance' }, status: 302 } },
    ],
    [
      { 'temporal-redirect': 'https://a.example$request_uri', 'temporal-redirect-code': '307' },
      { redirect: { location: { scheme: 'https', host: 'a.example' }, status: 307 } },
    ],
    [{ 'app-root': '/app' }, { appRoot: '/app' }],
    [{ 'app-root': 'app' }, {}],
    [{ 'server-alias': 'B.test, ~^c, *.d.test' }, { aliases: ['b.test', '*.d.test'] }],
    [{ 'upstream-vhost': 'inside.example:8080' }, { upstreamHost: 'inside.example:8080' }],
    [{ 'whitelist-source-range': '10.1.2.3/8,2001:db8::/32' }, { allowed: ['10.0.0.0/8', '2001:db8::/32'] }],
    [{ 'whitelist-source-range': '10.0.0.0/8', 'allowlist-source-range': '192.0.2.1' }, { allowed: ['192.0.2.1/32'] }],
    [{ 'denylist-source-range': '192.0.2.1' }, { denied: ['192.0.2.1/32'] }],
    [{ 'limit-rps': '5', 'limit-connections': '3' }, { limits: { concurrent: 3, rate: 50 } }],
    [{ 'limit-rps': '5', 'limit-rpm': '60' }, { limits: { rate: 10 } }],
    [{ 'limit-rps': '0' }, {}],
    [{ affinity: 'cookie', 'session-cookie-expires': '60' }, { cookie: { name: 'INGRESSCOOKIE', maxAge: 60 } }],
    [
      { affinity: 'cookie', 'session-cookie-expires': '60', 'session-cookie-max-age': '90' },
      { cookie: { name: 'INGRESSCOOKIE', maxAge: 90 } },
    ],
    [{ affinity: 'cookie', 'session-cookie-path': '/a;b' }, { cookie: { name: 'INGRESSCOOKIE', path: '/a;b' } }],
    [{ 'session-cookie-name': 'a' }, {}],
    [{ 'backend-protocol': 'grpcs' }, { protocol: 'grpcs' }],
    [{ 'load-balance': 'ewma' }, { balance: 'leastconn' }],
    [{ 'upstream-hash-by': '$binary_remote_addr', 'load-balance': 'ewma' }, { balance: 'source' }],
    [{ 'proxy-read-timeout': '30', 'proxy-send-timeout': '90' }, { serverTimeout: 90_000 }],
    [{ 'proxy-read-timeout': '30s' }, {}],
    [{ 'proxy-body-size': '8m' }, { bodySize: 8_388_608 }],
    [{ 'proxy-body-size': '0' }, {}],
    [{ canary: 'true', 'canary-weight': '30' }, { canary: { weight: 30, total: 100 } }],
    [{ canary: 'true', 'canary-weight': '900', 'canary-weight-total': '500' }, { canary: { weight: 500, total: 500 } }],
    [{ 'canary-weight': '30' }, {}],
  ];
  for (const [annotations, want] of settings) {
    it(`${JSON.stringify(annotations)} request ${JSON.stringify(want)}`, () => {
      const expected = { ...defaults, ...want };
      // A path with a semicolon would end the attribute.
      if (want.cookie?.path?.includes(';')) delete (expected.cookie as { path?: string }).path;
      assert.deepEqual(read(annotations).settings, expected);
    });
  }

  const outcomes: readonly (readonly [name: string, value: string, outcome: Finding['outcome'], message?: RegExp])[] = [
    ['rewrite-target', '/a', 'works'],
    ['rewrite-target', '/a b', 'closed', /without blanks/],
    ['permanent-redirect', 'https://$host/x', 'closed', /without nginx variables/],
    ['permanent-redirect', 'javascript:alert(1)', 'closed'],
    ['permanent-redirect-code', '304', 'refused', /301 is used/],
    ['whitelist-source-range', '', 'closed', /must contain an address/],
    ['whitelist-source-range', '10.0.0.0/8;192.0.2.1', 'closed', /separated by commas/],
    ['denylist-source-range', 'x', 'closed'],
    ['auth-type', 'basic', 'closed', /needs auth-secret/],
    ['auth-type', 'digest', 'closed', /digest authentication is not supported/],
    ['auth-secret', 'users', 'ignored', /no effect without auth-type/],
    ['auth-tls-verify-client', 'off', 'works'],
    ['auth-tls-verify-client', 'on', 'closed', /needs auth-tls-secret, a Secret with ca\.crt/],
    ['auth-tls-match-cn', 'CN=bob', 'closed', /needs auth-tls-secret/],
    ['auth-tls-verify-depth', '1', 'ignored', /no effect without auth-tls-secret/],
    ['auth-tls-secret', 'rest/ca', 'closed', /must be a Secret of the namespace of the Ingress/],
    ['auth-tls-secret', 'a/b/c', 'closed', /must be NAMESPACE\/NAME of a Secret/],
    ['enable-modsecurity', 'false', 'works'],
    ['satisfy', 'any', 'differs'],
    ['backend-protocol', 'FCGI', 'closed'],
    ['proxy-next-upstream', 'off', 'works'],
    ['proxy-next-upstream', 'error timeout', 'refused'],
    ['proxy-buffer-size', '8k', 'ignored'],
    ['upstream-vhost', '$host', 'closed', /without nginx variables/],
    ['no-such', 'x', 'ignored', /is unknown/],
    ['mirror-target', 'http://copy.shop.svc/$request_uri', 'works'],
    ['mirror-target', 'http://copy.other.svc/$request_uri', 'refused', /of the namespace/],
    ['mirror-target', 'http://copy.shop/$request_uri', 'refused'],
    ['mirror-target', 'http://10.0.0.1/$request_uri', 'refused'],
    ['mirror-target', 'http://copy@evil/$request_uri', 'refused'],
    ['mirror-target', 'http://copy:99999/$request_uri', 'refused'],
    ['mirror-target', 'http://copy/other', 'refused'],
    ['mirror-host', 'a.example', 'ignored'],
    ['auth-tpye', 'basic', 'closed', /may restrict access/],
    ['some-new-snippet', 'x', 'closed'],
  ];
  for (const [name, value, outcome, message = /(?:)/] of outcomes) {
    it(`${name}: ${JSON.stringify(value)} ${outcome === 'works' ? 'works' : `is ${outcome}`}`, () => {
      const finding = findingOf(name, value);
      assert.ok(finding);
      assert.equal(finding.outcome, outcome, finding.message);
      assert.match(finding.message, message);
    });
  }

  const logins: readonly (readonly [annotations: Readonly<Record<string, string>>, want: unknown])[] = [
    [{ 'auth-secret': 'users' }, { secret: 'shop/users', format: 'file', realm: 'Authentication Required' }],
    [
      { 'auth-secret': 'shop/users', 'auth-secret-type': 'auth-map', 'auth-realm': "The shop's door" },
      { secret: 'shop/users', format: 'map', realm: "The shop's door" },
    ],
    [
      { 'auth-secret': 'users', 'auth-realm': 'A "door"' },
      { secret: 'shop/users', format: 'file', realm: 'Authentication Required' },
    ],
    [{ 'auth-secret': 'other/users' }, undefined],
    [{ 'auth-secret': 'shop/a/b' }, undefined],
    [{ 'auth-secret': '' }, undefined],
  ];
  for (const [annotations, want] of logins) {
    it(`auth-type with ${JSON.stringify(annotations)} requests ${JSON.stringify(want)}`, () => {
      const { settings, findings } = read({ 'auth-type': 'basic', ...annotations });
      assert.deepEqual(settings.login, want);
      assert.equal(
        findings.some(({ outcome }) => outcome === 'closed'),
        want === undefined,
      );
    });
  }

  it('of an unknown format of users close all paths', () => {
    const { findings } = read({ 'auth-type': 'basic', 'auth-secret': 'users', 'auth-secret-type': 'x' });
    assert.deepEqual(
      findings.filter(({ outcome }) => outcome === 'closed').map(({ message }) => message),
      ['must be auth-file or auth-map'],
    );
  });

  it('are suggested for misspelled names', () => {
    assert.equal(findingOf('whitelist-source-rang', '10.0.0.0/8')?.suggestion, `write ${prefix}whitelist-source-range`);
  });

  it('of other controllers close all paths if they restrict access, and have no effect otherwise', () => {
    const { findings } = readIngressAnnotations(
      {
        'haproxy.org/allow-list': '10.0.0.0/8',
        'haproxy-ingress.github.io/auth-secret': 'users',
        'haproxy-ingress.github.io/timeout-server': '90s',
        'traefik.ingress.kubernetes.io/router.middlewares': 'shop-auth@kubernetescrd',
        'cert-manager.io/cluster-issuer': 'letsencrypt',
      },
      'shop',
    );
    assert.deepEqual(
      findings.map(({ outcome, suggestion }) => [outcome, suggestion]),
      [
        ['closed', `write ${prefix}whitelist-source-range: "10.0.0.0/8"`],
        ['closed', `write ${prefix}auth-type: "basic" and ${prefix}auth-secret: "users"`],
        ['ignored', `write ${prefix}proxy-read-timeout: "90"`],
        ['closed', undefined],
      ],
    );
  });

  for (const key of [
    'alb.ingress.kubernetes.io/inbound-cidrs',
    'alb.ingress.kubernetes.io/jwt-validation',
    'alb.ingress.kubernetes.io/mutual-authentication',
    'alb.ingress.kubernetes.io/security-groups',
    'alb.ingress.kubernetes.io/wafv2-acl-arn',
    'haproxy-ingress.github.io/denylist-source-range',
    'haproxy-ingress.github.io/oauth',
    'haproxy.org/client-ca',
    'haproxy.org/whitelist',
    'konghq.com/methods',
    'konghq.com/plugins',
    'traefik.ingress.kubernetes.io/router.tls.options',
  ]) {
    it(`${key} closes all paths`, () => {
      assert.deepEqual(
        readIngressAnnotations({ [key]: 'x' }, 'shop').findings.map(({ outcome }) => outcome),
        ['closed'],
      );
    });
  }

  it('may have the names of inherited properties', () => {
    assert.equal(findingOf('constructor', 'x')?.outcome, 'ignored');
    assert.deepEqual(readIngressAnnotations({ 'haproxy.org/constructor': 'x' }, 'shop').findings.length, 1);
  });

  it('are all described on their page, and no others', () => {
    const [, table = ''] = readFileSync('docs/ingress-nginx.md', 'utf8').split('<!-- annotations of ingress-nginx -->');
    const rows = (table.split('<!-- end -->')[0] ?? '').split('\n').map((line) => line.split(' | ')[0] ?? '');
    const described = new Set(
      rows.flatMap((cell) => [...cell.matchAll(/`([a-z0-9-]+)`/g)].map(([, name = '']) => name)),
    );
    const isKnown = (name: string) => !/is unknown/.test(findingOf(name, 'x')?.message ?? '');
    const literals = ['access', 'redirect', 'traffic'].map((one) => `${one}-annotations`);
    const sources = [...literals, 'annotations'].map((file) =>
      readFileSync(`src/ingress/k8s-ingress/${file}.ts`, 'utf8'),
    );
    const written = [...sources.join('\n').matchAll(/'?\b([a-z][a-z0-9-]+)\b'?/g)].map(([, name = '']) => name);
    const known = new Set([...written, 'permanent-redirect-code', 'temporal-redirect-code'].filter(isKnown));
    assert.deepEqual([...known.difference(described)], []);
    assert.deepEqual(
      [...described].filter((name) => !isKnown(name)),
      [],
    );
  });
});
