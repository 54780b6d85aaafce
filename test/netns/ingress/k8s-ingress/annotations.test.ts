import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { TestAuthority } from '../../../lab/certificates.ts';
import { HttpNode, serverAddress } from '../../../lab/http-node.ts';
import { until } from '../../../until.ts';
import { service } from '../http/objects.ts';
import { type Case, checkTraces, describeAnswer, runCases } from './cases.ts';
import { ingress, ingressClass, type Paths } from './objects.ts';
import { checkVerdicts, type IngressVerdict } from './verdicts.ts';

const authority = new TestAuthority('eran authority');
const inner = authority.issue({ name: 'pod', hosts: ['pod.test'] });

/** An Ingress for the host `NAME.test` with annotations. */
function annotated(name: string, annotations: Readonly<Record<string, string>>, paths: Paths = { '/': 'web' }): object {
  return ingress(name, { [`${name}.test`]: paths }, { annotations });
}

const groups = { 'rewrite-target': '/$2', 'use-regex': 'true' };

const objects: readonly object[] = [
  ingressClass(),
  ...service('web', [8001]),
  ...service('other', [8002]),
  ...service('third', [8003]),
  ...service('secure', [8443]),
  ...service('grpc', [8010]),
  ...service('pair', [8001, 8002]),
  ...service('copy', [8020]),
  annotated('whole', { 'rewrite-target': '/new' }, { '/old': 'web', '=/one': 'other', '/new': 'third' }),
  annotated('strip', groups, { '~/app(/|$)(.*)': 'web', '~/v1/?(.*)': 'other' }),
  annotated('twins', groups, { '~/one(/|$)(.*)': 'web', '~/two(/|$)(.*)': 'web', '~/(three|four)/(.*)': 'web' }),
  annotated('move', { 'rewrite-target': '/api/$1' }, { '~/old/(.*)': 'web' }),
  annotated('same', { 'rewrite-target': '/$1' }, { '~/(.*)': 'web' }),
  annotated('root', { 'rewrite-target': '/' }, { '/': 'web' }),
  annotated('regex', { 'use-regex': 'true' }, { '~/a/.*': 'web', '~/b[0-9]+/x': 'other', '/': 'third' }),
  annotated('ends', { 'use-regex': 'true' }, { '~/api/?$': 'web', '~/ui(?:/|$)(.*)': 'other', '~/(a|b)$': 'third' }),
  annotated('force', { 'force-ssl-redirect': 'true' }),
  ingress(
    'unforced',
    { 'unforced.test': { '/': 'web' } },
    {
      annotations: { 'ssl-redirect': 'false' },
      tls: [{ hosts: ['unforced.test'] }],
    },
  ),
  annotated('moved', { 'permanent-redirect': 'https://www.example.com/new?x=1' }),
  annotated('moved-kept', {
    'permanent-redirect': 'https://www.example.com$request_uri',
    'permanent-redirect-code': '308',
  }),
  annotated('away', { 'temporal-redirect': 'http://elsewhere.example' }),
  annotated('app', { 'app-root': '/app1' }),
  annotated('site', { 'from-to-www-redirect': 'true' }),
  annotated('alias', { 'server-alias': 'second.test, *.third.test' }),
  annotated('listed', { 'whitelist-source-range': '10.97.0.2/32,192.0.2.0/24' }),
  annotated('unlisted', { 'allowlist-source-range': '192.0.2.0/24' }),
  annotated('garbled', { 'whitelist-source-range': '10.97.0.2/32, everyone' }),
  annotated('denied', { 'denylist-source-range': '10.97.0.2' }),
  ingress(
    'unlisted-tls',
    { 'unlisted-tls.test': { '/': 'web' } },
    {
      annotations: { 'whitelist-source-range': '192.0.2.1' },
      tls: [{ hosts: ['unlisted-tls.test'] }],
    },
  ),
  annotated('sticky', { affinity: 'cookie' }, { '/': 'pair' }),
  annotated(
    'sticky-all',
    {
      affinity: 'cookie',
      'session-cookie-name': 'route',
      'session-cookie-path': '/shop',
      'session-cookie-max-age': '3600',
      'session-cookie-samesite': 'Strict',
      'session-cookie-secure': 'true',
      'session-cookie-domain': 'sticky-all.test',
    },
    { '/': 'pair' },
  ),
  annotated('https', { 'backend-protocol': 'HTTPS' }, { '/': 'secure' }),
  annotated('grpc', { 'backend-protocol': 'GRPC' }, { '/': 'grpc' }),
  annotated('passed', { 'ssl-passthrough': 'true' }, { '/': 'secure' }),
  annotated('passed-denied', { 'ssl-passthrough': 'true', 'denylist-source-range': '127.0.0.0/8' }, { '/': 'secure' }),
  annotated('verified', { 'backend-protocol': 'HTTPS', 'proxy-ssl-verify': 'on' }, { '/': 'secure' }),
  annotated('vhost', { 'upstream-vhost': 'inside.example', 'x-forwarded-prefix': '/outside' }),
  annotated('cors', { 'enable-cors': 'true' }),
  annotated('cors-own', {
    'enable-cors': 'true',
    'cors-allow-origin': 'https://*.example.com, http://one.example:8080',
    'cors-allow-methods': 'GET, PUT',
    'cors-allow-headers': 'X-Own',
    'cors-expose-headers': 'X-Shown',
    'cors-allow-credentials': 'false',
    'cors-max-age': '60',
  }),
  annotated('body', { 'proxy-body-size': '1k' }),
  annotated('slow', { 'proxy-read-timeout': '1' }),
  annotated('rate', { 'limit-rps': '1' }),
  annotated('main', {}, { '/': 'web', '/only': 'web' }),
  ingress('canary', { 'main.test': { '/': 'other' } }, { annotations: { canary: 'true', 'canary-weight': '25' } }),
  annotated('steered', {}, { '/': 'web' }),
  ingress(
    'steered-canary',
    { 'steered.test': { '/': 'pair' } },
    {
      annotations: { canary: 'true', 'canary-by-header': 'X-Canary', 'canary-by-cookie': 'canary' },
    },
  ),
  annotated('valued', {}, { '/': 'web' }),
  ingress(
    'valued-canary',
    { 'valued.test': { '/': 'other' } },
    {
      annotations: {
        canary: 'true',
        'canary-by-header': 'X-Region',
        'canary-by-header-value': 'eu',
        'canary-weight': '0',
      },
    },
  ),
  annotated('hash', { 'upstream-hash-by': '$remote_addr' }, { '/': 'pair' }),
  annotated('snippet', { 'configuration-snippet': 'deny all;' }),
  annotated('external', { 'auth-url': 'https://auth.example/check' }),
  annotated('basic', { 'auth-type': 'basic', 'auth-secret': 'users' }),
  annotated('client', { 'auth-tls-secret': 'shop/ca' }),
  annotated('waf', { 'enable-modsecurity': 'true' }),
  annotated('typo', { 'whitelist-source-rang': '10.0.0.0/8' }),
  ingress('open', { 'mixed.test': { '/': 'web' } }),
  ingress(
    'guarded',
    { 'mixed.test': { '/admin': 'web', '~/a[bc]/x': 'web' } },
    {
      annotations: { 'auth-url': 'https://auth.example/check', 'use-regex': 'true' },
    },
  ),
  ingress(
    'listed-regex',
    { 'mixed.test': { '~/private/[a-z]+': 'web' } },
    {
      annotations: { 'whitelist-source-range': '10.97.0.0/16', 'use-regex': 'true' },
    },
  ),
  annotated('tuned', { 'proxy-buffer-size': '16k', 'proxy-buffering': 'off', 'no-such': 'x' }),
  annotated('mirror', { 'mirror-target': 'https://mirror.example$request_uri' }),
  annotated(
    'copied',
    { ...groups, 'mirror-target': 'http://copy.shop.svc.cluster.local/$request_uri' },
    { '~/app(/|$)(.*)': 'web' },
  ),
  annotated('headed', {
    'mirror-target': 'http://copy.shop.svc:80$request_uri',
    'mirror-host': 'Mirror.example',
    'mirror-request-body': 'off',
  }),
  annotated('copied-denied', {
    'mirror-target': 'http://copy$request_uri',
    'whitelist-source-range': '192.0.2.1',
  }),
];

