import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { TestAuthority } from '../../../lab/certificates.ts';
import { HttpNode } from '../../../lab/http-node.ts';
import { until } from '../../../until.ts';
import { route, service } from './objects.ts';

const authority = new TestAuthority('erhv authority');
const standard = authority.issue({ name: 'standard', hosts: ['*.apps.test'] });
const people = new TestAuthority('erhv people');
const alice = people.issue({ name: 'alice', hosts: ['alice'] });
const mallory = new TestAuthority('erhv strangers').issue({ name: 'mallory', hosts: ['mallory'] });
const edge = { termination: 'edge' };

describe('Variables of OpenShift’s router in the compiled agent', () => {
  const folder = mkdtempSync(join(tmpdir(), 'erhv-'));
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const node = new HttpNode('erhv', {
    ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms',
    ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s',
    ROUTER_ENABLE_COMPRESSION: 'true',
    ROUTER_COMPRESSION_MIME: 'application/json text/html',
    ROUTER_SYSLOG_ADDRESS: 'stdout',
    ROUTER_LOG_LEVEL: 'info',
    ROUTER_CAPTURE_HTTP_REQUEST_HEADERS: 'X-Trace:20,User-Agent:10',
    ROUTER_CAPTURE_HTTP_RESPONSE_HEADERS: 'X-Served-By:8',
    ROUTER_CAPTURE_HTTP_COOKIE: 'basket=:30',
    ROUTER_UNIQUE_ID_HEADER_NAME: 'X-Unique',
    ROUTER_UNIQUE_ID_FORMAT: 'id-%rt',
    ROUTER_H1_CASE_ADJUST: 'X-CamelCase,Host',
    ROUTER_HTTP_REQUEST_HEADERS:
      'X-Cluster:a%20b:Set,X-Secret:Delete,X-Client:%25%7B%2BQ%7D%5Bssl_c_der%2Cbase64%5D:Set',
    ROUTER_HTTP_RESPONSE_HEADERS: 'X-Frame-Options:DENY:Set',
    ROUTER_ERRORFILE_503: write('503.http', 'HTTP/1.0 503 Unavailable\r\nContent-Type: text/plain\r\n\r\nnobody here'),
    ROUTER_ERRORFILE_404: write('404.http', 'HTTP/1.0 404 None\r\nContent-Type: text/plain\r\n\r\nno such route'),
    ROUTER_STRICT_SNI: 'true',
    DEFAULT_CERTIFICATE: `${standard.certificate}\n${standard.key}`,
    ROUTER_MUTUAL_TLS_AUTH: 'optional',
    ROUTER_MUTUAL_TLS_AUTH_CA: write('people.pem', people.certificate),
  });

  before(async function () {
    this.timeout(30_000);
    await node.up();
    await node.serve({ name: 'one', port: 8001 });
    await node.serve({ name: 'h2c', port: 8002, h2c: true });
    await node.serve({ name: 'six', port: 8006, host: 'fd97::1' });
    await node.serve({ name: 'narrow', port: 8007 });
    const [serviceSix, sliceSix] = service('six', [8006]) as [object, object];
    const v6 = { addressType: 'IPv6', endpoints: [{ addresses: ['fd97::1'] }] };
    node.write(
      'all',
      ...service('web', [8001]),
      ...service('modern', [8002], { appProtocol: 'kubernetes.io/h2c' }),
      ...service('narrow', [8007]),
      serviceSix,
      { ...sliceSix, ...v6 },
      route('plain', 'plain.apps.test'),
      route('adjusted', 'adjusted.apps.test', { annotations: { 'h1-adjust-case': 'true' } }),
      route('modern', 'modern.apps.test', { service: 'modern' }),
      route('mixed', 'mixed.apps.test', {
        service: 'modern',
        annotations: { disable_cookies: 'true' },
        spec: { alternateBackends: [{ kind: 'Service', name: 'web', weight: 100 }] },
      }),
      route('six', 'six.apps.test', { service: 'six' }),
      route('slow', 'slow.apps.test', { annotations: { timeout: '1s' } }),
      route('narrow', 'narrow.apps.test', { service: 'narrow', annotations: { 'pod-concurrent-connections': '2' } }),
      route('empty', 'empty.apps.test', { service: 'nowhere' }),
      route('edge', 'edge.apps.test', { spec: { tls: edge } }),
      route('stranger', 'edge.other.test', { spec: { tls: edge } }),
      route('strict', 'strict.apps.test', {
        annotations: { 'router.openshift.io/cookie-same-site': 'Strict' },
        spec: { tls: edge },
      }),
    );
    await node.start('--cleanup-on-exit');
  });
  after(async () => {
    await node.end('SIGTERM');
    node.down();
    rmSync(folder, { recursive: true });
  });

  it('compresses the configured media types for clients that accept it', async () => {
    const headers = { 'accept-encoding': 'gzip' };
    const packed = await node.ask('http', 'plain.apps.test', '/', { headers });
    assert.equal(packed.headers['content-encoding'], 'gzip');
    assert.equal((await node.ask('http', 'plain.apps.test', '/')).headers['content-encoding'], undefined);
  });

  it('logs each request with the captured headers and cookie', async () => {
    const headers = { 'x-trace': 'trace-me-1', 'user-agent': 'browser-of-a-client', cookie: 'basket=full' };
    await node.ask('http', 'plain.apps.test', '/logged?x=1', { headers });
    await until(
      () => node.log.includes('/logged?x=1'),
      () => node.log.slice(-2000),
    );
    const line = node.log.split('\n').find((one) => one.includes('/logged?x=1')) ?? '';
    assert.match(line, /trace-me-1\|browser-of/);
    assert.doesNotMatch(line, /browser-of-/, 'cut at its length');
    assert.match(line, /\{one\}/);
    assert.match(line, /basket=full/);
    assert.match(line, /be_http:shop:plain/);
  });

  it('gives requests an ID, and sets and deletes headers of all', async () => {
    const answer = await node.ask('http', 'plain.apps.test', '/', { headers: { 'x-secret': 'mine' } });
    const seen = answer.echo?.headers ?? {};
    assert.match(seen['x-unique'] ?? '', /^id-[0-9a-f]+$/i);
    assert.equal(seen['x-cluster'], 'a b');
    assert.equal(seen['x-secret'], undefined);
    assert.equal(answer.headers['x-frame-options'], 'DENY');
  });

  it('writes header names in the configured case to servers of Routes that request it', async () => {
    const headers = { 'x-camelcase': '1' };
    const names = async (host: string) => (await node.ask('http', host, '/', { headers })).echo?.rawHeaders ?? [];
    assert.ok((await names('adjusted.apps.test')).includes('X-CamelCase'));
    assert.ok((await names('plain.apps.test')).includes('x-camelcase'));
  });

  it('uses HTTP/2 without TLS to endpoints with an h2c port', async () => {
    assert.equal((await node.ask('http', 'modern.apps.test', '/')).echo?.httpVersion, '2.0');
    assert.equal((await node.ask('http', 'plain.apps.test', '/')).echo?.httpVersion, '1.1');
  });

  it("uses the protocol of each endpoint's own port", async () => {
    const versions = new Set<string | undefined>();
    for (let i = 0; i < 6; i++) versions.add((await node.ask('http', 'mixed.apps.test', '/')).echo?.httpVersion);
    assert.deepEqual(versions, new Set(['1.1', '2.0']));
  });

  it('reaches endpoints over IPv6, and is reachable over it', async () => {
    assert.equal((await node.ask('http', 'six.apps.test', '/')).echo?.server, 'six');
    assert.equal((await node.ask('http', 'plain.apps.test', '/', { address: '::1' })).echo?.server, 'one');
    assert.equal((await node.ask('https', 'edge.apps.test', '/', { address: '::1' })).echo?.server, 'one');
  });

  it('waits for a slow server as long as a Route configures', async () => {
    assert.equal((await node.ask('http', 'slow.apps.test', '/slow/50')).status, 200);
    assert.equal((await node.ask('http', 'slow.apps.test', '/slow/3000')).status, 504);
    assert.equal((await node.ask('http', 'plain.apps.test', '/slow/1500')).status, 200);
  });

  it('limits concurrent connections to a server as a Route configures', async () => {
    const all = Array.from({ length: 10 }, () => node.ask('http', 'narrow.apps.test', '/slow/100'));
    const answers = await Promise.all(all);
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    assert.equal(Math.max(...answers.map(({ echo }) => echo?.mostOpen ?? 0)), 2);
  });

  it('answers with the pages of the administrator', async () => {
    const empty = await node.ask('http', 'empty.apps.test', '/');
    assert.deepEqual([empty.status, empty.body], [503, 'nobody here']);
    const unknown = await node.ask('http', 'unknown.test', '/');
    assert.deepEqual([unknown.status, unknown.body], [404, 'no such route']);
  });

  it('shows the matching default certificate, and rejects names without any', async () => {
    assert.equal((await node.ask('https', 'edge.apps.test', '/')).subject, 'standard');
    const stranger = await node.ask('https', 'edge.other.test', '/');
    assert.ok(stranger.error !== undefined, `${stranger.status}`);
  });

  it('requests client certificates, and passes them to servers', async () => {
    const ask = (client?: { certificate: string; key: string }) =>
      node.ask('https', 'edge.apps.test', '/', {
        ...(client && { client: { cert: client.certificate, key: client.key } }),
        headers: { 'X-SSL-Client-CN': 'forged' },
      });
    const known = (await ask(alice)).echo?.headers ?? {};
    assert.equal(known['x-ssl-client-cn'], 'alice');
    assert.equal(known['x-ssl-client-verify'], '0');
    assert.match(known['x-client'] ?? '', /^[A-Za-z0-9+/]{100,}=*$/);
    assert.notEqual((await ask()).echo?.headers['x-ssl-client-cn'], 'forged');
    const stranger = await ask(mallory);
    assert.ok(stranger.error !== undefined || stranger.echo?.headers['x-ssl-client-verify'] !== '0', 'a stranger');
  });

  it('sets the SameSite attribute of the cookie', async () => {
    const { headers } = await node.ask('https', 'strict.apps.test', '/');
    assert.match(String(headers['set-cookie']), /SameSite=Strict/);
  });
});

