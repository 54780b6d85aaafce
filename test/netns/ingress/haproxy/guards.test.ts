import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { Backend, ForwardedMode, Settings } from '../../../../src/ingress/haproxy/model.ts';
import { RuntimeSocket } from '../../../../src/ingress/haproxy/socket.ts';
import { makeBackend, makeServer, makeSite, makeState } from './fixtures.ts';
import { World } from './world.ts';

describe('Protection of the router and its pods from requests', () => {
  let world: World;
  let port: number;
  const closing: (() => void)[] = [];

  beforeEach(async () => {
    world = new World();
    port = await world.server('a');
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) close();
    await world.close();
  });

  /** Starts with `it.test` at a pod, and `loop.test` at an endpoint. */
  async function start(
    { endpoint = port, loop = {}, it = {} }: { endpoint?: number; loop?: Partial<Backend>; it?: Partial<Backend> },
    settings: Partial<Settings> = {},
  ): Promise<void> {
    const [looping, good] = [
      makeBackend('be_http:t:loop', [makeServer('pod:loop', '127.0.0.1', endpoint)], loop),
      makeBackend('be_http:t:it', [makeServer('pod:a', '127.0.0.1', port)], it),
    ];
    const isPassed = looping.mode === 'tcp';
    await world.engine.start(
      makeState({
        settings: await world.settings(settings),
        backends: [looping, good],
        passthrough: isPassed ? [{ host: 'loop.test', backend: looping.id }] : [],
        sites: [
          makeSite('it.test', { backend: good.id }),
          ...(isPassed ? [] : [makeSite('loop.test', { backend: looping.id })]),
        ],
      }),
    );
  }
  async function total(section: string): Promise<number> {
    const socket = await RuntimeSocket.open(join(world.directory, 'admin.sock'));
    const [text = ''] = await socket.run([`show stat ${section} 2 -1`]).finally(() => socket.close());
    const [names = '', row = ''] = text.split('\n');
    return Number(row.split(',')[names.split(',').indexOf('stot')]);
  }
  /** A load balancer of connections in front of a port; its own port. */
  async function balancer(to: () => number): Promise<number> {
    const sockets: Socket[] = [];
    const server: Server = createServer((socket) => {
      const onward = connect(to(), '127.0.0.1');
      sockets.push(socket, onward);
      for (const each of [socket, onward]) each.on('error', () => {});
      socket.pipe(onward).pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => {
      server.close();
      for (const each of sockets) each.destroy();
    });
    return (server.address() as AddressInfo).port;
  }
  async function passThrough(host: string): Promise<void> {
    const socket = connectTls({ port: world.httpsPort, host: '127.0.0.1', servername: host });
    closing.push(() => socket.destroy());
    socket.on('error', () => {});
    await new Promise<void>((resolve) => socket.on('close', resolve));
  }

  describe('loops', () => {
    it('of requests through the router’s own address end after ten hops', async () => {
      await world.settings();
      await start({ endpoint: world.httpPort });
      assert.equal((await world.get('loop.test', '/')).status, 508);
      assert.equal(await total('be_http:t:loop'), 10);
      assert.equal((await world.get('it.test', '/')).status, 200);
    });
    it('of requests over TLS end after ten hops', async () => {
      await world.settings();
      const tls = { http: { cookie: { name: 'c', secure: true }, tls: {} } };
      await start({ endpoint: world.httpsPort, loop: tls });
      assert.equal((await world.getSecure('loop.test', '/')).status, 508);
    });
    it('of requests through a load balancer end after ten hops', async () => {
      await start({ endpoint: await balancer(() => world.httpPort) });
      assert.equal((await world.get('loop.test', '/')).status, 508);
      assert.equal((await world.get('it.test', '/')).echo?.headers['egress-router-hop'], '1');
    });
    it('of a Route that changes headers end, too, and no Route deletes the header that counts hops', async () => {
      await world.settings();
      await start({ endpoint: world.httpPort });
      for (const action of [
        { action: 'delete', name: 'egress-router-hop' },
        { action: 'set', name: 'Egress-Router-Hop', value: '0' },
      ] as const) {
        const changed = makeBackend('be_http:t:loop', [makeServer('pod:loop', '127.0.0.1', world.httpPort)], {
          http: { requestHeaders: [action] },
        });
        const { refused } = await world.engine.apply(
          makeState({
            settings: await world.settings(),
            backends: [changed],
            sites: [makeSite('loop.test', { backend: changed.id })],
          }),
        );
        assert.deepEqual(
          refused.map(({ name }) => name),
          ['be_http:t:loop'],
        );
      }
    });
    it('of passthrough connections end at the limit of the Route, while others are served', async () => {
      await world.settings();
      for (const endpoint of [world.httpsPort, await balancer(() => world.httpsPort)]) {
        await start({ endpoint, loop: { mode: 'tcp' } });
        const ended = passThrough('loop.test');
        assert.equal((await world.get('it.test', '/')).status, 200);
        await ended;
        // A tenth of 2,000; the one that reaches the limit is refused.
        assert.ok((await total('be_http:t:loop')) <= 201);
        assert.equal((await world.get('it.test', '/')).status, 200);
        await world.engine.stop({ delay: 0, drain: 0 });
        world.engine = world.makeEngine();
      }
      await start({});
    });
  });

  it('passthrough Routes of a namespace that loop together leave half of all connections to others', async () => {
    // Chooses the ports.
    const settings = await world.settings();
    const loops = Array.from({ length: 12 }, (_, i) =>
      makeBackend(`be_tcp:t:loop${i}`, [makeServer(`pod:loop${i}`, '127.0.0.1', world.httpsPort)], {
        mode: 'tcp',
        tenant: 't',
      }),
    );
    const [good, passed] = [
      makeBackend('be_http:u:it', [makeServer('pod:a', '127.0.0.1', port)]),
      makeBackend('be_tcp:u:it', [makeServer('pod:a', '127.0.0.1', port)], { mode: 'tcp', tenant: 'u' }),
    ];
    await world.engine.start(
      makeState({
        settings,
        backends: [...loops, good, passed],
        passthrough: [
          ...loops.map(({ id }, i) => ({ host: `loop${i}.test`, backend: id })),
          { host: 'passed.test', backend: passed.id },
        ],
        sites: [makeSite('it.test', { backend: good.id })],
      }),
    );
    // Each connection goes round until a limit ends it.
    await Promise.all(loops.map(async (_, i) => await passThrough(`loop${i}.test`)));
    const counts = await Promise.all(loops.map(async ({ id }) => await total(id)));
    const all = counts.reduce((sum, count) => sum + count, 0);
    assert.ok(all > 900 && all <= 1500, `${all} of 2,000 connections`);
    assert.equal((await world.get('it.test', '/')).status, 200);
  }).timeout(60_000);

  it('a Route has at most its number of concurrent requests', async () => {
    const silent: Socket[] = [];
    const server = createServer((socket) => void silent.push(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => {
      server.close();
      for (const socket of silent) socket.destroy();
    });
    await start({ endpoint: (server.address() as AddressInfo).port }, { routeConnections: 3 });
    const waiting = [1, 2, 3].map(async () => await world.get('loop.test', '/').catch(() => undefined));
    for (const end = performance.now() + 5000; silent.length < 3; ) {
      assert.ok(performance.now() < end);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal((await world.get('loop.test', '/')).status, 503);
    assert.equal((await world.get('it.test', '/')).status, 200);
    for (const socket of silent) socket.destroy();
    await Promise.all(waiting);
  });

  describe('router headers from a client', () => {
    const spellings = ['X_SSL_Client_DN', 'x-ssl_client-dn', 'X_SSL', 'x_Ssl-Client-Verify', 'X-SSL-Client-CN'];
    it('about certificates are removed, even with underscores', async () => {
      await start({});
      const sent = Object.fromEntries(spellings.map((name) => [name, 'CN=admin']));
      const { echo } = await world.get('it.test', '/', { ...sent, X_Other: 'kept' });
      const names = Object.keys(echo?.headers ?? {});
      assert.deepEqual(
        names.filter((name) => /ssl/.test(name)),
        [],
      );
      assert.ok(names.includes('x_other'));
    });
    for (const [where, per] of [
      ['settings', { forwarded: 'replace' }],
      ['Route', {}],
    ] as [string, { forwarded?: ForwardedMode }][]) {
      it(`about the client are replaced, even with underscores, according to the mode of the ${where}`, async () => {
        const cookie = { name: 'c', secure: false };
        await start({ it: { http: { cookie, ...(where === 'Route' && { forwarded: 'replace' }) } } }, per);
        const names = ['for', 'host', 'port', 'proto', 'proto-version'].flatMap((name) => [
          `X-Forwarded-${name}`,
          `x_forwarded_${name}`,
          `X-Forwarded_${name.replace('-', '_')}`,
        ]);
        const sent = Object.fromEntries([...names, 'Forwarded'].map((name) => [name, 'forged']));
        const { echo } = await world.get('it.test', '/', sent);
        const found = Object.entries(echo?.headers ?? {}).filter(([name]) => /forwarded/.test(name));
        assert.deepEqual(found.map(([name]) => name).sort(), [
          'forwarded',
          'x-forwarded-for',
          'x-forwarded-host',
          'x-forwarded-port',
          'x-forwarded-proto',
        ]);
        assert.ok(!JSON.stringify(found).includes('forged'));
      });
    }
  });

  it('the longest possible path is served exactly; a longer one is rejected', async () => {
    const path = `/${'a'.repeat(4090 - 'long.test'.length)}`;
    await start({});
    const backend = makeBackend('be_http:t:long', [makeServer('pod:a', '127.0.0.1', port)]);
    const state = makeState({
      settings: await world.settings(),
      backends: [backend],
      sites: [makeSite('long.test', { path, backend: backend.id })],
    });
    const outcome = await world.engine.apply(state);
    assert.deepEqual([outcome.refused, [...outcome.waiting]], [[], []]);
    for (const forwarded of ['never', 'append'] as const) {
      assert.equal((await world.get('long.test', path)).status, 200);
      assert.equal((await world.get('long.test', `${path}/below`)).status, 200);
      const reloaded = new Promise<void>((resolve) => world.once(resolve));
      await world.engine.apply({ ...state, settings: await world.settings({ forwarded }) });
      await reloaded;
    }
    assert.equal((await world.get('long.test', path.slice(0, -1))).status, 503);
    const longer = makeState({
      settings: await world.settings(),
      backends: [backend],
      sites: [makeSite('long.test', { path: `${path}a`, backend: backend.id })],
    });
    assert.match((await world.engine.apply(longer)).refused[0]?.reason ?? '', /host and path of 4096 bytes/);
  });
});