const from = { address: '10.97.0.2' };
const origin = (name: string) => ({ headers: { origin: name } });

const cases: readonly Case[] = [
  ['a target that replaces the whole path', 'http', 'whole.test', '/old/x?q', '200 one /new?q'],
  ['the same for an exact path', 'http', 'whole.test', '/one', '200 two /new'],
  ['a path equal to its target', 'http', 'whole.test', '/new/x', '200 three /new/x'],
  ['a group that strips a prefix', 'http', 'strip.test', '/app/x/y?q', '200 one /x/y?q'],
  ['such a prefix alone', 'http', 'strip.test', '/app', '200 one /'],
  ['no other path that begins so', 'http', 'strip.test', '/apple', '503'],
  ['a target whose group the path does not have', 'http', 'strip.test', '/v1/x', '503'],
  ['an expression that ends', 'http', 'ends.test', '/api?q', '200 one /api?q'],
  ['its optional slash', 'http', 'ends.test', '/api/', '200 one /api/'],
  ['nothing below it', 'http', 'ends.test', '/api/x', '503'],
  ['an alternative that ends', 'http', 'ends.test', '/b', '200 three /b'],
  ['no other path that begins like the alternative', 'http', 'ends.test', '/bc', '503'],
  ['a group that only groups', 'http', 'ends.test', '/ui/x', '200 two /ui/x'],
  ['one of two prefixes of a Service', 'http', 'twins.test', '/one/x', '200 one /x'],
  ['the other one', 'http', 'twins.test', '/two/x', '200 one /x'],
  ['an alternative', 'http', 'twins.test', '/three/x', '200 one /x'],
  ['another alternative', 'http', 'twins.test', '/four/x?q', '200 one /x?q'],
  ['no text of both', 'http', 'twins.test', '/fourth/x', '503'],
  ['a group behind a new prefix', 'http', 'move.test', '/old/x', '200 one /api/x'],
  ['not the prefix itself', 'http', 'move.test', '/old', '503'],
  ['a group that changes nothing', 'http', 'same.test', '/a/b', '200 one /a/b'],
  ['the root rewritten to itself', 'http', 'root.test', '/a/b', '200 one /a/b'],
  ['a regular expression that is a prefix', 'http', 'regex.test', '/a/x', '200 one /a/x'],
  ['other paths of a regular expression that is none', 'http', 'regex.test', '/b1/x', '200 three /b1/x'],
  ['a forced redirect', 'http', 'force.test', '/a?b', '308 https://force.test/a?b'],
  ['TLS without an entry', 'https', 'force.test', '/', '200 one /'],
  ['no redirect if it is disabled', 'http', 'unforced.test', '/', '200 one /'],
  ['a permanent redirect', 'http', 'moved.test', '/a', '301 https://www.example.com/new?x=1'],
  ['a permanent redirect that keeps the path', 'http', 'moved-kept.test', '/a?b', '308 https://www.example.com/a?b'],
  ['a temporal redirect', 'https', 'away.test', '/a', '302 http://elsewhere.example/'],
  ['the root of an application', 'http', 'app.test', '/', '302 http://app.test/app1'],
  ['the root of an application with TLS', 'https', 'app.test', '/', '302 https://app.test/app1'],
  ['the other paths of the application', 'http', 'app.test', '/app1', '200 one /app1'],
  ['a redirect from www', 'http', 'www.site.test', '/a?b', '308 http://site.test/a?b'],
  ['the host without www', 'http', 'site.test', '/', '200 one /'],
  ['an alias', 'http', 'second.test', '/', '200 one /'],
  ['a wildcard as alias', 'http', 'x.third.test', '/', '200 one /'],
  ['an allowed client', 'http', 'listed.test', '/', '200 one /', from],
  ['no other client', 'http', 'unlisted.test', '/', '403', from],
  ['no client if an entry is invalid', 'http', 'garbled.test', '/', '503', from],
  ['no denied client', 'http', 'denied.test', '/', '403', from],
  ['a client that is not denied', 'http', 'denied.test', '/', '200 one /'],
  ['no redirect for a rejected client', 'http', 'unlisted-tls.test', '/', '403', from],
  ['servers with TLS', 'http', 'https.test', '/', '200 tls /'],
  ['TLS that the server ends', 'https', 'passed.test', '/', '200 tls /'],
  ['no such host without TLS', 'http', 'passed.test', '/', '503'],
  ['no denied client of such a host', 'https', 'passed-denied.test', '/', 'closed'],
  ['servers with HTTP/2', 'http', 'grpc.test', '/', '200 h2 /'],
  ['no servers that must be verified', 'http', 'verified.test', '/', '503'],
  ['a short body', 'http', 'body.test', '/', '200 one /', { method: 'POST', body: 'x'.repeat(1024) }],
  ['no long body', 'http', 'body.test', '/', '413', { method: 'POST', body: 'x'.repeat(1025) }],
  ['a fast answer', 'http', 'slow.test', '/slow/1', '200 one /slow/1'],
  ['no slow answer', 'http', 'slow.test', '/slow/2500', '504'],
  ['the other paths of a canary', 'http', 'main.test', '/only', '200 one /only'],
  ['no Ingress with a snippet', 'http', 'snippet.test', '/', '503'],
  ['no external authentication', 'http', 'external.test', '/', '503'],
  ['no basic authentication without its Secret', 'http', 'basic.test', '/', '503'],
  ['no client certificates', 'https', 'client.test', '/', '503'],
  ['no firewall', 'http', 'waf.test', '/', '503'],
  ['no unknown rule about access', 'http', 'typo.test', '/', '503'],
  ['the open part of a host', 'http', 'mixed.test', '/', '200 one /'],
  ['no guarded part of it', 'http', 'mixed.test', '/admin/x', '503'],
  ['no guarded path that cannot be expressed', 'http', 'mixed.test', '/ab/x', '403'],
  ['no listed path that cannot be expressed', 'http', 'mixed.test', '/private/a', '503', from],
  ['an Ingress with settings of nginx', 'http', 'tuned.test', '/', '200 one /'],
  ['an Ingress with a missing function', 'http', 'mirror.test', '/', '200 one /'],
];