describe('A router behind a PROXY protocol balancer in the compiled agent', () => {
  const node = new HttpNode('erhp', {
    ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms',
    ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s',
    ROUTER_USE_PROXY_PROTOCOL: 'true',
  });

  before(async function () {
    this.timeout(30_000);
    await node.up();
    await node.serve({ name: 'one', port: 8001 });
    node.write(
      'all',
      ...service('web', [8001]),
      route('plain', 'plain.test'),
      route('listed', 'listed.test', { annotations: { ip_allowlist: '192.0.2.0/24' } }),
    );
    await node.start('--cleanup-on-exit');
  });
  after(async () => {
    await node.end('SIGTERM');
    node.down();
  });

  const ask = (client: string, host: string) =>
    node.raw(`PROXY TCP4 ${client} 10.97.0.1 50000 80\r\nGET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);

  it('uses the client of the balancer for lists and headers', async () => {
    const { status, body } = await ask('192.0.2.7', 'listed.test');
    assert.equal(status, 200);
    assert.match(body, /"x-forwarded-for":"192\.0\.2\.7"/);
    assert.equal((await ask('198.51.100.7', 'listed.test')).status, 0);
  });

  it('answers no client without it', async () => {
    const { status } = await node.raw('GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n');
    assert.ok(status === 0 || status === 400, `${status}`);
  });
});
