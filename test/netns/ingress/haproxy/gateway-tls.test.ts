import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { after, before, describe, it } from 'mocha';
import { ownInner } from '../../../../src/ingress/haproxy/gateway-names.ts';
import type { HttpState, LogSettings } from '../../../../src/ingress/haproxy/model.ts';
import type { Rule, TlsName, VirtualHost } from '../../../../src/ingress/haproxy/rule.ts';
import { until } from '../../../until.ts';
import { makeBackend, makePem, makeServer, makeSite, makeState } from './fixtures.ts';
import { type Answer, send, World } from './world.ts';

const first = 61_000;
const gateways = {
  ports: { http: { from: first, to: first + 3 }, tls: { from: first + 4, to: first + 7 } },
  inner: 2,
};
const one = '8443@127.0.0.1';
const two = '8444@127.0.0.1';
const ports = { one: first + 4, two: first + 5, none: first + 6 };

function to(backend: string): Rule {
  return { path: { type: 'prefix', value: '/' }, conditions: [], target: { kind: 'backend', backend } };
}

/** Requests with a header. */
const conditional: Rule = {
  ...to('be_http:t:a'),
  conditions: [{ on: 'header', name: 'x-a', type: 'exact', value: 'yes' }],
};

describe('TLS of listeners in a real HAProxy', () => {
  const world = new World();
  let state: HttpState;
  const close: (() => void)[] = [];
  const logged: string[] = [];
  after(async () => {
    for (const each of close) each();
    await world.close();
  });

  before(async () => {
    const echo = async (name: string) =>
      makeBackend(`be_http:t:${name}`, [makeServer(name, '127.0.0.1', await world.server(name))], { http: {} });
    const [passed, other] = [await startPassed('passed.test', close), await startPassed('other.test', close)];
    const backends = [
      await echo('a'),
      await echo('b'),
      await echo('route'),
      await echo('every'),
      makeBackend('be_tcp:t:passed', [makeServer('p', '127.0.0.1', passed)], { mode: 'tcp', balance: 'source' }),
      makeBackend('be_tcp:t:other', [makeServer('o', '127.0.0.1', other)], { mode: 'tcp', balance: 'source' }),
    ];
    const own = (place: string, port: number): readonly VirtualHost[] => [
      { key: `${place}|a.test`, listener: 'gw/a', rules: [to('be_http:t:a')] },
      { key: `${place}|*.w.test`, listener: 'gw/w', rules: [to('be_http:t:b')] },
      { key: `${place}|other.w.test`, listener: 'gw/other', rules: [to('be_http:t:a')] },
      { key: `${place}|*`, listener: `gw/any${port}`, rules: [to('be_http:t:b')] },
    ];
    const shared = (await world.settings()).listen;
    const [plain, secure] = [`${shared.httpPort}@*`, `${shared.httpsPort}@*`];
    const hosts: readonly VirtualHost[] = [
      ...own(one, 8443),
      ...own(two, 8444).slice(0, 3),
      ...[plain, secure].flatMap((place): VirtualHost[] => [
        { key: `${place}|gw.test`, listener: 'gw/own', rules: [to('be_http:t:a')] },
        { key: `${place}|*.gw.test`, listener: 'gw/wild', rules: [to('be_http:t:b')] },
        { key: `${place}|*.wild.test`, listener: 'gw/wild', rules: [to('be_http:t:b')] },
        { key: `${place}|gw.wild.test`, listener: 'gw/wild', rules: [conditional, to('be_http:t:b')] },
      ]),
    ];
    const tlsNames: readonly TlsName[] = [
      ...[one, two].flatMap((place): TlsName[] => [
        { key: `${place}|a.test`, to: 'end' },
        { key: `${place}|*.w.test`, to: 'end' },
        { key: `${place}|*.p.test`, to: 'reject' },
        { key: `${place}|x.y.p.test`, to: { backend: 'be_tcp:t:passed' } },
      ]),
      { key: `${secure}|pass.test`, to: { backend: 'be_tcp:t:passed' } },
      { key: `${secure}|*.pass.test`, to: { backend: 'be_tcp:t:passed' } },
      { key: `${secure}|gw.passed.test`, to: { backend: 'be_tcp:t:passed' } },
      { key: `${secure}|gw.test`, to: 'end' },
      { key: `${secure}|*.gw.test`, to: 'end' },
    ];
    state = makeState({
      settings: await world.settings({ gateways, log: await listen(logged, close) }),
      backends,
      sites: [
        makeSite('route.test', { backend: 'be_http:t:route' }),
        makeSite('route.gw.test', { backend: 'be_http:t:route' }),
        makeSite('route.pass.test', { backend: 'be_http:t:route' }),
        { host: 'gw.passed.test', paths: [], ceded: ['secure'] },
        makeSite('*.wild.test', { path: '/route', backend: 'be_http:t:route' }),
        { host: 'gw.wild.test', paths: [], ceded: ['plain'] },
        makeSite('*', { backend: 'be_http:t:every' }),
      ],
      passthrough: [{ host: '*.passed.test', backend: 'be_tcp:t:other' }],
      certificates: [
        { name: 'one-a', pem: makePem('one.a.test'), hosts: ['a.test'], http2: true, inner: 1 },
        { name: 'one-w', pem: makePem('one.w.test'), hosts: ['*.w.test'], http2: true, inner: 1 },
        { name: 'two-a', pem: makePem('two.a.test'), hosts: ['a.test'], http2: true, inner: 2 },
        { name: 'own', pem: makePem('own.gw.test'), hosts: ['gw.test', '*.gw.test'], http2: true, inner: ownInner },
      ],
      gateways: {
        hosts: new Map(hosts.map((host) => [host.key, host])),
        tlsNames: new Map(tlsNames.map((name) => [name.key, name])),
        places: new Map([
          [one, one],
          [two, two],
        ]),
        ports: new Map([
          [String(ports.one), '8443'],
          [String(ports.two), '8444'],
        ]),
        inner: new Map([
          [one, 1],
          [two, 2],
          [secure, ownInner],
        ]),
        defaults: new Map([[1, makePem('usual.test')]]),
      },
    });
    const outcome = await world.engine.start(state);
    assert.deepEqual([outcome.refused, world.problems], [[], []]);
  });

  it('uses the certificates of the place, and its usual one for other names', async () => {
    const names = await Promise.all([
      seeCertificate(ports.one, 'a.test'),
      seeCertificate(ports.two, 'a.test'),
      seeCertificate(ports.one, 'x.w.test'),
      seeCertificate(ports.one, 'unknown.test'),
      seeCertificate(ports.two, 'unknown.test'),
    ]);
    assert.deepEqual(names, ['one.a.test', 'two.a.test', 'one.w.test', 'usual.test', 'default.test']);
  });

  it('forwards the TLS of a name with any number of labels, and closes that of a name without a route', async () => {
    assert.equal(await seeCertificate(ports.one, 'x.y.p.test'), 'passed.test');
    await assert.rejects(seeCertificate(ports.one, 'z.p.test'));
    await assert.rejects(seeCertificate(ports.none, 'a.test'));
  });

  it('answers 421 for a host of another listener, and 404 for a host without one', async () => {
    const statuses = await Promise.all(
      [
        ['a.test', 'a.test'],
        ['x.w.test', 'y.z.w.test'],
        ['x.w.test', 'other.w.test'],
        ['a.test', 'x.w.test'],
        ['x.w.test', 'unknown.test'],
      ].map(async ([sni = '', host = '']) => (await getSecure(ports.two, sni, host)).status),
    );
    assert.deepEqual(statuses, [200, 200, 421, 421, 404]);
  });

  it('speaks HTTP/2 with TLS, and without it if the client starts so', async () => {
    const secure = await getHttp2(`https://127.0.0.1:${ports.one}`, 'a.test');
    assert.deepEqual(secure, [200, 'a']);
    const { httpPort } = world;
    assert.deepEqual(await getHttp2(`http://127.0.0.1:${httpPort}`, 'gw.test'), [200, 'a']);
    assert.deepEqual(await getHttp2(`http://127.0.0.1:${httpPort}`, 'unknown.test'), [200, 'every']);
  });

  it('serves listeners on the ports of Routes where no Route has the host', async () => {
    const { httpPort, httpsPort } = world;
    const get = async (host: string) =>
      describeAnswer(await send(httpRequest({ host: '127.0.0.1', port: httpPort, headers: { host }, agent: false })));
    const hosts = [
      'route.test',
      'GW.test',
      'x.y.gw.test',
      'x.wild.test',
      'gw.wild.test',
      'x.y.wild.test',
      'unknown.test',
    ];
    assert.deepEqual(await Promise.all(hosts.map(get)), [
      'route route.test',
      'a GW.test',
      'b x.y.gw.test',
      '503',
      'b gw.wild.test',
      'b x.y.wild.test',
      'every unknown.test',
    ]);
    assert.equal(describeAnswer(await getSecure(httpsPort, 'x.gw.test', 'X.gw.test')), 'b X.gw.test');
    assert.equal(describeAnswer(await getSecure(httpsPort, 'x.gw.test', 'gw.test')), '421');
    assert.equal(await seeCertificate(httpsPort, 'gw.test'), 'own.gw.test');
    assert.equal(await seeCertificate(httpsPort, 'pass.test'), 'passed.test');
    assert.equal(await seeCertificate(httpsPort, 'other.test'), 'default.test');
  });

  it('keeps the names of Routes from the certificates of listeners on their port, and the reverse', async () => {
    const { httpsPort } = world;
    const names = ['route.gw.test', 'route.pass.test', 'x.pass.test', 'gw.passed.test', 'x.passed.test'];
    const seen = await Promise.all(names.map((name) => seeCertificate(httpsPort, name)));
    assert.deepEqual(seen, ['default.test', 'default.test', 'passed.test', 'passed.test', 'other.test']);
    const answers = await Promise.all([
      getSecure(httpsPort, 'route.gw.test', 'route.gw.test'),
      // A browser may use a connection for each host of its certificate.
      getSecure(httpsPort, 'x.gw.test', 'route.gw.test'),
      getSecure(httpsPort, 'x.gw.test', 'y.wild.test'),
      getSecure(httpsPort, 'route.gw.test', 'x.gw.test'),
      getSecure(httpsPort, 'x.gw.test', 'y.z.gw.test'),
      getSecure(httpsPort, 'unknown.test', 'unknown.test'),
    ]);
    assert.deepEqual(answers.map(describeAnswer), [
      'route route.gw.test',
      '421',
      '421',
      '421',
      'b y.z.gw.test',
      'every unknown.test',
    ]);
  });

  it('resumes no session at a frontend of other listeners (TLS 1.2)', () => {
    const { httpsPort } = world;
    const ends: readonly (readonly [port: number, name: string])[] = [
      [ports.one, 'a.test'],
      [ports.two, 'a.test'],
      [httpsPort, 'gw.test'],
      [httpsPort, 'route.test'],
    ];
    const file = (index: number) => join(world.directory, `session-${index}`);
    for (const [index, [port, name]] of ends.entries()) shake(port, name, '-sess_out', file(index));
    // A frontend without tickets and cache issues no session; the one of Routes issues tickets.
    const issued = ends.map((_, index) => existsSync(file(index)));
    assert.equal(issued.at(-1), true);
    const resumed = ends.flatMap((from, index) =>
      (issued[index] === true ? ends : [])
        .filter((to) => to !== from)
        .filter(([port, name]) => !shake(port, name, '-sess_in', file(index)).includes('New, TLSv1.2'))
        .map(([port, name]) => `${from.join(' ')} at ${port} ${name}`),
    );
    assert.deepEqual(resumed, []);
  });

  it('logs the names of backends and servers, whatever led to them', async () => {
    const { httpPort, httpsPort } = world;
    const asked: readonly (readonly [path: string, host: string, want: string, header?: string])[] = [
      ['/1', 'route.test', 'be_http:t:route route 200'],
      ['/2', 'ROUTE.test.:80', 'be_http:t:route route 200'],
      ['/route/3', 'x.wild.test', 'be_http:t:route route 200'],
      ['/4', 'gw.test', 'be_http:t:a a 200'],
      ['/5', 'gw.wild.test', 'be_http:t:a a 200', 'yes'],
      ['/6', 'gw.wild.test', 'be_http:t:b b 200'],
      ['/7', 'unknown.test', 'be_http:t:every every 200'],
      ['/8', 'x.wild.test', 'openshift_default <NOSRV> 503'],
    ];
    for (const [path, host, , header] of asked)
      await send(
        httpRequest({
          host: '127.0.0.1',
          port: httpPort,
          path,
          agent: false,
          headers: { host, ...(header !== undefined && { 'x-a': header }) },
        }),
      );
    await getSecure(httpsPort, 'gw.test', 'gw.test', '/9');
    await getSecure(ports.one, 'a.test', 'a.test', '/10');
    await getSecure(ports.one, 'a.test', 'unknown.w.test', '/11');
    const wanted = [
      ...asked.map(([path, , want]) => `${path} ${want}`),
      '/9 be_http:t:a a 200',
      '/10 be_http:t:a a 200',
      '/11 openshift_default <NOSRV> 421',
    ];
    const found = () => wanted.filter((line) => logged.some((one) => one.endsWith(` ${line}`)));
    await until(
      () => found().length === wanted.length,
      () => [found(), logged],
      10_000,
    );
  });

  it('changes certificates and places without a reload, and resumes with them', async () => {
    const certificates = new Map(state.certificates);
    certificates.set('two-a', { name: 'two-a', pem: makePem('new.a.test'), hosts: ['a.test'], http2: true, inner: 2 });
    const changed = {
      ...state,
      certificates,
      gateways: { ...state.gateways, defaults: new Map([[2, makePem('two.test')]]) },
    };
    const { waiting, refused } = await world.engine.apply(changed);
    assert.deepEqual([[...waiting], refused], [[], []]);
    const look = async () =>
      await Promise.all([
        seeCertificate(ports.two, 'a.test'),
        seeCertificate(ports.two, 'unknown.test'),
        seeCertificate(ports.one, 'unknown.test'),
      ]);
    assert.deepEqual(await look(), ['new.a.test', 'two.test', 'default.test']);
    await world.engine.release();
    const before = (await world.engine.describe()).pid;
    world.engine = world.makeEngine();
    await world.engine.start(changed);
    assert.deepEqual(
      [(await world.engine.describe()).pid === before, await look()],
      [true, ['new.a.test', 'two.test', 'default.test']],
    );
  });
});

