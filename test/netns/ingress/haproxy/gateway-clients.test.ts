import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { execa } from 'execa';
import { after, before, describe, it } from 'mocha';
import type { HttpState } from '../../../../src/ingress/haproxy/model.ts';
import type { ClientAuthorities, Rule, TlsName, VirtualHost } from '../../../../src/ingress/haproxy/rule.ts';
import { TestAuthority } from '../../../lab/certificates.ts';
import { until } from '../../../until.ts';
import { makeBackend, makePem, makeServer, makeState } from './fixtures.ts';
import { World } from './world.ts';

const first = 61_100;
const gateways = {
  ports: { http: { from: first, to: first + 1 }, tls: { from: first + 2, to: first + 3 } },
  inner: 1,
  clients: 3,
  ended: 1,
};
const place = '8443@127.0.0.1';
const port = first + 2;

function to(backend: string): Rule {
  return { path: { type: 'prefix', value: '/' }, conditions: [], target: { kind: 'backend', backend } };
}

/** The ways in which a client can offer an earlier session. */
const versions = [
  ['TLS 1.2 with tickets', ['-tls1_2']],
  ['TLS 1.2 with session IDs', ['-tls1_2', '-no_ticket']],
  ['TLS 1.3', ['-tls1_3']],
] as const;

