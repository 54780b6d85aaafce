import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import type { Backend, HttpState } from '../../../../src/ingress/haproxy/model.ts';
import { serverName } from '../../../../src/ingress/haproxy/server-name.ts';
import { makeBackend, makeServer, makeSite, makeState } from './fixtures.ts';
import { type Answer, World } from './world.ts';

/** Whether a request is answered at all. */
async function isAnswered(request: Promise<Answer>): Promise<boolean> {
  return await request.then(
    () => true,
    () => false,
  );
}

describe('A backend in a real HAProxy', () => {
  const world = new World();
  after(() => world.close());
  let state: HttpState;
  let ports: [number, number];

  before(async () => {
    ports = [await world.server('a'), await world.server('b')];
    const own = 'be_http:test:own';
    state = makeState({
      settings: await world.settings(),
      backends: [makeBackend(own, [makeServer('pod:a', '127.0.0.1', ports[0])])],
      sites: [makeSite('own.test', { path: '', backend: own })],
    });
    await world.engine.start(state);
  });

  /** Serves one backend at `it.test`, changed while HAProxy runs; a plain, an Allow and a TLS request can be sent. */
  async function serve(changes: Partial<Backend>, path = ''): Promise<void> {
    const servers = [makeServer('pod:a', '127.0.0.1', ports[0])];
    const id = 'be_http:test:it';
    state = {
      ...state,
      backends: new Map([...state.backends, [id, makeBackend(id, servers, changes)]]),
      sites: new Map([...state.sites, ['it.test', makeSite('it.test', { path, backend: id })]]),
    };
    const outcome = await world.engine.apply(state);
    assert.deepEqual(outcome, { refused: [], waiting: new Map(), pending: new Map(), pendingReload: false });
  }
  const two = (weights: readonly [number, number] = [1, 1]): Partial<Backend> => ({
    servers: ports.map((port, i) => makeServer(`pod:${'ab'[i]}`, '127.0.0.1', port, { weight: weights[i] ?? 0 })),
  });
  const cookie = (server: string): string => `sticky=${serverName(`pod:${server}`)}`;
  const sticky = { http: { cookie: { name: 'sticky', secure: true, sameSite: 'None' } } } as const;

  describe('cookies', () => {
    it('are set with their attributes', async () => {
      await serve(sticky);
      const { headers } = await world.get('it.test', '/');
      assert.deepEqual(headers['set-cookie'], [`${cookie('a')}; path=/; HttpOnly; Secure; SameSite=None`]);
    });

    // As HAProxy's own `cookie NAME insert indirect nocache` answered each.
    const answers: readonly (readonly [answer: Record<string, string>, want: string | undefined])[] = [
      [{}, undefined],
      [{ status: '500', etag: '"1"' }, undefined],
      [{ status: '302', expires: '0' }, undefined],
      [{ 'x-etag': '1' }, undefined],
      [{ etag: '"1"' }, 'private'],
      [{ status: '404', 'last-modified': 'Mon, 30 Nov 2026 00:00:00 GMT' }, 'private'],
      [{ expires: '0' }, 'private'],
      [{ 'cache-control': 'max-age=10' }, 'max-age=10, private'],
      [{ 'cache-control': 'max-age=0', etag: '"1"' }, 'max-age=0'],
      [{ 'cache-control': 'public' }, 'public'],
      [{ 'cache-control': 'public', etag: '"1"' }, 'public, private'],
      [{ 'cache-control': 'public', etag: '"1"', status: '500' }, 'public, private'],
      [{ 'cache-control': 'max-age=0, s-maxage=5' }, 'max-age=0, s-maxage=5, private'],
      [{ 'cache-control': 'no-transform, No-Store', etag: '"1"' }, 'no-transform, No-Store'],
      [{ 'cache-control': 'private', etag: '"1"' }, 'private'],
      [{ 'cache-control': 'immutable', etag: '"1"' }, 'immutable, private'],
      [{ pragma: 'no-cache', etag: '"1"' }, undefined],
    ];
    for (const [answer, want] of answers) {
      it(`on ${JSON.stringify(answer)} leave Cache-Control ${want}, in a section of its own and in a spare one`, async () => {
        await serve(sticky);
        const words = { 'x-answer': JSON.stringify(answer) };
        const spare = await world.get('it.test', '/', words);
        const own = await world.get('own.test', '/', words);
        assert.deepEqual(
          [spare, own].map(({ headers }) => headers['cache-control']),
          [want, want],
        );
        for (const { headers } of [spare, own]) assert.equal(headers['set-cookie']?.length, 1);
      });
    }
    it('leave the answers to clients that have one as they are', async () => {
      await serve(sticky);
      for (const [host, name] of [
        ['it.test', 'sticky'],
        ['own.test', 'c-be_http-test-own'],
      ] as const) {
        const words = { 'x-answer': '{"etag":"1"}', cookie: `${name}=${serverName('pod:a')}` };
        const { headers } = await world.get(host, '/', words);
        assert.deepEqual([headers['set-cookie'], headers['cache-control']], [undefined, undefined], host);
      }
    });
    it('keep a client on its server and are not set again', async () => {
      await serve({ ...two(), ...sticky });
      for (const server of ['a', 'b', 'b', 'a']) {
        const { echo, headers } = await world.get('it.test', '/', { cookie: cookie(server) });
        assert.deepEqual([echo?.server, headers['set-cookie']], [server, undefined]);
      }
    });
    it('do not reach the server, but others do', async () => {
      const seen = async (header: string): Promise<string | undefined> =>
        (await world.get('it.test', '/', { cookie: header })).echo?.headers.cookie;
      assert.equal(await seen(cookie('a')), undefined);
      assert.equal(await seen(`x=1; ${cookie('a')}; y=2`), 'x=1; y=2');
      assert.equal(await seen(`${cookie('a')}; y=2`), 'y=2');
      assert.equal(await seen(`x=1; ${cookie('b')}`), 'x=1');
      assert.equal(await seen(`xsticky=1; y=${cookie('b')}`), `xsticky=1; y=${cookie('b')}`);
    });
    it('of an unknown server are replaced', async () => {
      const { echo, headers } = await world.get('it.test', '/', { cookie: 'sticky=nobody' });
      assert.equal(headers['set-cookie']?.[0]?.split(';')[0], cookie(echo?.server ?? ''));
    });
    it('lead to a server of weight 0, which other clients do not reach', async () => {
      await serve({ ...two([0, 1]), ...sticky });
      assert.equal((await world.get('it.test', '/', { cookie: cookie('a') })).echo?.server, 'a');
      for (let i = 0; i < 5; i++) assert.equal((await world.get('it.test', '/')).echo?.server, 'b');
    });
    it('of a removed server lead to another', async () => {
      await serve({ ...two(), ...sticky });
      await serve({ servers: [makeServer('pod:b', '127.0.0.1', ports[1])], ...sticky });
      const { echo, headers } = await world.get('it.test', '/', { cookie: cookie('a') });
      assert.equal(echo?.server, 'b');
      assert.match(headers['set-cookie']?.[0] ?? '', new RegExp(cookie('b')));
    });
    it('are not set without configuration', async () => {
      await serve({ http: {} });
      assert.equal((await world.get('it.test', '/', { cookie: 'a=b' })).headers['set-cookie'], undefined);
    });
  });

  it('distributes requests by weight, and follows changes', async () => {
    await serve({ ...two([3, 1]), balance: 'roundrobin' });
    const count = async (): Promise<number> => {
      let found = 0;
      for (let i = 0; i < 40; i++) if ((await world.get('it.test', '/')).echo?.server === 'a') found++;
      return found;
    };
    assert.equal(await count(), 30);
    await serve({ ...two([1, 1]), balance: 'roundrobin' });
    assert.equal(await count(), 20);
  });

  const allowLists: readonly (readonly [list: readonly string[] | undefined, allowed: boolean])[] = [
    [undefined, true],
    [[], false],
    [['127.0.0.1'], true],
    [['127.0.0.2', '10.0.0.0/8'], false],
    [['127.0.0.0/8'], true],
    [['126.0.0.0/7'], true],
    [['124.0.0.0/7'], false],
    [['0.0.0.0/0'], true],
    [['::/0', 'fd00::/9'], false],
    [['127.0.0.0/31'], true],
    [['127.0.0.2/31'], false],
  ];
  for (const [list, allowed] of allowLists) {
    it(`allow-list ${JSON.stringify(list)} ${allowed ? 'admits' : 'rejects'} 127.0.0.1`, async () => {
      await serve(list === undefined ? {} : { allowList: list });
      assert.equal(await isAnswered(world.get('it.test', '/')), allowed);
      assert.equal(await isAnswered(world.getSecure('it.test', '/')), allowed);
    });
  }

  describe('limits', () => {
    it('of requests in 10 s close the excess connections', async () => {
      await serve({ limits: { requestRate: 4 } });
      const answers: boolean[] = [];
      for (let i = 0; i < 5; i++) answers.push(await isAnswered(world.get('it.test', '/')));
      assert.deepEqual(answers, [true, true, true, false, false]);
    });
    it('of another backend count separately', async () => {
      const id = 'be_http:test:other';
      state = {
        ...state,
        backends: new Map([
          ...state.backends,
          [id, makeBackend(id, [makeServer('pod:b', '127.0.0.1', ports[1])], { limits: { connectionRate: 2 } })],
        ]),
        sites: new Map([...state.sites, ['other.test', makeSite('other.test', { backend: id })]]),
      };
      await world.engine.apply(state);
      assert.equal(await isAnswered(world.get('other.test', '/')), true);
      assert.equal(await isAnswered(world.get('other.test', '/')), false);
    });
    it('of concurrent requests', async () => {
      await serve({ limits: { concurrent: 1 } });
      assert.equal(await isAnswered(world.get('it.test', '/')), false);
      await serve({ limits: { concurrent: 2 } });
      // A request that was refused counts until HAProxy has closed its connection.
      let answered = false;
      for (let i = 0; i < 100 && !answered; i++) answered = await isAnswered(world.get('it.test', '/'));
      assert.equal(answered, true);
    });
  });

  const rewrites: readonly (readonly [path: string, target: string, asked: string, got: string, dropRest?: boolean])[] =
    [
      ['/a', '/', '/a', '/'],
      ['/a', '/', '/a/', '/'],
      ['/a', '/', '/a/x?q=/a', '/x?q=/a'],
      ['/a', '/b', '/a', '/b'],
      ['/a', '/b', '/a/x', '/b/x'],
      ['/a', '/b/', '/a/x', '/b//x'],
      ['', '/b', '/x', '/b/x'],
      ['/', '/b/', '/x', '/b/x'],
      ['/a(', '/b', '/a(/x', '/b/x'],
      ['/a.c', String.raw`/\1`, '/a.c/x', String.raw`/\1/x`],
      ['/a', '/b', '/a/x', '/b', true],
    ];
  for (const [path, target, asked, got, dropRest = false] of rewrites) {
    it(`rewrites ${path || 'no path'} to ${target}: ${asked} becomes ${got}`, async () => {
      await serve({ http: { rewrite: { prefix: path, target, dropRest } } }, path);
      assert.equal((await world.get('it.test', asked)).echo?.url, got);
    });
  }

  const client = { 'x-forwarded-for': '1.1.1.1', forwarded: 'for=1.1.1.1', 'x-forwarded-proto': 'ftp' };
  const modes: readonly (readonly [mode: 'append' | 'replace' | 'if-none' | 'never', expected: readonly unknown[]])[] =
    [
      [
        'append',
        ['1.1.1.1, 127.0.0.1', 'for=1.1.1.1, for=127.0.0.1;host=it.test;proto=https', 'ftp, https', 'it.test'],
      ],
      ['replace', ['127.0.0.1', 'for=127.0.0.1;host=it.test;proto=https', 'https', 'it.test']],
      ['if-none', ['1.1.1.1', 'for=1.1.1.1', 'ftp', 'it.test']],
      ['never', ['1.1.1.1', 'for=1.1.1.1', 'ftp', undefined]],
    ];
  for (const [forwarded, expected] of modes) {
    it(`forwarded headers: ${forwarded}`, async () => {
      await serve({ http: { forwarded } });
      const { echo } = await world.getSecure('it.test', '/', client);
      const headers = echo?.headers ?? {};
      assert.deepEqual(
        ['x-forwarded-for', 'forwarded', 'x-forwarded-proto', 'x-forwarded-host'].map((name) => headers[name]),
        expected,
      );
    });
  }

  it('HSTS is sent', async () => {
    await serve({ http: { hsts: 'max-age=31536000;includeSubDomains;preload' } });
    const { headers } = await world.getSecure('it.test', '/');
    assert.equal(headers['strict-transport-security'], 'max-age=31536000;includeSubDomains;preload');
  });

  it('a slow server times out after the backend’s own timeout', async () => {
    const silent = await world.server('silent', (server) =>
      server.removeAllListeners('request').on('request', () => {}),
    );
    await serve({ servers: [makeServer('pod:silent', '127.0.0.1', silent)], timeoutServer: 50 });
    assert.equal((await world.get('it.test', '/')).status, 504);
  });

  it('headers of a Route wait for a reload and are then set', async () => {
    const reloaded = new Promise<void>((resolve) => world.once(resolve));
    const http = {
      requestHeaders: [
        { action: 'set', name: 'X-Host', value: "it's %[req.hdr(host)] 100%%" },
        { action: 'delete', name: 'X-Gone' },
      ],
      responseHeaders: [{ action: 'set', name: 'X-Type', value: '%[res.hdr(content-type),base64]' }],
    } as const;
    const id = 'be_http:test:it';
    const backend = makeBackend(id, [makeServer('pod:a', '127.0.0.1', ports[0])], { http });
    state = {
      ...state,
      backends: new Map([...state.backends, [id, backend]]),
      sites: new Map([...state.sites, ['it.test', makeSite('it.test', { backend: id })]]),
    };
    const outcome = await world.engine.apply(state);
    assert.deepEqual(outcome.waiting, new Map([['shape', [id]]]));
    await reloaded;
    const { echo, headers } = await world.get('it.test', '/', { 'x-gone': 'here' });
    assert.deepEqual(
      [echo?.headers['x-host'], echo?.headers['x-gone'], headers['x-type']],
      ["it's it.test 100%", undefined, Buffer.from('application/json').toString('base64')],
    );
  });
});