/** Opens a connection with TLS 1.2, and returns what openssl reports. */
function shake(port: number, name: string, ...options: readonly string[]): string {
  const words = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', name, '-tls1_2', ...options];
  return execFileSync('/usr/bin/openssl', words, { input: '', stdio: ['pipe', 'pipe', 'ignore'] }).toString();
}

/** Collects the lines of an access log. */
async function listen(lines: string[], close: (() => void)[]): Promise<LogSettings> {
  const socket = createSocket('udp4');
  socket.on('message', (message) => lines.push(message.toString().trim()));
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  close.push(() => socket.close());
  return {
    target: { kind: 'syslog', address: `127.0.0.1:${socket.address().port}` },
    facility: 'local1',
    level: 'info',
    maxLength: 1024,
    httpFormat: '%HP %b %s %ST',
    captureRequestHeaders: [],
    captureResponseHeaders: [],
  };
}

async function startPassed(name: string, close: (() => void)[]): Promise<number> {
  const pem = makePem(name);
  const server = createServer({ key: pem, cert: pem }, (socket) => socket.end());
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  close.push(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Returns the name of the certificate that a server shows. */
async function seeCertificate(port: number, servername: string): Promise<string> {
  const socket: TLSSocket = connect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false });
  try {
    await once(socket, 'secureConnect');
    const { subject } = socket.getPeerCertificate();
    return String(subject.CN);
  } finally {
    socket.destroy();
  }
}

async function getSecure(port: number, servername: string, host: string, path = '/'): Promise<Answer> {
  const words = { host: '127.0.0.1', port, servername, rejectUnauthorized: false, path, agent: false };
  return await send(httpsRequest({ ...words, headers: { host } }));
}

async function getHttp2(url: string, authority: string): Promise<readonly [number, string]> {
  const session = connectHttp2(url, { servername: authority, rejectUnauthorized: false });
  try {
    const stream = session.request({ ':authority': authority });
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    let body = '';
    for await (const chunk of stream) body += String(chunk);
    const isOurs = headers['content-type'] === 'application/json';
    return [Number(headers[':status']), isOurs ? (JSON.parse(body) as { server: string }).server : ''];
  } finally {
    session.destroy();
  }
}

function describeAnswer({ status, echo }: Answer): string {
  return echo === undefined ? String(status) : `${echo.server} ${echo.headers.host}`;
}
