import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { after, before, describe, it } from 'mocha';
import type { HttpState } from '../../../../src/ingress/haproxy/model.ts';
import type { Rule, TlsName, VirtualHost } from '../../../../src/ingress/haproxy/rule.ts';
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

describe('TLS of listeners in a real HAProxy', () => {
  const world = new World();
  let state: HttpState;
  const close: (() => void)[] = [];
  after(async () => {
    for (const each of close) each();
    await world.close();
  });

  before(async () => {
    const echo = async (name: string) =>
      makeBackend(`be_http:t:${name}`, [makeServer(name, '127.0.0.1', await world.server(name))], { http: {} });
    const passed = await startPassed('passed.test', close);
    const backends = [
      await echo('a'),
      await echo('b'),
      await echo('route'),
      makeBackend('be_tcp:t:passed', [makeServer('p', '127.0.0.1', passed)], { mode: 'tcp', balance: 'source' }),
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
    ];
    state = makeState({
      settings: await world.settings({ gateways }),
      backends,
      sites: [makeSite('route.test', { backend: 'be_http:t:route' })],
      certificates: [
        { name: 'one-a', pem: makePem('one.a.test'), hosts: ['a.test'], http2: true, inner: 1 },
        { name: 'one-w', pem: makePem('one.w.test'), hosts: ['*.w.test'], http2: true, inner: 1 },
        { name: 'two-a', pem: makePem('two.a.test'), hosts: ['a.test'], http2: true, inner: 2 },
        { name: 'own', pem: makePem('own.gw.test'), hosts: ['gw.test', '*.gw.test'], http2: true },
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
    assert.deepEqual(await getHttp2(`http://127.0.0.1:${httpPort}`, 'unknown.test'), [503, '']);
  });

  it('serves listeners on the ports of Routes where no Route has the host', async () => {
    const { httpPort, httpsPort } = world;
    const get = async (host: string) =>
      describeAnswer(await send(httpRequest({ host: '127.0.0.1', port: httpPort, headers: { host }, agent: false })));
    assert.deepEqual(await Promise.all(['route.test', 'GW.test', 'x.y.gw.test', 'unknown.test'].map(get)), [
      'route route.test',
      'a GW.test',
      'b x.y.gw.test',
      '503',
    ]);
    assert.equal(describeAnswer(await getSecure(httpsPort, 'x.gw.test', 'X.gw.test')), 'b X.gw.test');
    assert.equal(describeAnswer(await getSecure(httpsPort, 'x.gw.test', 'gw.test')), '421');
    assert.equal(await seeCertificate(httpsPort, 'gw.test'), 'own.gw.test');
    assert.equal(await seeCertificate(httpsPort, 'pass.test'), 'passed.test');
    assert.equal(await seeCertificate(httpsPort, 'other.test'), 'default.test');
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

async function getSecure(port: number, servername: string, host: string): Promise<Answer> {
  return await send(
    httpsRequest({ host: '127.0.0.1', port, servername, rejectUnauthorized: false, headers: { host }, agent: false }),
  );
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