describe('client certificates of listeners in a real HAProxy', () => {
  const world = new World();
  const folder = mkdtempSync(join(tmpdir(), 'clients-'));
  // Two authorities have one name, as an attacker may choose.
  const authorities = {
    one: new TestAuthority('clients'),
    two: new TestAuthority('clients'),
    three: new TestAuthority('others'),
  };
  let state: HttpState;
  const close: (() => void)[] = [];

  const clients = (scope: string, { certificate: pem }: TestAuthority): ClientAuthorities => ({ scope, pem });

  before(async () => {
    for (const [name, authority] of Object.entries(authorities)) {
      const { certificate, key } = authority.issue({ name: `client ${name}` });
      writeFileSync(join(folder, `${name}.pem`), `${certificate}${key}`);
    }
    const tcp = createServer((socket) => socket.end('plain tcp\n')).listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    close.push(() => tcp.close());
    const echo = async (name: string) =>
      makeBackend(`be_http:t:${name}`, [makeServer(name, '127.0.0.1', await world.server(name))], { http: {} });
    const backends = [
      await echo('open'),
      await echo('one'),
      await echo('two'),
      await echo('any'),
      makeBackend('be_tcp:t:ended', [makeServer('e', '127.0.0.1', (tcp.address() as { port: number }).port)], {
        mode: 'tcp',
        balance: 'source',
      }),
    ];
    const host = (name: string, inner?: number): VirtualHost => ({
      key: `${place}|${name}.test`,
      listener: `gw/${name}`,
      ...(inner !== undefined && { inner }),
      rules: [to(`be_http:t:${name}`)],
    });
    const shared = `${(await world.settings()).listen.httpsPort}@*`;
    const hosts = [
      host('open'),
      host('one', 2),
      host('two', 3),
      host('any', 5),
      { key: `${shared}|one.test`, listener: 'gw/shared', inner: 4, rules: [to('be_http:t:one')] },
    ];
    const tlsNames: readonly TlsName[] = [
      { key: `${place}|open.test`, to: 'end' },
      { key: `${place}|one.test`, to: { inner: 2 } },
      { key: `${place}|two.test`, to: { inner: 3 } },
      { key: `${place}|any.test`, to: { inner: 5 } },
      { key: `${place}|ended.test`, to: { inner: 8 } },
      { key: `${shared}|one.test`, to: { inner: 4 } },
    ];
    const certificate = (name: string, inner: number) => ({
      name,
      pem: makePem(`${name}.test`),
      hosts: [`${name}.test`],
      http2: true,
      inner,
    });
    state = makeState({
      // A stopping worker keeps idle connections until their next response.
      settings: await world.settings({ gateways, idleCloseOnResponse: true }),
      backends,
      certificates: [
        certificate('open', 1),
        certificate('one', 2),
        certificate('two', 3),
        certificate('any', 5),
        certificate('ended', 8),
        { ...certificate('one', 4), name: 'shared' },
      ],
      gateways: {
        hosts: new Map(hosts.map((one) => [one.key, one])),
        tlsNames: new Map(tlsNames.map((one) => [one.key, one])),
        places: new Map([
          [place, place],
          [shared, shared],
        ]),
        ports: new Map([[String(port), '8443']]),
        inner: new Map([[place, 1]]),
        clients: new Map([
          [2, clients('one', authorities.one)],
          [3, clients('two', authorities.two)],
          [4, clients('shared', authorities.one)],
          [5, clients('any', authorities.one)],
        ]),
        endedNames: new Map([
          [`${place}|ended.test`, { key: `${place}|ended.test`, to: { backend: 'be_tcp:t:ended' } }],
        ]),
      },
    });
    await world.engine.start(state);
  });

  after(async () => {
    for (const each of close) each();
    await world.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Returns the answer of one request by `openssl s_client`, or an empty text. */
  async function ask(
    name: string,
    more: readonly string[] = [],
    host = `${name}.test`,
    at: number = port,
  ): Promise<string> {
    const sni = name === '' ? ['-noservername'] : ['-servername', `${name}.test`];
    const words = ['s_client', '-connect', `127.0.0.1:${at}`, ...sni, '-quiet', '-ign_eof', ...more];
    const input = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
    const { stdout } = await execa('/usr/bin/openssl', words, { input, reject: false, timeout: 10_000 });
    return stdout;
  }

  const pair = (name: string) => ['-cert', join(folder, `${name}.pem`)];
  const serverOf = (answer: string) => /"server":"(\w+)"/.exec(answer)?.[1] ?? /HTTP\/1.1 (\d+)/.exec(answer)?.[1];

  it('admits clients of the listener’s authority only', async () => {
    assert.equal(serverOf(await ask('open')), 'open');
    assert.equal(serverOf(await ask('one', pair('one'))), 'one');
    assert.equal(serverOf(await ask('two', pair('two'))), 'two');
    assert.equal(serverOf(await ask('one')), undefined);
    assert.equal(serverOf(await ask('one', pair('two'))), undefined);
    assert.equal(serverOf(await ask('two', pair('one'))), undefined);
  });

  it('admits every client with the insecure fallback', async () => {
    assert.equal(serverOf(await ask('any')), 'any');
    for (const name of ['one', 'two']) assert.equal(serverOf(await ask('any', pair(name))), 'any');
  });

  it('answers 421 to a host that requires other client certificates than the connection', async () => {
    // Without a server name, the frontend of the place terminates TLS.
    for (const name of ['open', 'any', '']) assert.equal(serverOf(await ask(name, [], 'one.test')), '421');
    assert.equal(serverOf(await ask('two', pair('two'), 'one.test')), '421');
    assert.equal(serverOf(await ask('one', pair('one'), 'open.test')), '421');
  });

  it('requires client certificates on the port of Routes, too', async () => {
    const at = world.httpsPort;
    assert.equal(serverOf(await ask('one', pair('one'), 'one.test', at)), 'one');
    assert.equal(serverOf(await ask('one', [], 'one.test', at)), undefined);
    assert.equal(serverOf(await ask('one', pair('two'), 'one.test', at)), undefined);
    for (const name of ['other', '']) assert.equal(serverOf(await ask(name, [], 'one.test', at)), '421');
  });

  it('terminates TLS of connections', async () => {
    assert.match(await ask('ended'), /plain tcp/);
  });

  for (const [name, words] of versions) {
    it(`never resumes a session of another listener: ${name}`, async () => {
      const session = join(folder, 'session');
      const more = ['-sess_out', session, ...words];
      for (const [from, own] of [
        ['open', []],
        ['one', pair('one')],
        ['any', pair('one')],
      ] as const) {
        writeFileSync(session, '');
        assert.equal(serverOf(await ask(from, [...own, ...more])), from);
        for (const offered of [[], pair('one')]) {
          const answer = await ask('two', ['-sess_in', session, ...offered, ...words]);
          assert.equal(serverOf(answer), undefined, `session of ${from}`);
        }
      }
    });
  }

  const clientsOf = (scope: string, ...list: readonly TestAuthority[]) =>
    new Map([...state.gateways.clients, [2, { scope, pem: list.map(({ certificate }) => certificate).join('') }]]);
  const apply = async (gateways: Partial<HttpState['gateways']>) => {
    state = { ...state, gateways: { ...state.gateways, ...gateways } };
    return await world.engine.apply(state);
  };
  const applyClients = async (clients: ReadonlyMap<number, ClientAuthorities>) => {
    assert.equal((await apply({ clients })).pendingReload, false);
  };
  /** Opens a connection that has answered one request. */
  const open = async (name: string, client: string): Promise<OpenConnection> => {
    const connection = new OpenConnection(`${name}.test`, readFileSync(join(folder, `${client}.pem`), 'utf8'));
    close.push(() => connection.close());
    assert.equal(serverOf(await connection.ask()), name);
    return connection;
  };

  it('applies renewed and replaced authorities in place, and closes connections of other ones', async () => {
    const [kept, early] = [await open('two', 'two'), await open('one', 'one')];
    await applyClients(clientsOf('one', authorities.one, authorities.three));
    assert.equal(serverOf(await early.ask()), undefined);
    for (const name of ['one', 'three']) assert.equal(serverOf(await ask('one', pair(name))), 'one');
    const later = await open('one', 'one');
    await applyClients(clientsOf('other', authorities.two));
    assert.equal(serverOf(await later.ask()), undefined);
    assert.equal(serverOf(await ask('one', pair('one'))), undefined);
    assert.equal(serverOf(await ask('one', pair('two'))), 'one');
    // The connections of other listeners continue.
    assert.equal(serverOf(await kept.ask()), 'two');
  });

  it('closes connections of replaced authorities that an old worker still has', async () => {
    await applyClients(clientsOf('one', authorities.one));
    const [kept, late, changed] = [await open('two', 'two'), await open('one', 'one'), await open('one', 'one')];
    const reload = async (clients = state.gateways.clients): Promise<void> => {
      const reloaded = new Promise<void>((resolve) => world.once(resolve));
      const timeouts = { ...state.settings.timeouts, client: state.settings.timeouts.client + 1 };
      state = { ...state, settings: { ...state.settings, timeouts }, gateways: { ...state.gateways, clients } };
      await world.engine.apply(state);
      await reloaded;
    };
    await reload();
    assert.equal((await world.engine.describe()).oldWorkers, 1);
    await applyClients(clientsOf('one', authorities.three));
    assert.equal(serverOf(await late.ask()), undefined);
    // A reload that brings new authorities itself.
    await applyClients(clientsOf('one', authorities.one));
    assert.equal(serverOf(await changed.ask()), undefined);
    const last = await open('one', 'one');
    await reload(clientsOf('one', authorities.two));
    assert.equal(serverOf(await last.ask()), undefined);
    assert.equal(serverOf(await ask('one', pair('two'))), 'one');
    assert.equal(serverOf(await kept.ask()), 'two');
  });

  it('does not forget authorities and default certificates that wait for a reload because of their size', async () => {
    await applyClients(clientsOf('one', authorities.one));
    const reloaded = new Promise<void>((resolve) => world.once(resolve));
    const padding = Array.from({ length: 80 }, () => authorities.three.certificate).join('');
    const big = { scope: 'one', pem: `${authorities.two.certificate}${padding}` };
    const file = (name: string) => `infra:certs/inner-${name}`;
    const { waiting } = await apply({
      clients: new Map([...state.gateways.clients, [2, big]]),
      defaults: new Map([[1, `${makePem('usual.test')}${padding}`]]),
      owners: new Map([
        [1, { defaults: 'infra' }],
        [2, { clients: 'infra' }],
      ]),
    });
    assert.deepEqual(
      [[...waiting.keys()], waiting.get('size')?.toSorted()],
      [['size'], [file('1.pem'), file('2.ca.pem')]],
    );
    // Another change meanwhile.
    const { waiting: still } = await apply({ tlsNames: new Map(state.gateways.tlsNames) });
    assert.deepEqual(still.get('size')?.toSorted(), [file('1.pem'), file('2.ca.pem')]);
    await reloaded;
    assert.equal(serverOf(await ask('one', pair('two'))), 'one');
    await until(
      async () => (await seeName('unknown.test')) === 'usual.test',
      async () => await seeName('unknown.test'),
      10_000,
    );
  });

  it('presents a certificate until HAProxy has loaded its successor, which is too large for the socket', async () => {
    const padding = Array.from({ length: 80 }, () => authorities.three.certificate).join('');
    const put = async (name: string, pem: string) => {
      const certificates = new Map([...state.certificates].filter(([known]) => !known.startsWith('infra:')));
      state = {
        ...state,
        certificates: certificates.set(name, { name, pem, hosts: ['kept.test'], http2: true, inner: 1 }),
      };
      return await world.engine.apply(state);
    };
    assert.equal((await put('infra:old', makePem('old.test'))).pendingReload, false);
    assert.equal(await seeName('kept.test'), 'old.test');
    const reloaded = new Promise<void>((resolve) => world.once(resolve));
    const { waiting } = await put('infra:new', `${makePem('new.test')}${padding}`);
    assert.deepEqual([...waiting], [['size', ['infra:new']]]);
    assert.equal(await seeName('kept.test'), 'old.test');
    await reloaded;
    await until(
      async () => (await seeName('kept.test')) === 'new.test',
      () => 'The successor is not presented',
      10_000,
    );
    // Nothing waits for a successor that is small.
    assert.equal((await put('infra:next', makePem('next.test'))).pendingReload, false);
    assert.equal(await seeName('kept.test'), 'next.test');
  });

  it('presents renewed certificates also where authorities have changed', async () => {
    const { pid, restarts } = await world.engine.describe();
    const presented = async () => await seeName('one.test', readFileSync(join(folder, 'one.pem'), 'utf8'));
    await applyClients(clientsOf('one', authorities.one, authorities.three));
    for (const round of ['first', 'second'] as const) {
      const renewed = { name: 'one', pem: makePem(`${round}.test`), hosts: ['one.test'], http2: true, inner: 2 };
      const defaults = new Map([[2, makePem(`${round}.default.test`)]]);
      state = { ...state, certificates: new Map([...state.certificates, ['one', renewed]]) };
      await apply({ defaults });
      await until(
        async () => (await presented()) === `${round}.test`,
        () => `the ${round} certificate is not presented`,
        20_000,
      );
      // Memory of the replaced certificate was freed in between.
      await applyClients(clientsOf('one', authorities.one, authorities.three));
      assert.equal(serverOf(await ask('one', pair('three'))), 'one');
      await applyClients(clientsOf('one', authorities.one));
      assert.equal(serverOf(await ask('one', pair('one'))), 'one');
    }
    const report = await world.engine.describe();
    assert.deepEqual([report.pid, report.restarts], [pid, restarts]);
  });
}).timeout(60_000);

/** A connection with a client certificate that stays open between requests. */
class OpenConnection {
  readonly #socket: TLSSocket;
  readonly #name: string;
  #answer = '';
  #isClosed = false;

  constructor(name: string, pem: string) {
    this.#name = name;
    this.#socket = connectTls({
      host: '127.0.0.1',
      port,
      servername: name,
      cert: pem,
      key: pem,
      rejectUnauthorized: false,
    });
    this.#socket.setEncoding('utf8');
    this.#socket.on('data', (text: string) => {
      this.#answer += text;
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.#isClosed = true;
    });
  }

  /** Returns the answer of a request, or an empty text if the connection is closed instead. */
  async ask(): Promise<string> {
    this.#answer = '';
    this.#socket.write(`GET / HTTP/1.1\r\nHost: ${this.#name}\r\n\r\n`);
    await until(
      () => this.#isClosed || /\}\s*$|\r\n0\r\n\r\n$/.test(this.#answer),
      () => JSON.stringify(this.#answer),
      10_000,
    );
    return this.#answer;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Returns the common name of the certificate that a listener presents for a name. @param pem the client's */
async function seeName(servername: string, pem?: string): Promise<string> {
  const own = { ...(pem !== undefined && { cert: pem, key: pem }) };
  const socket = connectTls({ host: '127.0.0.1', port, servername, ...own, rejectUnauthorized: false });
  try {
    await once(socket, 'secureConnect');
    return String(socket.getPeerCertificate().subject.CN);
  } finally {
    socket.destroy();
  }
}
