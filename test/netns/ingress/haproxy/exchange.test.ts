import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFileSync, readFileSync, statSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { mirrorLimits } from '../../../../src/ingress/haproxy/exchange-script.ts';
import type { Backend, HttpBackend, HttpState, Mirror } from '../../../../src/ingress/haproxy/model.ts';
import { until } from '../../../until.ts';
import { makeBackend, makeServer, makeSite, makeState } from './fixtures.ts';
import { type Answer, World } from './world.ts';

/** A request as a mirror received it. */
interface Copy {
  readonly mirror: string;
  readonly request: IncomingMessage;
  readonly body: string;
}

/** Milliseconds of the limited exchanges. */
const limit = 500;

/** Tenants whose mirrors never answer: together they could use every copy. */
const mutes = mirrorLimits.all / mirrorLimits.tenant;

describe('Exchanges of a real HAProxy', () => {
  const world = new World();
  const copies: Copy[] = [];
  const servers: (Server | TcpServer)[] = [];
  const attempts: string[] = [];
  let state: HttpState;
  let mirrors: readonly Mirror[];
  let silent: TcpServer;
  /** What the silent mirror saw. */
  const silence = { opened: 0, closed: 0 };

  before(async () => {
    const port = await world.server('a');
    const [first, second, third, slow] = await Promise.all([
      listen('first', '127.0.0.1'),
      listen('second', '::1'),
      listen('third', '127.0.0.1'),
      listenSlow(),
    ]);
    silent = createTcpServer((socket) => {
      silence.opened++;
      socket.resume().on('error', () => undefined);
      socket.on('close', () => silence.closed++);
    });
    servers.push(silent);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    mirrors = [
      { servers: [at('127.0.0.1', first)], numerator: 1, denominator: 1 },
      { servers: [at('::1', second), at('127.0.0.1', third)], numerator: 1, denominator: 1 },
    ];
    const dead = [{ servers: [at('127.0.0.1', 1)], numerator: 1, denominator: 1 }];
    const mute = [{ servers: [at('127.0.0.1', addressOf(silent).port)], numerator: 1, denominator: 1 }];
    const edits = { set: [{ name: 'x-set', value: 'v' }], add: [{ name: 'x-add', value: 'b' }], remove: ['x-gone'] };
    const backends: readonly (readonly [id: string, port: number, http: HttpBackend])[] = [
      ['plain', port, {}],
      ['mirrored', port, { mirrors }],
      ['changed', port, { mirrors, requestEdits: edits, rewrite: { prefix: '/old', target: '/new' } }],
      ['dead', port, { mirrors: dead }],
      ...Array.from({ length: mutes }, (_, index) => [`mute${index}`, port, { mirrors: mute }] as const),
      ['part', port, { mirrors: [{ servers: [at('127.0.0.1', first)], numerator: 1, denominator: 5 }] }],
      ['late', slow, { mirrors }],
      ['limited', slow, { limit: { whole: limit } }],
      ['tries', slow, { limit: { attempt: limit }, retry: { attempts: 1, codes: [] } }],
      ['free', slow, {}],
      ['codes', slow, { retry: { attempts: 3, codes: [500] } }],
    ];
    state = makeState({
      settings: await world.settings({
        compression: ['text/html'],
        // The limits of mirrors are those of a thread.
        process: { maxconn: 2000, threads: 1, bufsize: 32_768, maxrewrite: 8192 },
      }),
      backends: backends.map(([id, to, http]) =>
        makeBackend(idOf(id), [makeServer('a', '127.0.0.1', to)], { tenant: id, http }),
      ),
      sites: backends.map(([id]) => makeSite(`${id}.test`, { backend: idOf(id) })),
    });
    const outcome = await world.engine.start(state);
    assert.deepEqual([outcome.refused, world.problems], [[], []]);
  });

  after(async () => {
    await world.close();
    for (const server of servers) {
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
    }
  });

  /** A mirror that records what it receives. */
  async function listen(mirror: string, address: string): Promise<number> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        copies.push({ mirror, request, body: Buffer.concat(chunks).toString() });
        response.writeHead(500).end('ignored');
      });
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    return addressOf(server).port;
  }

  /** A server that sleeps, drips, echoes after an upgrade, or fails. */
  async function listenSlow(): Promise<number> {
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? '', 'http://x');
      attempts.push(url.search);
      request.resume();
      if (url.pathname === '/sleep') return;
      if (url.pathname === '/drop' && attempts.filter((one) => one === url.search).length === 1) {
        request.socket.destroy();
        return;
      }
      if (url.pathname === '/fail') {
        const before = attempts.filter((one) => one === url.search).length - 1;
        response.writeHead(before < Number(url.searchParams.get('times')) ? Number(url.searchParams.get('code')) : 200);
        response.end();
        return;
      }
      if (url.pathname !== '/drip') {
        request.on('end', () => response.end('done'));
        return;
      }
      const timer = setInterval(() => response.write('.'), 50);
      setTimeout(() => response.end(), 2500);
      response.on('close', () => clearInterval(timer));
    });
    server.on('upgrade', (_, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
      socket.on('error', () => undefined).pipe(socket);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return addressOf(server).port;
  }

  function ask(
    id: string,
    path: string,
    options: {
      readonly method?: string;
      readonly headers?: Record<string, string | string[]>;
      readonly body?: string;
    } = {},
  ): Promise<Answer & { readonly isWhole: boolean }> {
    const { method = 'GET', headers = {}, body } = options;
    return new Promise((resolve, reject) => {
      const words = {
        host: '127.0.0.1',
        port: world.httpPort,
        path,
        method,
        headers: { host: `${id}.test`, ...headers },
      };
      const request = httpRequest({ ...words, agent: false });
      request.on('error', reject);
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (data: string) => {
          text += data;
        });
        const finish = (isWhole: boolean): void =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text, isWhole });
        response.on('end', () => finish(response.complete));
        response.on('error', () => finish(false));
      });
      request.end(body);
    });
  }

  async function copiesOf(path: string, count: number): Promise<readonly Copy[]> {
    const find = () => copies.filter(({ request }) => request.url?.startsWith(path));
    await until(
      () => find().length >= count,
      () => copies.map(({ mirror, request }) => `${mirror} ${request.url}`),
    );
    return find();
  }

  it('sends each mirror a copy of the changed request', async () => {
    const headers = { 'x-add': ['a'], 'x-gone': 'c', 'x-kept': ['1', '2'], 'content-type': 'text/plain' };
    const answer = await ask('changed', '/old/a?q=1', { method: 'PATCH', headers, body: 'hello' });
    assert.equal(answer.status, 200);
    const found = await copiesOf('/new/a?q=1', 2);
    for (const { request, body } of found) {
      assert.deepEqual([request.method, body, request.headers.host], ['PATCH', 'hello', 'changed.test']);
      const { 'x-set': set, 'x-add': add, 'x-gone': gone, 'x-kept': kept } = request.headers;
      assert.deepEqual([set, add, gone, kept], ['v', 'a, b', undefined, '1, 2']);
      assert.equal(request.headers['egress-router-hop'], '1');
      assert.equal(request.rawHeaders.filter((one) => one.toLowerCase() === 'host').length, 1);
    }
    assert.ok(found.some(({ mirror }) => mirror === 'first'));
  });

  it('rotates the servers of a mirror, also over IPv6', async () => {
    for (let count = 0; count < 4; count++) await ask('mirrored', '/turn');
    const found = await copiesOf('/turn', 8);
    const count = (name: string) => found.filter(({ mirror }) => mirror === name).length;
    assert.equal(count('first'), 4);
    assert.ok(count('second') > 0 && count('third') > 0, `${count('second')} ${count('third')}`);
  });

  for (const [size, isChunked] of [
    [0, false],
    [mirrorLimits.body, false],
    [mirrorLimits.body, true],
  ] as const) {
    it(`copies a body of ${size} bytes${isChunked ? ' in chunks' : ''} completely`, async () => {
      const body = Array.from({ length: size }, (_, index) => String(index % 10)).join('');
      const headers: Record<string, string> = isChunked ? { 'transfer-encoding': 'chunked' } : {};
      const path = `/body-${size}-${isChunked}`;
      assert.equal((await ask('mirrored', path, { method: 'POST', headers, body })).status, 200);
      const found = await copiesOf(path, 2);
      for (const one of found) {
        assert.equal(one.body, body);
        assert.equal(one.request.headers['content-length'], String(size));
      }
    });
  }

  it('does not copy a longer body, and forwards it', async () => {
    const body = 'x'.repeat(mirrorLimits.body + 1);
    assert.equal((await ask('mirrored', '/long', { method: 'POST', body })).status, 200);
    await ask('mirrored', '/after-long');
    await copiesOf('/after-long', 2);
    assert.deepEqual(
      copies.filter(({ request }) => request.url === '/long'),
      [],
    );
  });

  it('copies a part of the requests', async () => {
    for (let count = 0; count < 100; count++) await ask('part', '/part');
    await ask('mirrored', '/after-part');
    await copiesOf('/after-part', 2);
    const count = copies.filter(({ request }) => request.url === '/part').length;
    // By chance, 20 ± 4; six deviations are out of reach.
    assert.ok(count > 0 && count < 45, `${count} of 100`);
  });

  it('answers while a mirror is silent, and ends the copy later', async () => {
    assert.equal((await ask('mute0', '/')).status, 200);
    assert.equal(silence.closed, 0);
    await until(
      () => silence.closed > 0,
      () => silence,
      20_000,
    );
    assert.deepEqual([silence.opened, silence.closed], [1, 1]);
  });

  it('is not delayed by mirrors that reject connections', async () => {
    const ids = Array.from({ length: 4 * mirrorLimits.tenant }, () => 'dead');
    const answers = await Promise.all(ids.map((id) => ask(id, '/')));
    assert.ok(answers.every(({ status }) => status === 200));
  });

  it('limits the copies of a tenant, and leaves some to each', async () => {
    const before = { ...silence };
    const ids = Array.from({ length: mirrorLimits.all + mutes }, (_, index) => `mute${index % mutes}`);
    const answers = await Promise.all(ids.map((id) => ask(id, '/')));
    assert.ok(answers.every(({ status }) => status === 200));
    await ask('mirrored', '/beside');
    await copiesOf('/beside', 2);
    // Copies of this test that ended early make room for others.
    const count = silence.opened - before.opened - (silence.closed - before.closed);
    assert.ok(count <= mirrorLimits.all, `${count} connections`);
    assert.ok(silence.opened > before.opened);
  });

  /** Opens connections that have sent half of a request, more than may be recorded. */
  async function sendHalves(query: string): Promise<readonly Socket[]> {
    const sockets = Array.from({ length: 3 * mirrorLimits.tenant }, () => {
      const socket = connect(world.httpPort, '127.0.0.1').on('error', () => undefined);
      socket.write(`POST /${query} HTTP/1.1\r\nHost: late.test\r\nContent-Length: 8\r\n\r\nhalf`);
      return socket;
    });
    const count = () => attempts.filter((one) => one === query).length;
    await until(() => count() === sockets.length, count, 20_000);
    return sockets;
  }

  it('limits the requests that are recorded, and forwards all', async () => {
    const sockets = await sendHalves('?half');
    // One after another, so that copies never wait for each other.
    for (const socket of sockets) {
      socket.write('half');
      const [text] = (await once(socket, 'data')) as [Buffer];
      socket.destroy();
      assert.equal(text.toString().slice(0, 12), 'HTTP/1.1 200');
    }
    const find = () => copies.filter(({ request }) => request.url === '/?half');
    await copiesOf('/?half', 2);
    await ask('mirrored', '/after-half');
    await copiesOf('/after-half', 2);
    assert.ok(find().length <= mirrorLimits.tenant, `${find().length} copies`);
    assert.ok(find().every(({ body }) => body === 'halfhalf'));
  });

  it('mirrors requests again after clients that left in the middle of one', async () => {
    for (const socket of await sendHalves('?lost')) socket.destroy();
    let count = 0;
    await until(
      async () => {
        await ask('late', `/found-${++count}`);
        return copies.some(({ request }) => request.url?.startsWith('/found-'));
      },
      () => count,
      mirrorLimits.recording / 2,
    );
    assert.ok(!copies.some(({ request }) => request.url === '/?lost'));
  });

  it('mirrors a request for the server itself', async () => {
    assert.equal((await ask('mirrored', '*', { method: 'OPTIONS' })).status, 200);
    const [first, second] = await copiesOf('*', 2);
    assert.deepEqual([first?.request.method, second?.request.method], ['OPTIONS', 'OPTIONS']);
  });

  it('changes the servers of mirrors without a reload', async () => {
    const { pid } = await world.engine.describe();
    const [first] = mirrors;
    const id = idOf('mirrored');
    const known = state.backends.get(id) as Backend;
    const changed = { ...known, http: { ...known.http, mirrors: [first as Mirror] } };
    const { refused, waiting } = await world.engine.apply({
      ...state,
      backends: new Map([...state.backends, [id, changed]]),
    });
    assert.deepEqual([refused, [...waiting]], [[], []]);
    await ask('mirrored', '/less');
    await ask('mirrored', '/after-less');
    assert.deepEqual(
      (await copiesOf('/after-less', 1)).map(({ mirror }) => mirror),
      ['first'],
    );
    assert.equal((await world.engine.describe()).pid, pid);
  });

  it('answers 504 when a server is silent for longer than the limit', async () => {
    assert.equal((await ask('limited', '/sleep')).status, 504);
  });

  it('ends a response that drips beyond the limit, and no other', async () => {
    const [limited, free] = await Promise.all([ask('limited', '/drip'), ask('free', '/drip')]);
    assert.deepEqual([limited.status, limited.isWhole], [200, false]);
    assert.ok(limited.body.length < free.body.length, `${limited.body.length} ${free.body.length}`);
    assert.deepEqual([free.status, free.isWhole], [200, true]);
  });

  it('ends a request that drips beyond the limit', async () => {
    const status = await new Promise<string>((resolve) => {
      const socket = connect(world.httpPort, '127.0.0.1');
      const timer = setInterval(() => socket.write('1\r\nx\r\n'), 50);
      let text = '';
      socket.write('POST / HTTP/1.1\r\nHost: limited.test\r\nTransfer-Encoding: chunked\r\n\r\n');
      socket.setEncoding('utf8').on('data', (data: string) => {
        text += data;
      });
      socket.on('error', () => undefined);
      socket.on('close', () => {
        clearInterval(timer);
        resolve(text);
      });
    });
    assert.doesNotMatch(status, / 200 /);
  });

  it('does not limit an upgraded connection', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(world.httpPort, '127.0.0.1');
      let text = '';
      socket.write('GET / HTTP/1.1\r\nHost: limited.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
      const timer = setTimeout(() => socket.write('late'), 3 * limit);
      socket.setEncoding('utf8').on('data', (data: string) => {
        text += data;
        if (!text.endsWith('late')) return;
        socket.destroy();
        resolve(text);
      });
      socket.on('error', reject).on('close', () => {
        clearTimeout(timer);
        resolve(text);
      });
    });
    assert.match(answer, /^HTTP\/1.1 101 [\s\S]*late$/);
  });

  it('tries again after a try was too slow', async () => {
    assert.equal((await ask('tries', '/sleep?tries')).status, 504);
    assert.equal(attempts.filter((one) => one === '?tries').length, 2);
  });

  it('tries again after a server closed the connection, only where retries are wanted', async () => {
    assert.equal((await ask('codes', '/drop?once')).status, 200);
    assert.equal((await ask('free', '/drop?never')).status, 502);
  });

  for (const [times, code, status, tries] of [
    [2, 500, 200, 3],
    [3, 500, 200, 4],
    [4, 500, 500, 4],
    [1, 503, 503, 1],
  ] as const) {
    it(`answers ${status} after ${tries} tries if ${times} fail with ${code}`, async () => {
      const query = `?times=${times}&code=${code}`;
      assert.equal((await ask('codes', `/fail${query}`)).status, status);
      assert.equal(attempts.filter((one) => one === query).length, tries);
    });
  }

  it('reports no problem for exchanges that it ends', async () => {
    assert.equal((await world.engine.describe()).pid !== undefined, true);
    assert.deepEqual(world.problems, []);
  });

  it('empties the file of HAProxy’s messages when it is long', async () => {
    const file = join(world.directory, 'haproxy.log');
    const size = () => statSync(file).size;
    const line = 'the exchange took longer than the limit of its route';
    assert.ok(readFileSync(file, 'utf8').includes(line));
    const before = size();
    appendFileSync(file, 'x'.repeat(2 ** 20));
    await until(() => size() < before, size, 20_000);
    await ask('limited', '/drip');
    // HAProxy continues at the beginning.
    await until(
      () => readFileSync(file, 'utf8').includes(line) && !readFileSync(file, 'utf8').includes('\0'),
      () => readFileSync(file, 'utf8').slice(0, 500),
      20_000,
    );
  });
});

function idOf(id: string): string {
  return `be_http:t:${id}`;
}

function at(address: string, port: number): Mirror['servers'][number] {
  const { address: parsed } = makeServer('x', address, port);
  return { address: parsed, port };
}

function addressOf(server: Server | TcpServer): AddressInfo {
  return server.address() as AddressInfo;
}