describe('Annotations of ingress-nginx in the compiled agent', () => {
  const node = new HttpNode('eran', { ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms', ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s' });

  before(async function () {
    this.timeout(120_000);
    await node.up();
    await node.serve({ name: 'one', port: 8001 });
    await node.serve({ name: 'two', port: 8002 });
    await node.serve({ name: 'three', port: 8003 });
    await node.serve({ name: 'tls', port: 8443, ...inner });
    await node.serve({ name: 'h2', port: 8010, h2c: true });
    await node.serve({ name: 'copy', port: 8020 });
    node.write('objects', ...objects);
    await node.start('--cleanup-on-exit', '--gateway-addresses', '192.0.2.7');
  });
  after(async () => {
    await node.end('SIGTERM');
    node.down();
  });

  runCases(node, cases);

  it('is explained correctly: erctl trace predicts the result of every request', async () => {
    // A trace knows neither the client, nor the body, nor how long a server takes.
    const traced = cases.filter(([, , host]) => !/^(?:.*listed.*|.*denied|body|slow)\.test$/.test(host));
    await checkTraces(node, traced);
  });

  it('keeps a client on its server with the cookie that an Ingress configures', async () => {
    const plain = await node.ask('http', 'sticky.test', '/');
    const cookie = String(plain.headers['set-cookie']);
    assert.match(cookie, /^INGRESSCOOKIE=[0-9a-f]{32}; path=\/; HttpOnly$/);
    const secure = String((await node.ask('https', 'sticky.test', '/')).headers['set-cookie']);
    assert.match(secure, /^INGRESSCOOKIE=[0-9a-f]{32}; path=\/; HttpOnly; Secure$/);
    for (let count = 0; count < 6; count++) {
      const headers = { cookie: cookie.split(';')[0] ?? '' };
      assert.equal((await node.ask('http', 'sticky.test', '/', { headers })).echo?.server, plain.echo?.server);
    }
    const all = String((await node.ask('http', 'sticky-all.test', '/')).headers['set-cookie']);
    assert.match(
      all,
      /^route=[0-9a-f]{32}; path=\/shop; Domain=sticky-all\.test; Max-Age=3600; HttpOnly; Secure; SameSite=Strict$/,
    );
    assert.equal((await node.ask('http', 'main.test', '/')).headers['set-cookie'], undefined);
  });

  it('sends servers the host and prefix that an Ingress configures', async () => {
    const { headers } = (await node.ask('http', 'vhost.test', '/')).echo ?? { headers: {} };
    const seen = headers as Readonly<Record<string, string>>;
    assert.deepEqual(
      [seen.host, seen['x-forwarded-prefix'], seen['x-forwarded-host']],
      ['inside.example', '/outside', 'vhost.test'],
    );
  });

  it('allows cross-origin requests with the defaults of ingress-nginx', async () => {
    const preflight = await node.ask('http', 'cors.test', '/', { method: 'OPTIONS', ...origin('https://a.example') });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers['access-control-allow-origin'], '*');
    assert.equal(preflight.headers['access-control-allow-methods'], 'GET, PUT, POST, DELETE, PATCH, OPTIONS');
    assert.equal(preflight.headers['access-control-allow-credentials'], 'true');
    assert.equal(preflight.headers['access-control-max-age'], '1728000');
    const answer = await node.ask('http', 'cors.test', '/', origin('https://a.example'));
    assert.equal(describeAnswer(answer), '200 one /');
    assert.equal(answer.headers['access-control-allow-origin'], '*');
  });

  it('allows the origins that an Ingress names, and no others', async () => {
    const ask = (name: string) => node.ask('http', 'cors-own.test', '/', { method: 'OPTIONS', ...origin(name) });
    for (const name of ['https://a.example.com', 'http://one.example:8080']) {
      const { status, headers } = await ask(name);
      assert.equal(status, 204, name);
      assert.equal(headers['access-control-allow-origin'], name);
      assert.equal(headers['access-control-allow-methods'], 'GET, PUT');
      assert.equal(headers['access-control-allow-headers'], 'X-Own');
      assert.equal(headers['access-control-expose-headers'], 'X-Shown');
      assert.equal(headers['access-control-allow-credentials'], undefined);
      assert.equal(headers['access-control-max-age'], '60');
      assert.equal(headers.vary, 'Origin');
    }
    for (const name of ['https://a.b.example.com', 'http://a.example.com', 'http://one.example', 'https://evil', '*']) {
      const answer = await ask(name);
      assert.equal(describeAnswer(answer), '200 one /', name);
      assert.equal(answer.headers['access-control-allow-origin'], undefined, name);
    }
  });

  it('answers 503 to a client above its limit', async () => {
    const answers: number[] = [];
    for (let count = 0; count < 12; count++) answers.push((await node.ask('http', 'rate.test', '/')).status);
    assert.deepEqual([answers[0], answers.at(-1)], [200, 503], answers.join());
  });

  it('sends a canary its share', async () => {
    const servers: (string | undefined)[] = [];
    for (let count = 0; count < 40; count++) servers.push((await node.ask('http', 'main.test', '/')).echo?.server);
    const many = servers.filter((one) => one === 'two').length;
    assert.ok(many >= 6 && many <= 14, `${many} of 40`);
  });

  const steered: readonly (readonly [host: string, headers: Readonly<Record<string, string>>, want: string])[] = [
    ['steered.test', {}, 'one'],
    ['steered.test', { 'x-canary': 'always' }, 'one two'],
    ['steered.test', { 'X-CANARY': 'never', cookie: 'canary=always' }, 'one'],
    ['steered.test', { 'x-canary': 'perhaps', cookie: 'a=b; canary=always; c=d' }, 'one two'],
    ['steered.test', { cookie: 'xcanary=always' }, 'one'],
    ['valued.test', { 'x-region': 'eu' }, 'two'],
    ['valued.test', { 'x-region': 'always' }, 'one'],
    ['valued.test', { 'a-header': 'x', 'x-region': 'us' }, 'one'],
  ];
  for (const [host, headers, want] of steered) {
    it(`sends ${JSON.stringify(headers)} for ${host} to ${want}`, async () => {
      const servers = new Set<string>();
      for (let count = 0; count < 24; count++) {
        servers.add((await node.ask('http', host, '/', { headers })).echo?.server ?? 'none');
      }
      assert.equal([...servers].sort().join(' '), want);
    });
  }

  it('mirrors requests to a Service as clients sent them, and none of rejected clients', async () => {
    const seen = async () =>
      (await node.ask('http', 'any', '/seen-requests', { address: serverAddress, port: 8020 })).body.split('\n');
    const body = { method: 'POST', body: 'x'.repeat(100) };
    assert.equal(describeAnswer(await node.ask('http', 'copied-denied.test', '/no', from)), '403');
    assert.equal(describeAnswer(await node.ask('http', 'copied.test', '/app/x?q', body)), '200 one /x?q');
    assert.equal(describeAnswer(await node.ask('http', 'headed.test', '/y', body)), '200 one /y');
    const wanted = ['POST copy.shop.svc.cluster.local /app/x?q 100', 'POST mirror.example /y -'];
    await until(
      async () => (await seen()).length >= 2,
      () => node.log.slice(-2000),
      20_000,
    );
    assert.deepEqual((await seen()).toSorted(), wanted);
  });

  it('keeps clients on a server by address', async () => {
    const servers = new Set<string | undefined>();
    for (let count = 0; count < 8; count++) servers.add((await node.ask('http', 'hash.test', '/', from)).echo?.server);
    assert.equal(servers.size, 1);
  });

  const verdicts: readonly IngressVerdict[] = [
    ['snippet', false, /^every path answers 503: configuration-snippet "deny all;": nginx configuration/],
    ['external', false, /auth-url .*authentication by an external service is not supported/],
    ['basic', false, /auth-secret "shop\/users": this Secret does not exist/],
    ['typo', false, /whitelist-source-rang .*unknown and may restrict access .*whitelist-source-range/],
    ['garbled', false, /whitelist-source-range .*must be addresses and CIDRs separated by commas, not everyone/],
    ['mirror', true, /mirror-target .*must be the URL of a Service of the namespace.*requests are not mirrored/],
    ['copied', true, /^(?!.*mirror)/],
    ['tuned', true, /without effect on this router: .*no-such.*proxy-buffer-size/],
    ['regex', true, /paths\[1\]\.path "\/b\[0-9\]\+\/x": is a regular expression that cannot be expressed/],
    ['rate', true, /limit-rps "1": requests of a client are counted over 10 s/],
  ];
  checkVerdicts(node, verdicts, true);

  it('applies a changed annotation without a reload', async function () {
    this.timeout(30_000);
    const reloads = async () => {
      const isCount = (line: string) => line.startsWith('egress_router_ingress_haproxy_reloads');
      let counts: readonly string[] = [];
      await until(
        async () => {
          const { body } = await node.ask('http', 'localhost', '/metrics', { address: '127.0.0.1', port: 1936 });
          counts = body.split('\n').filter(isCount);
          return counts.length > 0;
        },
        () => node.log.slice(-2000),
        20_000,
      );
      return counts;
    };
    const before = await reloads();
    const closed = annotated('vhost', { 'whitelist-source-range': '192.0.2.1' });
    node.write('objects', ...objects.map((one) => (JSON.stringify(one).includes('"vhost"') ? closed : one)));
    await until(
      async () => (await node.ask('http', 'vhost.test', '/', from)).status === 403,
      () => node.log.slice(-2000),
      20_000,
    );
    assert.deepEqual(await reloads(), before);
  });
});
