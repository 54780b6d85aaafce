import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { TestAuthority } from '../../../lab/certificates.ts';
import { type Answer, HttpNode, type Words } from '../../../lab/http-node.ts';
import { route, service } from './objects.ts';

const authority = new TestAuthority('erht authority');
const shop = authority.issue({ name: 'shop.test', hosts: ['shop.test'] });
const own = authority.issue({ name: 'edge.test', hosts: ['edge.test'] });
const twin = authority.issue({ name: 'twin.test', hosts: ['a.twin.test', 'b.twin.test'] });
const inner = authority.issue({ name: 'pod', hosts: ['secure.shop.svc'] });

const edge = { termination: 'edge', certificate: own.certificate, key: own.key };

/** Every Route of the test, by file. */
const objects: Readonly<Record<string, readonly object[]>> = {
  services: [
    ...service('web', [8001]),
    ...service('other', [8002]),
    ...service('secure', [8443]),
    ...service('none', []),
    ...service('unready', [8001], { isReady: false }),
    ...service('web', [8001], { namespace: 'bank' }),
  ],
  routes: [
    route('plain', 'plain.test'),
    route('path', 'plain.test', { service: 'other', age: 1, spec: { path: '/cart' } }),
    route('below', 'below.test', { spec: { path: '/dir/' } }),
    route('case', 'case.test', { spec: { path: '/Case' } }),
    route('odd', 'odd.test', { spec: { path: '/a(' }, annotations: { 'rewrite-target': '/b' } }),
    route('edge', 'edge.test', { spec: { tls: edge } }),
    route('redirect', 'redirect.test', {
      spec: { tls: { termination: 'edge', insecureEdgeTerminationPolicy: 'Redirect' } },
    }),
    route('allow', 'allow.test', { spec: { tls: { termination: 'edge', insecureEdgeTerminationPolicy: 'Allow' } } }),
    route('reencrypt', 'reencrypt.test', {
      service: 'secure',
      spec: { tls: { termination: 'reencrypt', destinationCACertificate: authority.certificate } },
    }),
    route('blind', 'blind.test', { service: 'secure', spec: { tls: { termination: 'reencrypt' } } }),
    route('distrust', 'distrust.test', {
      service: 'secure',
      spec: { tls: { termination: 'reencrypt', destinationCACertificate: new TestAuthority('another').certificate } },
    }),
    route('pass', 'pass.test', { service: 'secure', spec: { tls: { termination: 'passthrough' } } }),
    route('passredirect', 'passredirect.test', {
      service: 'secure',
      spec: { tls: { termination: 'passthrough', insecureEdgeTerminationPolicy: 'Redirect' } },
    }),
    route('wildredirect', 'any.to-tls.test', {
      spec: {
        wildcardPolicy: 'Subdomain',
        tls: { termination: 'edge', insecureEdgeTerminationPolicy: 'Redirect' },
      },
    }),
    route('passhere', 'here.to-tls.test', { service: 'secure', spec: { tls: { termination: 'passthrough' } } }),
    route('umlaut', 'plain.test', { age: 6, spec: { path: '/käse' } }),
    route('a'.repeat(253), 'long.test', {
      spec: { tls: { termination: 'edge', certificate: twin.certificate, key: twin.key } },
    }),
    route('empty', 'empty.test', { service: 'none' }),
    route('missing', 'missing.test', { service: 'nowhere' }),
    route('twin-a', 'a.twin.test', {
      spec: { tls: { termination: 'edge', certificate: twin.certificate, key: twin.key } },
    }),
    route('twin-b', 'b.twin.test', {
      spec: { tls: { termination: 'edge', certificate: twin.certificate, key: twin.key } },
    }),
    route('secret', 'secret.test', { spec: { tls: { termination: 'edge', externalCertificate: { name: 'pair' } } } }),
    route('no-secret', 'no-secret.test', {
      spec: { tls: { termination: 'edge', externalCertificate: { name: 'gone' } } },
    }),
    route('bad-pair', 'bad-pair.test', { spec: { tls: { ...edge, key: shop.key } } }),
    route('bad-pem', 'bad-pem.test', { spec: { tls: { ...edge, certificate: 'no PEM' } } }),
    route('bad-ca', 'bad-ca.test', {
      spec: { tls: { ...edge, caCertificate: new TestAuthority('another').certificate } },
    }),
    route('bad-destination', 'bad-destination.test', {
      spec: { tls: { termination: 'reencrypt', destinationCACertificate: 'x' } },
    }),
    route('young', 'plain.test', { age: 9 }),
    route('slash', 'plain.test', { age: 8, spec: { path: '/' } }),
    route('stranger', 'plain.test', { namespace: 'bank', age: 7, spec: { path: '/bank' } }),
    route('wild', 'any.wild.test', { spec: { wildcardPolicy: 'Subdomain' } }),
    route('nohost', undefined),
    route('subdomain', undefined, { spec: { subdomain: 'app' } }),
    route('badhost', 'not_a_host'),
    route('badpath', 'badpath.test', { spec: { path: 'x' } }),
    route('passpath', 'passpath.test', { spec: { path: '/x', tls: { termination: 'passthrough' } } }),
    route('denied', 'denied.evil.test'),
    route('headers', 'headers.test', {
      spec: {
        httpHeaders: {
          actions: {
            request: [
              { name: 'X-Set', action: { type: 'Set', set: { value: 'v %[req.hdr(X-In),lower]' } } },
              { name: 'X-Flags', action: { type: 'Set', set: { value: '%{+Q,-X}[req.hdr(X-In)]' } } },
              { name: 'X-Gone', action: { type: 'Delete' } },
            ],
            response: [{ name: 'X-Served-By', action: { type: 'Set', set: { value: 'router' } } }],
          },
        },
      },
    }),
    route('root', 'root.test', { spec: { path: '/api' }, annotations: { 'rewrite-target': '/' } }),
    route('moved', 'moved.test', { spec: { path: '/api' }, annotations: { 'rewrite-target': '/v2' } }),
    route('unready', 'unready.test', { service: 'unready' }),
    route('weightless', 'weightless.test', { spec: { to: { kind: 'Service', name: 'web', weight: 0 } } }),
    route('hsts', 'hsts.test', {
      spec: { tls: { termination: 'edge' } },
      annotations: { hsts_header: 'max-age=31536000;includeSubDomains;preload' },
    }),
    route('hsts-lines', 'hsts-lines.test', {
      spec: { tls: { termination: 'edge' } },
      annotations: { hsts_header: 'max-age=31536000;\nincludeSubDomains' },
    }),
    route('never', 'never.test', { annotations: { 'set-forwarded-headers': 'never' } }),
    route('replace', 'replace.test', { annotations: { 'set-forwarded-headers': 'replace' } }),
    route('ifnone', 'ifnone.test', { annotations: { 'set-forwarded-headers': 'if-none' } }),
    route('cookie', 'cookie.test', { annotations: { 'router.openshift.io/cookie_name': 'session' } }),
    route('nocookie', 'nocookie.test', { annotations: { disable_cookies: 'true' } }),
    route('listed', 'listed.test', { annotations: { ip_allowlist: '10.97.0.0/16 garbage' } }),
    route('unlisted', 'unlisted.test', { annotations: { ip_whitelist: '192.0.2.1,192.0.2.2' } }),
    route('garbled', 'garbled.test', { annotations: { ip_whitelist: 'not an address' } }),
    route('limited', 'limited.test', {
      annotations: { 'rate-limit-connections': 'true', 'rate-limit-connections.rate-http': '4' },
    }),
    route('warned', 'warned.test', { annotations: { balance: 'sideways', timeout: '5 minutes', 'no-such': 'x' } }),
    route('both', 'both.test', { annotations: { 'external-tcp-port': '13306' } }),
    {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'kubernetes.io/tls',
      metadata: { namespace: 'shop', name: 'pair' },
      stringData: { 'tls.crt': shop.certificate, 'tls.key': shop.key },
    },
  ],
};

