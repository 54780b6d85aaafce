import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import type { Backend, HttpState } from '../../../../src/ingress/haproxy/model.ts';
import { serverName } from '../../../../src/ingress/haproxy/server-name.ts';
import { makeBackend, makeServer, makeState } from './fixtures.ts';
import { World } from './world.ts';

const hosts = ['a.test', 'b.test', 'a.w.test', '*.w.test', '*.test'];
const paths = ['', '/p', '/p/', '/p/q'];
const ids = ['be_http:n:0', 'be_http:n:1', 'be_http:n:2', 'be_http:n:3'];
const names = ['s0', 's1', 's2'];

/** A state of few names, so that series of them meet each other's remains; ports are filled in. */
function arbitraryState(base: HttpState, ports: readonly number[]): fc.Arbitrary<HttpState> {
  const server = fc.record({ index: fc.nat(2), weight: fc.constantFrom(0, 1, 3), checked: fc.boolean() });
  const http = fc.record(
    {
      cookie: fc.constantFrom({ name: 'k', secure: false }, { name: 'k', secure: true, sameSite: 'Lax' as const }),
      forwarded: fc.constantFrom('append' as const, 'replace' as const, 'never' as const),
      rewrite: fc.record({ prefix: fc.constantFrom('', '/p'), target: fc.constantFrom('/', '/t') }),
      hsts: fc.constant('max-age=1'),
      requestHeaders: fc.constant([{ action: 'set' as const, name: 'X-Own', value: 'yes' }]),
    },
    { requiredKeys: ['cookie'] },
  );
  const backend = fc
    .record(
      {
        balance: fc.constantFrom('random' as const, 'roundrobin' as const, 'leastconn' as const),
        servers: fc.uniqueArray(server, { selector: ({ index }) => index, maxLength: 3 }),
        allowList: fc.constantFrom<readonly string[]>([], ['127.0.0.0/8'], ['10.0.0.0/8']),
        timeoutServer: fc.constant(20_000),
        serverMaxconn: fc.constant(50),
        checkInterval: fc.constantFrom(5000, 7000),
        http,
      },
      { requiredKeys: ['balance', 'servers', 'checkInterval', 'http'] },
    )
    .map(
      ({ servers, ...rest }): Omit<Backend, 'id' | 'mode'> => ({
        ...rest,
        servers: servers.map(({ index, ...changes }) =>
          makeServer(names[index] ?? '', '127.0.0.1', ports[index] ?? 0, changes),
        ),
      }),
    );
  const path = fc.record({
    path: fc.constantFrom(...paths),
    plain: fc.constantFrom('serve' as const, 'serve' as const, 'redirect' as const, undefined),
    secure: fc.boolean(),
    backend: fc.constantFrom(...ids),
  });
  const site = fc.uniqueArray(path, { selector: (each) => each.path, maxLength: 3 });
  return fc
    .record({
      backends: fc.uniqueArray(fc.tuple(fc.constantFrom(...ids), backend), { selector: ([id]) => id, maxLength: 4 }),
      sites: fc.uniqueArray(fc.tuple(fc.constantFrom(...hosts), site), { selector: ([host]) => host, maxLength: 5 }),
    })
    .map(({ backends, sites }) => ({
      ...base,
      backends: new Map(backends.map(([id, rest]) => [id, makeBackend(id, [], rest)])),
      sites: new Map(
        sites.map(([host, some]) => [
          host,
          { host, paths: some.map(({ plain, ...rest }) => (plain === undefined ? rest : { ...rest, plain })) },
        ]),
      ),
    }));
}

describe('A running HAProxy and a new one with its files', () => {
  const world = new World({ user: 'haproxy', reloadInterval: 50 });
  const fresh = new World();
  const ports: number[] = [];
  let base: HttpState;
  after(async () => {
    await world.close();
    await fresh.close();
  });
  before(async () => {
    for (const name of names) ports.push(await world.server(name));
    await fresh.settings();
    base = makeState({ settings: await world.settings() });
    await world.engine.start(base);
  });

  /** Everything that a client can observe of HAProxy, except which of several servers it uses. */
  async function ask(which: World): Promise<unknown[]> {
    const said: unknown[] = [];
    for (const host of ['a.test', 'b.test', 'c.test', 'a.w.test', 'b.w.test', 'x.y.w.test']) {
      for (const path of ['/', '/p', '/p/', '/p/q', '/pp']) {
        for (const secure of [false, true]) {
          const cookie = { cookie: `k=${serverName(names[said.length % 3] ?? '')}` };
          const request = secure ? which.getSecure(host, path, cookie) : which.get(host, path, cookie);
          said.push(
            await request.then(
              ({ status, headers, echo }) => [
                secure,
                host,
                path,
                status,
                headers.location,
                headers['strict-transport-security'],
                echo?.url,
                echo?.headers['x-forwarded-proto'],
                echo?.headers['x-own'],
                echo?.headers.cookie,
                echo?.server === names[said.length % 3],
                headers['set-cookie']?.[0]?.replace(/=[0-9a-f]{32}/, ''),
              ],
              () => [secure, host, path, 'closed'],
            ),
          );
        }
      }
    }
    return said;
  }

  /** Answers of an HAProxy that has read a copy of the files. */
  async function askFresh(): Promise<unknown[]> {
    const folder = join(fresh.directory, 'copy');
    cpSync(join(world.directory, 'current/'), folder, { recursive: true, dereference: true });
    for (const name of readdirSync(join(folder, 'conf'))) {
      const text = readFileSync(join(folder, 'conf', name), 'utf8')
        .replaceAll(world.directory, fresh.directory)
        .replaceAll(`:${world.httpPort}`, `:${fresh.httpPort}`)
        .replaceAll(`:${world.httpsPort}`, `:${fresh.httpsPort}`)
        .replaceAll(/^ {2}(?:chroot|user|group) .*\n/gm, '')
        .replaceAll(/ user haproxy mode 600/g, '')
        .replaceAll('unix@/fe_', `unix@${fresh.directory}/jail/fe_`);
      writeFileSync(join(folder, 'conf', name), text);
    }
    cpSync(join(world.directory, 'jail'), join(fresh.directory, 'jail'), {
      recursive: true,
      filter: (path) => !path.endsWith('.sock'),
    });
    const child = spawn('/usr/sbin/haproxy', ['-db', '-f', join(folder, 'conf')], {
      cwd: '/',
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    try {
      for (let i = 0; ; i++) {
        const answer = await fresh.get('unknown.example', '/').catch(() => undefined);
        if (answer !== undefined) break;
        assert.ok(i < 200 && child.exitCode === null, errors);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return await ask(fresh);
    } finally {
      const ended = new Promise((resolve) => child.on('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    }
  }

  it('answer identically after any series of changes', async function () {
    this.timeout(120_000);
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryState(base, ports), { minLength: 2, maxLength: 8 }), async (states) => {
        for (const state of states) {
          const outcome = await world.engine.apply(state);
          assert.deepEqual(outcome.refused, []);
        }
        for (let i = 0; (await world.engine.describe()).pendingReload; i++) {
          assert.ok(i < 500, 'no reload');
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        await world.engine.settle();
        assert.deepEqual(world.problems, []);
        assert.deepEqual(await ask(world), await askFresh());
      }),
      { endOnFailure: true, numRuns: Number(process.env.RUNS ?? 8) },
    );
  });
});
