import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { after, before, describe, it } from 'mocha';
import type { HttpState } from '../../../../src/ingress/haproxy/model.ts';
import { makeBackend, makePem, makeServer, makeSettings, makeSite, makeState } from './fixtures.ts';
import { World } from './world.ts';

const secure = { http: { tls: {} } } as const;

describe('TLS in a real HAProxy', () => {
  const world = new World();
  const servers: { close(): void }[] = [];
  let state: HttpState;
  let port: number;
  const [own, renewed, serverPem, shared] = ['own.test', 'own.test', 'svc.ns.svc', '*.shared.test'].map((name) =>
    makePem(name),
  );

  /** An HTTPS server that says its name. */
  async function tlsServer(name: string, pem: string): Promise<number> {
    const server = createHttpsServer({ key: pem, cert: pem }, (_, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ server: name, url: '', headers: {} }));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  /** The name in the certificate that a ClientHello gets; with ALPN what was agreed. */
  async function handshake(servername: string, alpn?: string[]): Promise<string> {
    const socket: TLSSocket = connectTls({
      host: '127.0.0.1',
      port: world.httpsPort,
      rejectUnauthorized: false,
      ...(servername === '' ? {} : { servername }),
      ...(alpn === undefined ? {} : { ALPNProtocols: alpn }),
    });
    return await new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.on('secureConnect', () => {
        const { subject } = socket.getPeerCertificate();
        resolve([subject.CN, ...(alpn === undefined ? [] : [socket.alpnProtocol || 'none'])].join(' '));
        socket.destroy();
      });
    });
  }

  /** Statuses of requests on one HTTP/2 connection, without TLS if there is no server name. */
  async function http2(servername: string | undefined, authorities: readonly string[], path = '/'): Promise<number[]> {
    const session =
      servername === undefined
        ? connectHttp2(`http://127.0.0.1:${world.httpPort}`)
        : connectHttp2(`https://127.0.0.1:${world.httpsPort}`, { servername, rejectUnauthorized: false });
    try {
      const statuses: number[] = [];
      for (const authority of authorities) {
        const stream = session.request({ ':path': path, ':authority': authority });
        statuses.push(
          await new Promise<number>((resolve, reject) => {
            stream.on('response', (headers) => resolve(Number(headers[':status'])));
            stream.on('error', reject);
            session.on('error', reject);
          }),
        );
        stream.close();
      }
      return statuses;
    } finally {
      session.destroy();
    }
  }

  after(async () => {
    await world.close();
    for (const server of servers) server.close();
  });
  before(async () => {
    port = await world.server('plain');
    const plain = makeServer('pod:plain', '127.0.0.1', port);
    const tls = makeServer('pod:tls', '127.0.0.1', await tlsServer('tls', serverPem ?? ''));
    const authorities = { good: certificateOf(serverPem ?? ''), other: certificateOf(own ?? '') };
    state = makeState({
      settings: await world.settings(),
      authorities,
      backends: [
        makeBackend('be_edge_http:t:own', [plain]),
        makeBackend('be_secure:t:any', [tls], secure),
        makeBackend('be_secure:t:good', [{ ...tls, verifyHost: 'svc.ns.svc' }], {
          http: { tls: { authority: 'good' } },
        }),
        makeBackend('be_secure:t:name', [{ ...tls, verifyHost: 'x.ns.svc' }], { http: { tls: { authority: 'good' } } }),
        makeBackend('be_secure:t:other', [tls], { http: { tls: { authority: 'other' } } }),
        makeBackend('be_tcp:t:pass', [tls], { mode: 'tcp', balance: 'source' }),
        makeBackend('be_tcp:t:refused', [tls], { mode: 'tcp', balance: 'source', allowList: [] }),
        makeBackend('be_tcp:t:rated', [tls], { mode: 'tcp', balance: 'source', limits: { connectionRate: 2 } }),
      ],
      sites: [
        makeSite('own.test', { backend: 'be_edge_http:t:own' }),
        makeSite('one.shared.test', { backend: 'be_edge_http:t:own' }),
        makeSite('two.shared.test', { backend: 'be_edge_http:t:own' }),
        makeSite('bare.test', { backend: 'be_edge_http:t:own' }),
        makeSite('any.test', { backend: 'be_secure:t:any' }),
        makeSite('good.test', { backend: 'be_secure:t:good' }),
        makeSite('name.test', { backend: 'be_secure:t:name' }),
        makeSite('other.test', { backend: 'be_secure:t:other' }),
        makeSite('ours.passed.test', { backend: 'be_edge_http:t:own' }),
      ],
      passthrough: [
        { host: 'pass.test', backend: 'be_tcp:t:pass' },
        { host: '*.passed.test', backend: 'be_tcp:t:pass' },
        { host: 'refused.test', backend: 'be_tcp:t:refused' },
        { host: 'rated.test', backend: 'be_tcp:t:rated' },
      ],
      certificates: [
        { name: 't:own', pem: own ?? '', hosts: ['own.test'], http2: true },
        { name: 't:shared', pem: shared ?? '', hosts: ['*.shared.test'], http2: true },
      ],
    });
    const { refused } = await world.engine.start(state);
    assert.deepEqual(refused, []);
  });

  it('a host gets its certificate, others the default one', async () => {
    assert.equal(await handshake('own.test'), 'own.test');
    assert.equal(await handshake('any.shared.test'), '*.shared.test');
    assert.equal(await handshake('nobody.test'), 'default.test');
    assert.equal(await handshake(''), 'default.test');
  });
  it("HTTP/2 is offered with a Route's own certificate, never with the default one", async () => {
    assert.equal(await handshake('own.test', ['h2', 'http/1.1']), 'own.test h2');
    assert.equal(await handshake('bare.test', ['h2', 'http/1.1']), 'default.test none');
    assert.equal(await handshake('', ['h2', 'http/1.1']), 'default.test none');
  });
  it('HTTP/2: requests for hosts that the certificate does not cover get 421', async () => {
    assert.deepEqual(
      await http2('own.test', ['own.test', 'OWN.test:443', 'one.shared.test', 'bare.test']),
      [200, 200, 421, 421],
    );
    assert.deepEqual(
      await http2('one.shared.test', ['one.shared.test', 'two.shared.test', 'own.test']),
      [200, 200, 421],
    );
  });
  it('HTTP/2: a path with the mark that ends the keys of maps gets 400', async () => {
    // The bytes of the mark; HTTP/1 rejects them, as does the test's server. Other answers are those for unknown hosts.
    const marked = '/a/\u00c2\u00b6';
    assert.deepEqual(await http2('own.test', ['own.test', 'nobody.test'], '/a/'), [200, 421]);
    assert.deepEqual(await http2('own.test', ['own.test', 'nobody.test'], marked), [400, 400]);
    assert.deepEqual(await http2(undefined, ['own.test', 'nobody.test'], '/a/'), [200, 503]);
    assert.deepEqual(await http2(undefined, ['own.test', 'nobody.test'], marked), [400, 400]);
  });
  it('a new certificate is used without a reload', async () => {
    const { serialNumber } = await peer('own.test');
    state = {
      ...state,
      certificates: new Map([
        ...state.certificates,
        ['t:own', { name: 't:own', pem: renewed ?? '', hosts: ['own.test'], http2: true }],
      ]),
    };
    assert.equal((await world.engine.apply(state)).pendingReload, false);
    assert.notEqual((await peer('own.test')).serialNumber, serialNumber);
    assert.equal(await handshake('own.test', ['h2']), 'own.test h2');
  });
  it('a certificate for more hosts, without HTTP/2, and one removed', async () => {
    const all = state.certificates;
    const changed = { name: 't:own', pem: renewed ?? '', hosts: ['own.test', 'bare.test'], http2: false };
    await world.engine.apply({ ...state, certificates: new Map([['t:own', changed]]) });
    assert.equal(await handshake('bare.test', ['h2', 'http/1.1']), 'own.test none');
    assert.equal(await handshake('one.shared.test'), 'default.test');
    assert.equal((await world.engine.apply({ ...state, certificates: all })).pendingReload, false);
    assert.equal(await handshake('one.shared.test'), '*.shared.test');
  });
  it('the default certificate is replaced without a reload', async () => {
    const tls = { ...state.settings.tls, defaultCertificate: makePem('other-default.test') };
    assert.equal((await world.engine.apply({ ...state, settings: { ...state.settings, tls } })).pendingReload, false);
    assert.equal(await handshake('nobody.test'), 'other-default.test');
    assert.equal(await handshake(''), 'other-default.test');
    await world.engine.apply(state);
  });

  async function peer(servername: string): Promise<{ serialNumber: string }> {
    const socket = connectTls({ host: '127.0.0.1', port: world.httpsPort, servername, rejectUnauthorized: false });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return { serialNumber };
  }

  const reencrypt: readonly (readonly [what: string, host: string, status: number])[] = [
    ['nothing is verified without an authority', 'any.test', 200],
    ['an authority that signed and the right name', 'good.test', 200],
    ['a wrong name', 'name.test', 503],
    ['an authority that did not sign', 'other.test', 503],
  ];
  for (const [what, host, status] of reencrypt) {
    it(`to servers: ${what}`, async () => {
      assert.equal((await world.getSecure(host, '/')).status, status);
    });
  }
  it('an authority is replaced without a reload', async () => {
    const authorities = new Map([...state.authorities, ['other', certificateOf(serverPem ?? '')]]);
    assert.equal((await world.engine.apply({ ...state, authorities })).pendingReload, false);
    assert.equal((await world.getSecure('other.test', '/')).status, 200);
    await world.engine.apply(state);
  });

  it('a wildcard that moves to another certificate keeps HTTP/2', async () => {
    const certificates = new Map([...state.certificates].filter(([name]) => name !== 't:shared'));
    const moved = { name: 't:moved', pem: shared ?? '', hosts: ['*.shared.test'], http2: true };
    await world.engine.apply({ ...state, certificates: new Map([...certificates, [moved.name, moved]]) });
    assert.equal(await handshake('any.shared.test'), '*.shared.test');
    assert.deepEqual(await http2('one.shared.test', ['one.shared.test', 'two.shared.test']), [200, 200]);
    await world.engine.apply(state);
    assert.deepEqual(await http2('one.shared.test', ['two.shared.test', 'own.test']), [200, 421]);
  });

  it('names of the maximum length have files, at run time and after a reload', async () => {
    const name = `${'n'.repeat(63)}:${'a'.repeat(253)}`;
    const id = `be_secure:${name}`;
    const server = state.backends.get('be_secure:t:good')?.servers[0];
    assert.ok(server);
    const certificate = { name, pem: makePem('long.test'), hosts: ['long.test'], http2: false };
    const long: HttpState = {
      ...state,
      certificates: new Map([...state.certificates, [name, certificate]]),
      authorities: new Map([...state.authorities, [name, certificateOf(serverPem ?? '')]]),
      backends: new Map([...state.backends, [id, makeBackend(id, [server], { http: { tls: { authority: name } } })]]),
      sites: new Map([...state.sites, ['long.test', makeSite('long.test', { backend: id })]]),
    };
    const { refused, pendingReload } = await world.engine.apply(long);
    assert.deepEqual([refused, pendingReload], [[], false]);
    await world.engine.settle();
    const answers = async () => [await handshake('long.test'), (await world.getSecure('long.test', '/')).status];
    assert.deepEqual(await answers(), ['long.test', 200]);
    const reloaded = new Promise<void>((resolve) => world.once(resolve));
    await world.engine.apply({ ...long, settings: { ...long.settings, forwarded: 'never' } });
    await reloaded;
    assert.deepEqual(await answers(), ['long.test', 200]);
    const again = new Promise<void>((resolve) => world.once(resolve));
    await world.engine.apply(state);
    await again;
  });

  it('passthrough redirects plain clients to https if configured, and otherwise hides them from a wildcard', async () => {
    const sites = [
      makeSite('pass.test', { plain: 'redirect', secure: false, backend: 'be_tcp:t:pass' }),
      makeSite('refused.test', { plain: 'redirect', secure: false, backend: 'be_tcp:t:refused' }),
      makeSite('silent.wild.test', { plain: 'none', secure: false, backend: 'be_tcp:t:pass' }),
      makeSite('*.wild.test', { plain: 'redirect', backend: 'be_edge_http:t:own' }),
    ];
    const passthrough = new Map([
      ...state.passthrough,
      ['silent.wild.test', { host: 'silent.wild.test', backend: 'be_tcp:t:pass' }],
    ]);
    const all = new Map([...state.sites, ...sites.map((site) => [site.host, site] as const)]);
    await world.engine.apply({ ...state, sites: all, passthrough });
    const answer = await world.get('pass.test', '/a?b');
    assert.deepEqual([answer.status, answer.headers.location], [302, 'https://pass.test/a?b']);
    await assert.rejects(world.get('refused.test', '/'));
    assert.deepEqual(
      [(await world.get('silent.wild.test', '/')).status, (await world.get('other.wild.test', '/')).status],
      [503, 302],
    );
    await world.engine.apply(state);
  });

  it('passthrough forwards the connection to the server, by name and by wildcard', async () => {
    assert.equal(await handshake('pass.test'), 'svc.ns.svc');
    assert.equal(await handshake('PASS.test'), 'svc.ns.svc');
    assert.equal(await handshake('x.passed.test'), 'svc.ns.svc');
    assert.equal(await handshake('pass.test.'), 'svc.ns.svc', 'as the host in a URL with a final dot');
  });
  it('a host with its own TLS below a passthrough wildcard keeps it', async () => {
    assert.equal(await handshake('ours.passed.test'), 'default.test');
  });
  it('passthrough supports allow-lists and limits', async () => {
    await assert.rejects(handshake('refused.test'));
    assert.equal(await handshake('rated.test'), 'svc.ns.svc');
    await assert.rejects(handshake('rated.test'));
  });
  it('passthrough is added and removed without a reload', async () => {
    const { pendingReload } = await world.engine.apply({ ...state, passthrough: new Map() });
    assert.equal(pendingReload, false);
    assert.equal(await handshake('pass.test'), 'default.test');
    await world.engine.apply(state);
    assert.equal(await handshake('pass.test'), 'svc.ns.svc');
  });
});