describe('Routes with hosts and paths in the compiled agent', () => {
  const node = new HttpNode('erht', {
    ROUTER_ALLOW_WILDCARD_ROUTES: 'true',
    ROUTER_DOMAIN: 'apps.test',
    ROUTER_DENIED_DOMAINS: 'evil.test',
    ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms',
    ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s',
  });

  before(async function () {
    this.timeout(30_000);
    await node.up();
    await node.serve({ name: 'one', port: 8001 });
    await node.serve({ name: 'two', port: 8002 });
    await node.serve({ name: 'tls', port: 8443, ...inner });
    for (const [file, list] of Object.entries(objects)) node.write(file, ...list);
    await node.start('--cleanup-on-exit');
  });
  after(async () => {
    await node.end('SIGTERM');
    node.down();
  });

  type Scheme = 'http' | 'https';
  const answers: readonly (readonly [name: string, scheme: Scheme, host: string, path: string, want: string])[] = [
    ['a host', 'http', 'plain.test', '/', '200 one /'],
    ['a host in capitals', 'http', 'PLAIN.test', '/x?y=1', '200 one /x?y=1'],
    ['a host with a port', 'http', 'plain.test:8080', '/', '200 one /'],
    ['a host with a final dot', 'http', 'plain.test.', '/', '200 one /'],
    ['the longest path', 'http', 'plain.test', '/cart', '200 two /cart'],
    ['below a path', 'http', 'plain.test', '/cart/1', '200 two /cart/1'],
    ['no path that only begins so', 'http', 'plain.test', '/cartoon', '200 one /cartoon'],
    ['paths in their case', 'http', 'plain.test', '/CART', '200 one /CART'],
    ['below a path that ends in a slash', 'http', 'below.test', '/dir/x', '200 one /dir/x'],
    ['not such a path itself', 'http', 'below.test', '/dir', '503'],
    ['a path in capitals', 'http', 'case.test', '/Case', '200 one /Case'],
    ['not in small letters', 'http', 'case.test', '/case', '503'],
    ['a path that is no regular expression', 'http', 'odd.test', '/a(x', '503'],
    ['a rewrite of such a path', 'http', 'odd.test', '/a(/x', '200 one /b/x'],
    ['nothing for another host', 'http', 'nobody.test', '/', '503'],
    ['nothing without an endpoint', 'http', 'empty.test', '/', '503'],
    ['nothing without a Service', 'http', 'missing.test', '/', '503'],
    ['TLS that ends here', 'https', 'edge.test', '/x', '200 one /x'],
    ['no plain HTTP for it', 'http', 'edge.test', '/', '503'],
    ['a redirect', 'http', 'redirect.test:8080', '/a?b=c', '302 https://redirect.test/a?b=c'],
    ['the target of a redirect', 'https', 'redirect.test', '/a', '200 one /a'],
    ['plain HTTP beside TLS', 'http', 'allow.test', '/', '200 one /'],
    ['TLS beside plain HTTP', 'https', 'allow.test', '/', '200 one /'],
    ['no plain Route over TLS', 'https', 'plain.test', '/', '503'],
    ['TLS to a server that is trusted', 'https', 'reencrypt.test', '/', '200 tls /'],
    ['TLS to an unverified server', 'https', 'blind.test', '/', '200 tls /'],
    ['no server of another authority', 'https', 'distrust.test', '/', '503'],
    ['TLS that the server ends', 'https', 'pass.test', '/', '200 tls /'],
    [
      'a redirect to TLS that the server ends',
      'http',
      'passredirect.test',
      '/a?b',
      '302 https://passredirect.test/a?b',
    ],
    ['its target', 'https', 'passredirect.test', '/', '200 tls /'],
    ['a redirect of a wildcard', 'http', 'x.to-tls.test', '/', '302 https://x.to-tls.test/'],
    ['no such redirect where the host itself has none', 'http', 'here.to-tls.test', '/', '503'],
    ['a Route with the longest name', 'https', 'long.test', '/', '200 one /'],
    ['a wildcard', 'http', 'x.wild.test', '/', '200 one /'],
    ['a wildcard for one label only', 'http', 'x.y.wild.test', '/', '503'],
    ['a host of spec.subdomain', 'http', 'app.apps.test', '/', '200 one /'],
    ['a certificate from a Secret', 'https', 'secret.test', '/', '200 one /'],
    ['no Route with a key that does not fit', 'https', 'bad-pair.test', '/', '503'],
    ['a path that is stripped', 'http', 'root.test', '/api/x?q', '200 one /x?q'],
    ['a path that is stripped whole', 'http', 'root.test', '/api', '200 one /'],
    ['a path that is replaced', 'http', 'moved.test', '/api/x', '200 one /v2/x'],
    ['whom the list has', 'http', 'listed.test', '/', '200 one /'],
    ['no other client', 'http', 'unlisted.test', '/', 'closed'],
    ['no client if the list is invalid', 'http', 'garbled.test', '/', 'closed'],
    ['a denied domain not', 'http', 'denied.evil.test', '/', '503'],
  ];
  for (const [name, scheme, host, path, want] of answers) {
    it(`serves ${name}`, async () => {
      const from = host === 'listed.test' ? { address: '10.97.0.2' } : {};
      assert.equal(describeAnswer(await node.ask(scheme, host, path, from)), want);
    });
  }

  const verdicts: readonly (readonly [name: string, verdict: string, message?: RegExp, namespace?: string])[] = [
    ['plain', 'True'],
    ['subdomain', 'True'],
    ['both', 'True'],
    ['young', 'False HostAlreadyClaimed', /^host plain\.test belongs to the older Route plain$/],
    ['slash', 'False HostAlreadyClaimed', /^host plain\.test belongs to the older Route plain$/],
    [
      'stranger',
      'False HostAlreadyClaimed',
      /^host plain\.test belongs to an older Route of another namespace$/,
      'bank',
    ],
    ['nohost', 'False NoHostValue', /spec\.host is missing/],
    ['badhost', 'False InvalidHost', /spec\.host "not_a_host": label "not_a_host" must consist of/],
    ['badpath', 'False ExtendedValidationFailed', /spec\.path "x": must begin with "\/"/],
    ['passpath', 'False ExtendedValidationFailed', /spec\.path "\/x": must be absent/],
    ['umlaut', 'False ExtendedValidationFailed', /spec\.path .*no unencoded non-ASCII character/],
    ['denied', 'False RouteNotAdmitted', /is in a domain that this router denies/],
    ['bad-pair', 'False ExtendedValidationFailed', /spec\.tls\.key .*must match the certificate/],
    ['bad-pem', 'False ExtendedValidationFailed', /spec\.tls\.certificate .*must be a certificate in PEM/],
    ['bad-ca', 'False ExtendedValidationFailed', /spec\.tls\.caCertificate .*must be the authority/],
    ['bad-destination', 'False ExtendedValidationFailed', /spec\.tls\.destinationCACertificate/],
    ['no-secret', 'False ExternalCertificateGetFailed', /spec\.tls\.externalCertificate "gone"/],
    ['empty', 'True', /Service none has no endpoints/],
    ['missing', 'True', /Service nowhere does not exist/],
    ['unready', 'True', /Service unready has no ready endpoint/],
    ['weightless', 'True', /every weight is 0, so no connection is served/],
    ['warned', 'True', /balance\] "sideways": must be .*timeout\] "5 minutes": must be/],
    ['hsts-lines', 'True', /hsts_header\].*must be like/],
    ['listed', 'True', /ignored garbage$/],
    ['garbled', 'True', /without a valid entry no client can connect$/],
  ];
  for (const [name, verdict, message, namespace] of verdicts) {
    it(`reports ${name} as "${verdict}"`, () => {
      const status = node.status(name, namespace ?? 'shop');
      assert.equal(status?.verdict, verdict, status?.message ?? 'no status');
      if (message !== undefined) assert.match(status?.message ?? '', message);
    });
  }

  it('is explained correctly: erctl trace predicts the result of every request', async () => {
    for (const [name, scheme, host, path, want] of answers) {
      // Whom a list keeps out is not asked: the trace does not know who asks.
      if (want === 'closed') continue;
      const query = new URLSearchParams({ host, path, tls: `${scheme === 'https'}` });
      const stats = { address: '127.0.0.1', port: 1936 };
      const { body } = await node.ask('http', 'localhost', `/trace?${query.toString()}`, stats);
      const trace = JSON.parse(body);
      const isServed = trace.endpoints.length > 0;
      const said = trace.outcome === 'redirect' ? '302' : trace.outcome !== 'error' && isServed ? '200' : '503';
      // Whether a server's certificate is trusted, only trying tells.
      if (host !== 'distrust.test') assert.equal(said, want.split(' ')[0], `${name}: ${body}`);
    }
  });

  it('shows each host its certificate, and the default one to those without', async () => {
    assert.equal((await node.ask('https', 'edge.test', '/')).subject, 'edge.test');
    assert.equal((await node.ask('https', 'secret.test', '/')).subject, 'shop.test');
    assert.match((await node.ask('https', 'allow.test', '/')).subject ?? '', /default certificate/);
    assert.equal((await node.ask('https', 'pass.test', '/')).subject, 'pod');
  });

  it('offers HTTP/2 if no other Route has the certificate, and answers 421 for other hosts on it', async () => {
    assert.equal((await node.ask('https', 'edge.test', '/', { http2: true })).status, 200);
    assert.equal((await node.ask('https', 'edge.test', '/', { http2: true, authority: 'secret.test' })).status, 421);
    const offers = [
      await node.negotiate('edge.test'),
      await node.negotiate('a.twin.test'),
      await node.negotiate('allow.test'),
    ];
    assert.deepEqual(
      offers.map((one) => one === 'h2'),
      [true, false, false],
    );
  });

  it('passes the client to servers in the form that a Route selects', async () => {
    const sent: Words = { headers: { 'X-Forwarded-For': '192.0.2.9', Forwarded: 'for=192.0.2.9' } };
    const seen = async (host: string) => (await node.ask('http', host, '/', sent)).echo?.headers ?? {};
    const appended = await seen('plain.test');
    assert.equal(appended['x-forwarded-for'], '192.0.2.9, 127.0.0.1');
    assert.equal(appended['x-forwarded-host'], 'plain.test');
    assert.equal(appended['x-forwarded-port'], '80');
    assert.equal(appended['x-forwarded-proto'], 'http');
    assert.equal(appended.forwarded, 'for=192.0.2.9, for=127.0.0.1;host=plain.test;proto=http');
    assert.equal((await seen('replace.test'))['x-forwarded-for'], '127.0.0.1');
    assert.equal((await seen('ifnone.test'))['x-forwarded-for'], '192.0.2.9');
    assert.equal((await seen('never.test'))['x-forwarded-for'], '192.0.2.9');
    assert.equal((await seen('never.test'))['x-forwarded-host'], undefined);
  });

  it('keeps a client on its server with OpenShift’s cookie name and value, or without a cookie if configured', async () => {
    const first = await node.ask('http', 'cookie.test', '/');
    const cookie = String(first.headers['set-cookie']);
    assert.match(cookie, /^session=[0-9a-f]{32}; path=\/; HttpOnly$/);
    const again = await node.ask('http', 'cookie.test', '/', { headers: { cookie: cookie.split(';')[0] ?? '' } });
    assert.equal(again.headers['set-cookie'], undefined);
    assert.equal(again.echo?.headers.cookie, undefined);
    assert.equal((await node.ask('http', 'nocookie.test', '/')).headers['set-cookie'], undefined);
    const secure = await node.ask('https', 'edge.test', '/');
    assert.match(String(secure.headers['set-cookie']), /; path=\/; HttpOnly; Secure; SameSite=None$/);
  });

  it('changes headers as a Route configures, and ignores router headers of clients', async () => {
    const headers = { 'X-In': 'LOUD', 'X-Gone': 'x', Proxy: 'http://evil', 'X-SSL-Client-CN': 'me' };
    const answer = await node.ask('http', 'headers.test', '/', { headers });
    assert.equal(answer.headers['x-served-by'], 'router');
    const echo = JSON.parse(answer.body);
    assert.equal(echo.headers['x-set'], 'v loud');
    assert.equal(echo.headers['x-flags'], 'LOUD');
    for (const name of ['x-gone', 'proxy', 'x-ssl-client-cn']) assert.equal(echo.headers[name], undefined, name);
  });

  it('sends Strict-Transport-Security over TLS', async () => {
    const { headers } = await node.ask('https', 'hsts.test', '/');
    assert.equal(headers['strict-transport-security'], 'max-age=31536000;includeSubDomains;preload');
  });

  it('limits the requests of a client', async () => {
    const answers: string[] = [];
    for (let count = 0; count < 5; count++) answers.push(describeAnswer(await node.ask('http', 'limited.test', '/')));
    assert.deepEqual(answers.slice(0, 3), ['200 one /', '200 one /', '200 one /']);
    assert.equal(answers.at(-1), 'closed');
  });

  const refused: readonly (readonly [name: string, text: string])[] = [
    ['two lengths', 'POST / HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello'],
    ['an empty length', 'POST / HTTP/1.1\r\nHost: plain.test\r\nContent-Length:\r\n\r\n'],
    ['a NUL', 'GET / HTTP/1.1\r\nHost: plain.test\r\nX-A: a\0b\r\n\r\n'],
    ['another version', 'GET / HTTP/3.7\r\nHost: plain.test\r\n\r\n'],
  ];
  for (const [name, text] of refused) {
    it(`rejects ${name}`, async () => {
      const { status } = await node.raw(text);
      assert.ok(status === 0 || status === 400 || status === 403, `${status}`);
    });
  }

  it('never shows a key in its log, its statuses or its metrics', async () => {
    const { body } = await node.ask('http', 'localhost', '/metrics', { address: '127.0.0.1', port: 1936 });
    assert.match(body, /haproxy_backend_connections_total\{backend="be_http",namespace="shop",route="plain"\} \d/);
    assert.match(
      body,
      /egress_router_ingress_certificate_expiry_timestamp_seconds\{namespace="shop",route="edge"\} \d/,
    );
    const secrets = [own.key, shop.key].map((key) => key.split('\n')[1] ?? 'no key');
    for (const secret of secrets) for (const text of [body, node.log]) assert.ok(!text.includes(secret));
  });
});

/** `200 one /path`, `302 LOCATION`, `503`, or `closed`. */
function describeAnswer({ status, headers, echo, error }: Answer): string {
  if (error !== undefined) return 'closed';
  if (echo !== undefined) return `${status} ${echo.server} ${echo.url}`;
  return headers.location === undefined ? `${status}` : `${status} ${String(headers.location)}`;
}