describe('Client certificates in a real HAProxy', () => {
  const world = new World();
  const folder = mkdtempSync(join(tmpdir(), 'client-ca-'));
  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await world.close();
  });
  const make = (...words: string[]): void =>
    void execFileSync('/usr/bin/openssl', words, { cwd: folder, stdio: 'ignore' });
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const key = (name: string): object => ({ key: read(`${name}.key`), cert: read(`${name}.crt`) });

  before(async () => {
    make(
      ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout ca.key -out ca.crt -subj /CN=ca'.split(
        ' ',
      ),
    );
    for (const name of ['alice', 'mallory']) {
      make(
        ...`req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`.split(
          ' ',
        ),
      );
      make(...`x509 -req -in ${name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out ${name}.crt`.split(' '));
    }
    const port = await world.server('plain');
    const clientTls = { verify: 'optional', authorities: read('ca.crt'), subjectFilter: '^/CN=(alice|)$' } as const;
    const settings = await world.settings({ clientTls });
    const backend = makeBackend('be_edge_http:t:m', [makeServer('pod:plain', '127.0.0.1', port)]);
    await world.engine.start(
      makeState({ settings, backends: [backend], sites: [makeSite('m.test', { backend: backend.id })] }),
    );
  });

  it('a valid certificate is passed to the server', async () => {
    const { echo } = await world.getSecure('m.test', '/', {}, key('alice'));
    const told = Object.keys(echo?.headers ?? {}).filter((name) => name.startsWith('x-ssl'));
    assert.deepEqual(told.map((name) => name.replace('x-ssl-client-', '')).sort(), [
      'cn',
      'der',
      'dn',
      'notafter',
      'notbefore',
      'serial',
      'sha1',
      'verify',
      'version',
      'x-ssl',
      'x-ssl-issuer',
    ]);
    assert.equal(echo?.headers['x-ssl-client-cn'], 'alice');
  });
  it('another subject gets 403', async () => {
    assert.equal((await world.getSecure('m.test', '/', {}, key('mallory'))).status, 403);
  });
  it('certificate headers from outside are removed', async () => {
    const { echo } = await world.get('m.test', '/', { 'x-ssl-client-cn': 'alice', 'x-ssl': '1', proxy: 'http://evil' });
    assert.deepEqual(
      [echo?.headers['x-ssl-client-cn'], echo?.headers['x-ssl'], echo?.headers.proxy],
      [undefined, undefined, undefined],
    );
  });
  it('a revoked one is rejected after a reload', async () => {
    writeFileSync(join(folder, 'index.txt'), '');
    writeFileSync(
      join(folder, 'ca.cnf'),
      '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=2\n',
    );
    make(...'ca -config ca.cnf -revoke alice.crt -keyfile ca.key -cert ca.crt'.split(' '));
    make(...'ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.crt -out ca.crl'.split(' '));
    const reloaded = new Promise<void>((resolve) => world.once(resolve));
    const clientTls = { verify: 'required', authorities: read('ca.crt'), revocations: read('ca.crl') } as const;
    const { waiting } = await world.engine.apply(makeState({ settings: await world.settings({ clientTls }) }));
    assert.deepEqual([...waiting.keys()], ['settings']);
    await reloaded;
    await assert.rejects(world.getSecure('m.test', '/', {}, key('alice')));
    await assert.rejects(world.getSecure('m.test', '/'));
    assert.equal((await world.getSecure('m.test', '/', {}, key('mallory'))).status, 503);
  });
});

describe('Frontends of a real HAProxy', () => {
  const world = new World();
  after(() => world.close());
  before(async () => {
    const port = await world.server('plain');
    const settings = await world.settings();
    const backend = makeBackend('be_http:t:d', [makeServer('pod:plain', '127.0.0.1', port)]);
    const page = (status: string): string =>
      `HTTP/1.0 ${status}\r\nContent-Type: text/plain\r\n\r\nour page ${status}\n`;
    await world.engine.start(
      makeState({
        settings: makeSettings({
          ...settings,
          listen: { ...settings.listen, proxyProtocol: true },
          errorPages: { 404: page('404 Not Found'), 503: page('503 Service Unavailable') },
          healthUri: '/_health',
          headerCases: ['X-Forwarded-For'],
        }),
        backends: [backend, makeBackend('be_http:t:none', [])],
        sites: [makeSite('d.test', { backend: backend.id }), makeSite('none.test', { backend: 'be_http:t:none' })],
      }),
    );
  });

  /** What comes for raw bytes on the plain port, behind a PROXY header. */
  async function raw(request: string): Promise<string> {
    const socket: Socket = connect(world.httpPort, '127.0.0.1');
    socket.setEncoding('latin1');
    return await new Promise((resolve, reject) => {
      let all = '';
      socket.on('data', (chunk: string) => {
        all += chunk;
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(all));
      socket.write(`PROXY TCP6 2001:db8::7 2001:db8::1 1234 8443\r\n${request}`);
    });
  }
  const get = (lines = '', version = '1.1'): string =>
    `GET / HTTP/${version}\r\nHost: d.test\r\nConnection: close\r\n${lines}\r\n`;

  it('the PROXY protocol determines the client', async () => {
    const answer = await raw(get());
    assert.match(answer, /"x-forwarded-for":"2001:db8::7"/);
    assert.match(answer, /"x-forwarded-port":"8443"/);
    assert.match(answer, /"forwarded":"for=\\"\[2001:db8::7\]\\";host=d.test;proto=http"/);
  });
  it('a host without a Route and a Route without servers get their pages', async () => {
    assert.match(
      await raw('GET / HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n\r\n'),
      /^HTTP\/1.. 404 [\s\S]*our page 404/,
    );
    assert.match(
      await raw('GET / HTTP/1.1\r\nHost: none.test\r\nConnection: close\r\n\r\n'),
      /^HTTP\/1.. 503 [\s\S]*our page 503/,
    );
  });
  it('the health URI answers for any host', async () => {
    assert.match(await raw('GET /_health HTTP/1.0\r\n\r\n'), /^HTTP\/1.\d 200/);
  });
  const refused: readonly (readonly [what: string, request: string])[] = [
    ['an empty Content-Length', get('Content-Length: \r\n')],
    ['two Content-Lengths that differ', get('Content-Length: 1\r\nContent-Length: 2\r\n')],
    ['HTTP/3.7', get('', '3.7')],
    ['NUL in a header', get('X-A: a\0b\r\n')],
  ];
  for (const [what, request] of refused) {
    it(`${what} is rejected`, async () => {
      assert.match(await raw(request), /^HTTP\/1.1 4\d\d /);
    });
  }
  it('Upgrade to h2c does not reach servers', async () => {
    assert.doesNotMatch(await raw(get('Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n')), /"upgrade"/);
  });
  it('a slow header of another request delays no client', async () => {
    assert.match(await raw(get('X-Folded: a\r\n b\r\n')), /"x-folded":"a\s+b"|^HTTP\/1.1 400/);
  });
});

/** Only the certificate of a PEM with its key. */
function certificateOf(pem: string): string {
  return /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----\n/.exec(pem)?.[0] ?? '';
}
