import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, afterEach, beforeEach, describe, it } from 'mocha';
import { placeOf } from '../../../../src/ingress/haproxy/engine.ts';
import { type HostResources, LocalHost } from '../../../../src/ingress/haproxy/host.ts';
import { askMaster, readProcesses } from '../../../../src/ingress/haproxy/master.ts';
import type { HttpState } from '../../../../src/ingress/haproxy/model.ts';
import { RuntimeSocket } from '../../../../src/ingress/haproxy/socket.ts';
import { until } from '../../../until.ts';
import { makeBackend, makePem, makeServer, makeSite, makeState } from './fixtures.ts';
import { World } from './world.ts';

describe('The life cycle of a HAProxy', () => {
  let world: World;
  let state: HttpState;
  let port: number;
  const closing: (() => void)[] = [];

  beforeEach(async () => {
    world = new World();
    port = await world.server('a');
    state = makeState({ settings: await world.settings() });
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) close();
    await world.close();
  });

  /** The state with a host more, served by the server on `port`. */
  function withHost(host: string, at = port, changes: Parameters<typeof makeBackend>[2] = {}): HttpState {
    const id = `be_http:t:${host}`;
    return {
      ...state,
      backends: new Map([
        ...state.backends,
        [id, makeBackend(id, [makeServer(`pod:${at}`, '127.0.0.1', at)], changes)],
      ]),
      sites: new Map([...state.sites, [host, makeSite(host, { backend: id })]]),
    };
  }
  async function status(host: string): Promise<number> {
    return await world.get(host, '/').then(
      (answer) => answer.status,
      () => 0,
    );
  }
  async function workerPid(): Promise<number> {
    const [pid] = readProcesses(await askMaster(join(world.directory, 'master.sock'), 'show proc'))?.workers ?? [];
    assert.ok(pid);
    return pid;
  }
  async function eventually(isSo: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + 10_000; !(await isSo()); ) {
      assert.ok(
        Date.now() < end,
        `not within 10 s; ${JSON.stringify([world.problems, await world.engine.describe()])}`,
      );
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The lines that the worker answers to a command. */
  async function tell(command: string): Promise<string[]> {
    const socket = await RuntimeSocket.open(join(world.directory, 'admin.sock'));
    const [answer = ''] = await socket.run([command]).finally(() => socket.close());
    return answer.split('\n');
  }

  /** A connection upgraded to a protocol that echoes. */
  async function upgrade(host: string): Promise<{ echo: (text: string) => Promise<string>; closed: () => boolean }> {
    const asked = request({
      host: '127.0.0.1',
      port: world.httpPort,
      headers: { host, connection: 'upgrade', upgrade: 'echo' },
    });
    asked.end();
    const socket = await new Promise<Socket>((resolve, reject) => {
      asked.on('upgrade', (_, found) => resolve(found));
      asked.on('response', (response) => reject(new Error(`status ${response.statusCode}`)));
      asked.on('error', reject);
    });
    let closed = false;
    socket.on('close', () => {
      closed = true;
    });
    socket.on('error', () => {});
    closing.push(() => socket.destroy());
    const echo = async (text: string): Promise<string> => {
      const answer = new Promise<string>((resolve) => socket.once('data', (data: Buffer) => resolve(data.toString())));
      socket.write(text);
      return await answer;
    };
    return { echo, closed: () => closed };
  }
  async function echoServer(): Promise<number> {
    const server = createServer();
    server.on('upgrade', (_, socket) => {
      socket.on('error', () => {});
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
      socket.pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(
      () => server.closeAllConnections(),
      () => server.close(),
    );
    return (server.address() as AddressInfo).port;
  }

  it('upgraded connections outlive changes, the removal of their own server, and reloads', async () => {
    state = withHost('echo.test', await echoServer());
    await world.engine.start(state);
    const connection = await upgrade('echo.test');
    assert.equal(await connection.echo('one'), 'one');
    await world.engine.apply(withHost('other.test'));
    assert.equal(await status('other.test'), 200);
    assert.equal(await connection.echo('two'), 'two');
    const gone = makeState({ settings: state.settings });
    await world.engine.apply(gone);
    assert.equal(await status('echo.test'), 503);
    assert.equal(await connection.echo('three'), 'three');
    const reloaded = new Promise<void>((resolve) => world.once(resolve));
    await world.engine.apply({ ...gone, settings: { ...state.settings, forwarded: 'never' } });
    await reloaded;
    assert.equal(await connection.echo('four'), 'four');
    const { workers, oldWorkers, reloads } = await world.engine.describe();
    assert.deepEqual([workers, oldWorkers, reloads.settings], [1, 1, 1]);
    assert.equal(connection.closed(), false);
  });

  it('connections to a removed server end after the drain time', async () => {
    world.engine = world.makeEngine({ drainTimeout: 100 });
    state = withHost('echo.test', await echoServer());
    await world.engine.start(state);
    const connection = await upgrade('echo.test');
    await connection.echo('one');
    await world.engine.apply(makeState({ settings: state.settings }));
    await until(connection.closed, () => world.problems, 10_000);
  });

  it('hosts are added and removed without a reload, more often than there are spare sections', async () => {
    await world.engine.start(state);
    for (let i = 0; i < 20; i++) {
      const reloaded = new Promise<void>((resolve) => world.once(resolve));
      const outcome = await world.engine.apply(withHost(`h${i}.test`));
      if (outcome.waiting.size > 0) await reloaded;
      assert.equal(await status(`h${i}.test`), 200);
      assert.equal((await world.engine.apply(state)).refused.length, 0);
      assert.equal(await status(`h${i}.test`), 503);
    }
    assert.deepEqual(world.problems, []);
  });

  it('a reload applies what waits for spare sections, at the limited rate', async () => {
    await world.engine.start(state);
    let all = state;
    const reloaded = new Promise<void>((resolve) => world.once(resolve));
    for (let i = 0; i < 12; i++) {
      state = withHost(`h${i}.test`);
      all = state;
      await world.engine.apply(all);
    }
    await reloaded;
    for (let i = 0; i < 12; i++) assert.equal(await status(`h${i}.test`), 200);
    // One, or two if the changes took longer than the time between reloads.
    const { spares } = (await world.engine.describe()).reloads;
    assert.ok(spares === 1 || spares === 2, `${spares}`);
  });

  it('reloads on time after the clock was set back a day', async () => {
    await world.engine.start(state);
    const apply = async (forwarded: 'never' | 'append') => {
      const reloaded = new Promise<void>((resolve) => world.once(resolve));
      await world.engine.apply({ ...state, settings: { ...state.settings, forwarded } });
      await Promise.race([
        reloaded,
        new Promise((_, reject) => setTimeout(() => reject(new Error('no reload in 20 s')), 20_000).unref()),
      ]);
    };
    await apply('never');
    const clock = Date.now;
    closing.push(() => {
      Date.now = clock;
    });
    Date.now = () => clock() - 86_400_000;
    await apply('append');
    assert.equal((await world.engine.describe()).reloads.settings, 2);
  }).timeout(60_000);

  /** Applies a state and waits for the reload that it needs. */
  async function reloadWith(next: HttpState): Promise<void> {
    const reloaded = new Promise<void>((resolve) => world.once(resolve));
    await world.engine.apply(next);
    await reloaded;
  }

  it('counts a process as gone although its parent does not wait for it, as in a container', async () => {
    const parent = spawn('sh', ['-c', 'sleep 0.1 & exec sleep 60'], { stdio: 'ignore' });
    closing.push(() => parent.kill('SIGKILL'));
    const children = (): string => readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, 'utf8').trim();
    await eventually(() => Promise.resolve(children() !== ''));
    const pid = Number(children());
    await eventually(() => Promise.resolve(/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))));
    const host = new LocalHost(placeOf({ directory: world.directory, binary: 'haproxy' }));
    assert.equal(await host.kill(pid, 0), false);
    assert.equal(await host.kill(parent.pid ?? 0, 0), true);
  });

  it('repeats a reload that the master could not hear, because it executes itself for an earlier one', async () => {
    await world.engine.start(state);
    const socket = join(world.directory, 'master.sock');
    renameSync(socket, `${socket}.away`);
    const reloading = reloadWith({ ...state, settings: { ...state.settings, forwarded: 'never' } });
    const current = (): string => readlinkSync(join(world.directory, 'current'));
    const before = current();
    await eventually(() => Promise.resolve(current() !== before));
    // Long enough for the command that follows.
    await sleep(300);
    renameSync(`${socket}.away`, socket);
    await reloading;
    assert.equal((await world.engine.describe()).reloads.settings, 1);
    assert.equal(world.problems.join(), '');
  });

  it('reloads of one owner end no connection of another, regardless of their number', async () => {
    state = withHost('echo.test', await echoServer());
    await world.engine.start(state);
    const connections = [await upgrade('echo.test')];
    for (let i = 0; i < 4; i++) {
      await reloadWith(
        withHost('other.test', port, { http: { requestHeaders: [{ name: 'x', action: 'set', value: `${i}` }] } }),
      );
      connections.push(await upgrade('echo.test'));
    }
    for (const { echo } of connections) assert.equal(await echo('still'), 'still');
    const { oldWorkers, reloads } = await world.engine.describe();
    assert.deepEqual([oldWorkers, reloads.shape], [4, 4]);
  }).timeout(60_000);

  it('a reload waits if memory does not suffice for another worker, and ends no connections', async () => {
    let share = 10;
    class SmallHost extends LocalHost {
      override async resources(): Promise<HostResources> {
        const { workerMemory = 0, ...rest } = await super.resources();
        return { ...rest, workerMemory, memoryAvailable: share * workerMemory };
      }
    }
    const host = new SmallHost(placeOf({ directory: world.directory, binary: 'haproxy' }));
    world.engine = world.makeEngine({ host, ownerOf: () => 't', budget: { burst: 100, refill: 1000 } });
    state = withHost('echo.test', await echoServer());
    await world.engine.start(state);
    const withHeader = (value: string) =>
      withHost('it.test', port, { http: { requestHeaders: [{ name: 'x', action: 'set', value }] } });
    const seen = async () => (await world.get('it.test', '/')).echo?.headers.x;
    const connections = [await upgrade('echo.test')];
    for (const value of ['1', '2', '3']) {
      await reloadWith(withHeader(value));
      connections.push(await upgrade('echo.test'));
    }
    assert.equal(await world.engine.countBlockingWorkers(), 0);
    share = 1.4;
    await world.engine.apply(withHeader('4'));
    await eventually(async () =>
      /Memory does not suffice for another HAProxy worker next to 3 old/.test(
        (await world.engine.describe()).problem ?? '',
      ),
    );
    assert.deepEqual([await seen(), await world.engine.countBlockingWorkers()], ['3', 3]);
    for (const { echo } of connections) assert.equal(await echo('still'), 'still');
    const reloaded = new Promise<void>((resolve) => world.once(resolve));
    // The first two entries stop the server.
    for (const close of closing.splice(2)) close();
    await reloaded;
    assert.equal(await seen(), '4');
    // The previous worker exits after the new one answers.
    await eventually(async () => (await world.engine.countBlockingWorkers()) === 0);
    const { problem, reloads } = await world.engine.describe();
    assert.deepEqual([problem, reloads.shape], [undefined, 4]);
  }).timeout(60_000);

  it('an owner without reload budget waits, and others do not', async () => {
    world.engine = world.makeEngine({
      ownerOf: (_, name) => name.split(':').at(-1)?.split('.')[0],
      budget: { burst: 2, refill: 600_000 },
    });
    await world.engine.start(state);
    const withHeader = (host: string, value: string) =>
      withHost(host, port, { http: { requestHeaders: [{ name: 'x', action: 'set', value }] } });
    const seen = async (host: string) => (await world.get(host, '/')).echo?.headers.x;
    for (const value of ['1', '2']) {
      state = withHeader('greedy.test', value);
      await reloadWith(state);
      assert.equal(await seen('greedy.test'), value);
    }
    state = withHeader('greedy.test', '3');
    const { waiting } = await world.engine.apply(state);
    assert.deepEqual([...waiting], [['shape', ['be_http:t:greedy.test']]]);
    // Twice as long as any other change waits.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.equal(await seen('greedy.test'), '2');
    await reloadWith(withHeader('modest.test', '1'));
    assert.deepEqual([await seen('modest.test'), await seen('greedy.test')], ['1', '3']);
  }).timeout(60_000);

  it('an owner that uses up spare sections waits for new ones, and others do not', async () => {
    world.engine = world.makeEngine({
      ownerOf: (_, name) => name.split(':').at(-1)?.split('.').at(-2),
      budget: { burst: 1, refill: 600_000 },
    });
    await world.engine.start(state);
    const add = (host: string) => {
      state = withHost(host);
      return world.engine.apply(state);
    };
    const { spareBackends } = state.settings;
    const first = new Promise<void>((resolve) => world.once(resolve));
    for (let i = 0; i <= spareBackends; i++) await add(`a${i}.greedy.test`);
    await first;
    for (let i = 0; i <= spareBackends; i++) await add(`b${i}.greedy.test`);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    assert.equal((await world.engine.describe()).reloads.spares, 1);
    const second = new Promise<void>((resolve) => world.once(resolve));
    await add('a.modest.test');
    await second;
    assert.equal(await status('a.modest.test'), 200);
  }).timeout(60_000);

  it('a hung HAProxy is detected, killed and restarted', async () => {
    world.engine = world.makeEngine({ hangTimeout: 6000 });
    state = withHost('it.test');
    await world.engine.start(state);
    const worker = await workerPid();
    await eventually(async () => world.engine.silence < 1500);
    process.kill(worker, 'SIGSTOP');
    await eventually(async () => world.engine.silence > 4000);
    await eventually(async () => (await status('it.test')) === 200);
    await eventually(async () => (await workerPid().catch(() => worker)) !== worker);
    assert.equal((await world.engine.describe()).restarts, 1);
    assert.match(world.problems.join(), /answered no request for \d+ s/);
  }).timeout(60_000);

  it('a HAProxy at its connection limit does not count as hung', async () => {
    state = makeState({
      settings: await world.settings({ process: { ...state.settings.process, maxconn: 20 } }),
    });
    world.engine = world.makeEngine({ hangTimeout: 4000 });
    await world.engine.start(state);
    const worker = await workerPid();
    const flood = Array.from({ length: 40 }, () => connect(world.httpPort, '127.0.0.1').on('error', () => {}));
    closing.push(() => {
      for (const socket of flood) socket.destroy();
    });
    // Longer than HAProxy may be silent.
    await new Promise((resolve) => setTimeout(resolve, 9000));
    assert.ok(world.engine.silence < 4500);
    assert.equal(await workerPid(), worker);
  }).timeout(60_000);

  it('serves the configuration of an earlier supervisor while no state is known', async () => {
    state = withHost('it.test');
    await world.engine.start(state);
    await world.engine.settle();
    const { pid } = await world.engine.describe();
    await world.engine.release();
    process.kill(pid ?? 0, 'SIGKILL');
    await eventually(async () => (await status('it.test')) !== 200);
    world.engine = world.makeEngine();
    await world.engine.resume();
    await eventually(async () => (await status('it.test')) === 200);
    await eventually(async () => (await workerPid().catch(() => 0)) > 0);
    const worker = await workerPid();
    await world.engine.start(state);
    assert.equal(await workerPid(), worker);
  }).timeout(60_000);

  it('a reload is complete when no previous worker accepts connections', async () => {
    state = withHost('it.test');
    await world.engine.start(state);
    // Commands that follow the start must not wait for the stopped worker.
    await world.engine.settle();
    const old = await workerPid();
    let done = false;
    world.once(() => {
      done = true;
    });
    // A worker that has not read its signal, as on a busy node.
    process.kill(old, 'SIGSTOP');
    await world.engine.apply({ ...state, settings: { ...state.settings, forwarded: 'never' } });
    await eventually(async () => (await workerPid().catch(() => old)) !== old);
    // Longer than the questions that still reach the old worker wait for it.
    await new Promise((resolve) => setTimeout(resolve, 4000));
    assert.equal(done, false);
    process.kill(old, 'SIGCONT');
    await until(
      () => done,
      () => world.problems,
      5000,
    );
    for (let i = 0; i < 20; i++) assert.equal(await status('it.test'), 200);
  });

  it('a killed HAProxy is restarted with the changes made in the meantime', async () => {
    await world.engine.start(state);
    state = withHost('late.test');
    await world.engine.apply(state);
    for (const victim of ['master', 'worker']) {
      const { pid } = await world.engine.describe();
      assert.ok(pid);
      process.kill(victim === 'master' ? pid : await workerPid(), 'SIGKILL');
      await eventually(async () => {
        const now = await world.engine.describe();
        const served = now.pid !== pid && now.workers === 1 && now.problem === undefined;
        return served && (await status('late.test')) === 200;
      });
    }
    assert.equal((await world.engine.describe()).restarts, 2);
  });

  it('a HAProxy that is killed during a reload is restarted at once', async () => {
    state = withHost('it.test');
    await world.engine.start(state);
    const { pid } = await world.engine.describe();
    const current = (): string => readlinkSync(join(world.directory, 'current'));
    const before = current();
    state = { ...state, settings: { ...state.settings, forwarded: 'never' } };
    await world.engine.apply(state);
    await eventually(async () => current() !== before);
    process.kill(pid ?? 0, 'SIGKILL');
    await eventually(async () => {
      const now = await world.engine.describe();
      return now.pid !== undefined && now.pid !== pid && now.problem === undefined && (await status('it.test')) === 200;
    });
    assert.equal((await world.get('it.test', '/')).echo?.headers['x-forwarded-for'], undefined);
  });

  it('a HAProxy that exits while the disk is full restarts with the previous files, and recovers later', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', world.directory]);
    closing.push(() => execFileSync('umount', ['--lazy', world.directory]));
    state = withHost('it.test');
    await world.engine.start(state);
    const { pid } = await world.engine.describe();
    const generations = (): string[] => readdirSync(world.directory).filter((name) => name.startsWith('gen-'));
    const ballast = join(world.directory, 'ballast');
    try {
      writeFileSync(ballast, Buffer.alloc(2_000_000));
    } catch {
      // As intended: nothing more fits.
    }
    await world.engine.apply(withHost('late.test')).catch(() => {});
    process.kill(pid ?? 0, 'SIGKILL');
    // The old worker may answer for a moment after the master was killed.
    await eventually(async () => /ENOSPC/.test((await world.engine.describe()).problem ?? ''));
    await eventually(async () => (await status('it.test')) === 200);
    assert.equal(generations().length, 1);
    rmSync(ballast);
    await eventually(async () => (await world.engine.describe()).problem === undefined);
    await world.engine.apply(withHost('late.test'));
    assert.deepEqual([await status('it.test'), await status('late.test')], [200, 200]);
  });

  it('changes are applied while the disk is full, and are not lost', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'nr_inodes=400', 'tmpfs', world.directory]);
    closing.push(() => execFileSync('umount', ['--lazy', world.directory]));
    await world.engine.start(state);
    const ballast: string[] = [];
    assert.throws(() => {
      for (let i = 0; ; i++) {
        const path = join(world.directory, `ballast-${i}`);
        writeFileSync(path, '');
        ballast.push(path);
      }
    }, /ENOSPC/);
    state = withHost('late.test');
    await world.engine.apply(state);
    assert.equal(await status('late.test'), 200);
    await world.engine.release();
    for (const path of ballast) rmSync(path);
    world.engine = world.makeEngine();
    await world.engine.start(state);
    await world.engine.apply(withHost('later.test'));
    assert.deepEqual([await status('late.test'), await status('later.test')], [200, 200]);
  });

  it('the next supervisor waits for a HAProxy that reads its configuration, and starts no second one', async () => {
    const many = Array.from({ length: 3000 }, (_, i) => makeBackend(`be_http:t:${i}`, []));
    state = withHost('it.test');
    state = { ...state, backends: new Map([...state.backends, ...many.map((one) => [one.id, one] as const)]) };
    await world.engine.start(state);
    const { pid } = await world.engine.describe();
    await world.engine.release();
    // What a supervisor leaves that is killed now, and files of one that was killed before it used them.
    await askMaster(join(world.directory, 'master.sock'), 'reload');
    mkdirSync(join(world.directory, 'gen-killed/conf'), { recursive: true });
    world.engine = world.makeEngine();
    await world.engine.start(state);
    assert.equal((await world.engine.describe()).pid, pid);
    assert.deepEqual(mastersOf(world.directory), [pid]);
    assert.equal(readdirSync(world.directory).filter((name) => name.startsWith('gen-')).length, 1);
    assert.equal(await status('it.test'), 200);
  });

  it('the next supervisor takes over, including changes, without a reload', async () => {
    await world.engine.start(state);
    state = withHost('late.test');
    await world.engine.apply(state);
    const { pid } = await world.engine.describe();
    const worker = await workerPid();
    await world.engine.release();
    world.engine = world.makeEngine();
    state = withHost('later.test');
    await world.engine.start(state);
    assert.equal((await world.engine.describe()).pid, pid);
    assert.equal(await workerPid(), worker);
    assert.deepEqual([await status('late.test'), await status('later.test')], [200, 200]);
  });

  it('an only server is not checked, even if the earlier supervisor ended before it could disable its check', async () => {
    state = withHost('it.test');
    /** Whether each server is checked, by its name: CHK_ST_ENABLED in `srv_check_state`. */
    const checks = async () => {
      const lines = (await tell('show servers state be_http:t:it.test')).filter((line) => line.includes('it.test'));
      return new Map(lines.map((line) => line.split(' ')).map((words) => [words[3], (Number(words[13]) & 4) !== 0]));
    };
    const isQuiet = async () => [...(await checks()).values()].join() === 'false';
    await world.engine.start(state);
    await eventually(isQuiet);
    const [name] = (await checks()).keys();
    await tell(`enable health be_http:t:it.test/${name}`);
    assert.equal(await isQuiet(), false);
    await world.engine.release();
    world.engine = world.makeEngine();
    await world.engine.start(state);
    await eventually(isQuiet);
  });

  it('the next supervisor reloads if the files differ from what runs', async () => {
    state = withHost('it.test');
    await world.engine.start(state);
    const { pid } = await world.engine.describe();
    await world.engine.release();
    writeFileSync(join(world.directory, 'current/state/main.json'), '1 nonsense');
    world.engine = world.makeEngine();
    await world.engine.start(state);
    assert.equal((await world.engine.describe()).pid, pid);
    assert.equal(await status('it.test'), 200);
  });

  it('the next supervisor reloads if another version wrote the rules', async () => {
    state = withHost('it.test');
    await world.engine.start(state);
    const worker = await workerPid();
    await world.engine.release();
    const file = join(world.directory, 'current/conf/10-defaults.cfg');
    writeFileSync(file, readFileSync(file, 'utf8').replace('timeout connect', 'option forwardfor\n  timeout connect'));
    world.engine = world.makeEngine();
    await world.engine.start(state);
    assert.notEqual(await workerPid(), worker);
    assert.doesNotMatch(readFileSync(file, 'utf8'), /forwardfor/);
    assert.equal(await status('it.test'), 200);
  });

  it('a loaded backend gains and loses unusual features, and its clients keep their servers', async () => {
    const cookie = { name: 'sticky', secure: false } as const;
    const other = await world.server('b');
    const site = (changes: Parameters<typeof makeBackend>[2]): HttpState => {
      const servers = [makeServer('pod:a', '127.0.0.1', port), makeServer('pod:b', '127.0.0.1', other)];
      const backend = makeBackend('be_http:t:it', servers, changes);
      return {
        ...state,
        backends: new Map([[backend.id, backend]]),
        sites: new Map([['it.test', makeSite('it.test', { backend: backend.id })]]),
      };
    };
    await world.engine.start(site({ http: { cookie } }));
    const first = await world.get('it.test', '/');
    const [given = ''] = first.headers['set-cookie'] ?? [];
    assert.match(given, /^sticky=[0-9a-f]{32}; path=\/; HttpOnly$/);
    const headers = { cookie: given.split(';')[0] ?? '' };
    const hsts = 'max-age=60';
    for (const [changes, expected] of [
      [{ http: { cookie } }, undefined],
      [{ http: { cookie, hsts } }, hsts],
      [{ http: { cookie } }, undefined],
      [{ http: { cookie: { ...cookie, secure: true }, hsts } }, hsts],
    ] as const) {
      const outcome = await world.engine.apply(site(changes));
      assert.equal(outcome.waiting.size, 0);
      for (let i = 0; i < 10; i++) {
        const answer = await world.get('it.test', '/', headers);
        assert.equal(answer.echo?.server, first.echo?.server);
        assert.equal(answer.headers['set-cookie'], undefined);
        assert.equal(answer.headers['strict-transport-security'], expected);
        assert.equal(answer.echo?.headers.cookie, undefined);
      }
    }
    const [secure = ''] = (await world.get('it.test', '/')).headers['set-cookie'] ?? [];
    assert.match(secure, /^sticky=[0-9a-f]{32}; path=\/; HttpOnly; Secure$/);
  });

  it('a second supervisor fails to start', async () => {
    await world.engine.start(state);
    await assert.rejects(world.makeEngine().start(state), /another process supervises it/);
  });

  it('a port in use is reported and retried', async () => {
    const taken = createTcpServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => taken.listen(world.httpPort, '127.0.0.1', resolve));
    state = withHost('it.test');
    await world.engine.start(state);
    assert.match((await world.engine.describe()).problem ?? '', /cannot bind socket/i);
    await new Promise<void>((resolve) => taken.close(() => resolve()));
    await eventually(
      async () => (await status('it.test')) === 200 && (await world.engine.describe()).problem === undefined,
    );
  });

  it('the first HAProxy reads its files once; later files are checked before a reload', async () => {
    const log = join(world.directory, 'calls');
    // With the name of the program that it becomes.
    const binary = join(world.directory, 'haproxy');
    writeFileSync(binary, `#!/bin/sh\necho "$1" >>${log}\nexec haproxy "$@"\n`, { mode: 0o755 });
    world.engine = world.makeEngine({ binary });
    state = withHost('it.test');
    await world.engine.start(state);
    assert.equal(await status('it.test'), 200);
    assert.equal(readFileSync(log, 'utf8'), '-W\n');
    const reloaded = new Promise<void>((resolve) => world.once(resolve));
    await world.engine.apply({ ...state, settings: { ...state.settings, forwarded: 'never' } });
    await reloaded;
    assert.match(readFileSync(log, 'utf8'), /^-W\n(?:.*\n)*-c\n/);
  });

  it('HAProxy allocates in huge pages, and the operator’s settings of the allocator take precedence', async () => {
    process.env.GLIBC_TUNABLES = 'glibc.malloc.arena_max=4';
    closing.push(() => {
      delete process.env.GLIBC_TUNABLES;
    });
    await world.engine.start(state);
    // The C library separates the settings in place.
    const environment = readFileSync(`/proc/${await workerPid()}/environ`, 'utf8').replaceAll('\0', ' ');
    assert.match(environment, /GLIBC_TUNABLES=glibc\.malloc\.hugetlb=1[: ]glibc\.malloc\.arena_max=4 /);
  });

  it('a missing executable is reported', async () => {
    world.engine = world.makeEngine({ binary: '/no/haproxy' });
    await world.engine.start(state);
    assert.match((await world.engine.describe()).problem ?? '', /no\/haproxy/);
  });

  it('a certificate and a backend that HAProxy rejects are skipped and named; the rest is served', async () => {
    const bad = makePem('other.test').replace(/-----BEGIN CERTIFICATE[\s\S]*/, '') + certificateOf(makePem());
    state = withHost('it.test');
    const broken = makeBackend('be_secure:t:broken', [makeServer('pod:x', '127.0.0.1', 1)], {
      http: { tls: { authority: 'empty' } },
    });
    state = {
      ...state,
      authorities: new Map([['empty', 'nothing']]),
      backends: new Map([...state.backends, [broken.id, broken]]),
      certificates: new Map([
        ['t:bad', { name: 't:bad', pem: bad, hosts: ['bad.test'], http2: false }],
        ['t:good', { name: 't:good', pem: makePem('good.test'), hosts: ['good.test'], http2: false }],
      ]),
    };
    const { refused } = await world.engine.start(state);
    assert.deepEqual(refused.map(({ kind, name }) => `${kind} ${name}`).sort(), [
      'backend be_secure:t:broken',
      'certificate t:bad',
    ]);
    assert.equal(await status('it.test'), 200);
  });

  it('a long allow-list is removed as quickly as it was added, and delays no other change', async () => {
    state = withHost('other.test');
    await world.engine.start(state);
    const networks = Array.from({ length: 3000 }, (_, i) => `10.${i >> 8}.${i & 255}.128/25`);
    const listed = (...more: string[]) => withHost('it.test', port, { allowList: [...networks, ...more] });
    await world.engine.apply(listed('127.0.0.1'));
    await eventually(async () => (await status('it.test')) === 200);
    state = withHost('it.test', port, { allowList: ['10.0.0.0/25', '192.0.2.1'] });
    await world.engine.apply(state);
    const { waiting } = await world.engine.apply(withHost('new.test'));
    assert.equal(waiting.size, 0, JSON.stringify([...waiting]));
    assert.equal(await status('it.test'), 0);
    state = withHost('it.test', port, { allowList: ['127.0.0.0/8'] });
    await world.engine.apply(state);
    assert.deepEqual([await status('it.test'), await status('other.test')], [200, 200]);
    await world.engine.settle();
    const written = (map: string) =>
      readFileSync(join(world.directory, `current/maps/${map}.map`), 'utf8')
        .trim()
        .split('\n')
        .sort();
    const running = async (map: string) =>
      (await tell(`show map maps/${map}.map`)).map((line) => line.replace(/^\S+ /, '')).sort();
    assert.deepEqual(await running('allow'), written('allow'));
    // The long list goes when it is found unused; a few entries may stay.
    await eventually(async () => (await running('networks')).length < 100);
    assert.deepEqual(
      written('networks'),
      (await running('networks')).filter((line) => line.includes('/8:7F ')),
    );
    assert.equal(await status('it.test'), 200);
    assert.equal((await world.engine.describe()).reloads.refused, 0);
  }).timeout(60_000);

  it('long allow-lists of one namespace do not delay changes of other namespaces', async () => {
    const list = (first: number, length: number, ...more: string[]) => [
      ...Array.from({ length }, (_, i) => `${first}.${i >> 16}.${(i >> 8) & 255}.${i & 255}`),
      ...more,
    ];
    await world.engine.start(state);
    for (let i = 0; i < 12; i++) {
      state = withHost(`large-${i}.test`, port, { tenant: 'large', allowList: list(10 + i, 15_000, '127.0.0.1') });
    }
    const isWaiting = (pending: ReadonlyMap<string, unknown>) => pending.has('be_http:t:large-11.test');
    const first = await world.engine.apply(state);
    assert.deepEqual(first.pending.get('be_http:t:large-11.test'), { isServed: false, cause: 'list' });
    state = withHost('plain.test', port, { tenant: 'small' });
    assert.ok(isWaiting((await world.engine.apply(state)).pending));
    assert.equal(await status('plain.test'), 200);
    // Its own long list is loaded next, and not after all others.
    state = withHost('small.test', port, { tenant: 'small', allowList: list(200, 1500, '127.0.0.1') });
    await world.engine.apply(state);
    await eventually(async () => (await status('small.test')) === 200);
    assert.ok(isWaiting((await world.engine.apply(state)).pending), 'the small list was loaded after the large ones');
    await eventually(async () => (await status('large-11.test')) === 200);
    const { pending, waiting } = await world.engine.apply(state);
    assert.deepEqual([[...pending], [...waiting]], [[], []]);
  }).timeout(60_000);

  it('a command that HAProxy rejected leads to a reload, regardless of earlier changes', async () => {
    await world.engine.start(state);
    const bad = makePem('other.test').replace(/-----BEGIN CERTIFICATE[\s\S]*/, '') + certificateOf(makePem());
    const certificates = new Map([['t:bad', { name: 't:bad', pem: bad, hosts: ['bad.test'], http2: false }]]);
    const reloaded = new Promise<void>((resolve) => world.once(resolve));
    state = { ...state, certificates };
    assert.ok((await world.engine.apply(state)).waiting.has('refused'));
    assert.ok((await world.engine.apply(withHost('it.test'))).waiting.has('refused'));
    await reloaded;
    const { refused, reloads } = await world.engine.describe();
    assert.deepEqual([refused.map(({ name }) => name), reloads.refused], [['t:bad'], 1]);
    assert.equal(await status('it.test'), 200);
  });

  it('parts that cannot be rendered are rejected with a reason at once', async () => {
    await world.engine.start(state);
    const sneaky = makeBackend('be_http:t:x\n  bind :1', []);
    const { refused } = await world.engine.apply({
      ...withHost('it.test'),
      passthrough: new Map([['a b', { host: 'a b', backend: 'x' }]]),
      sites: new Map([
        ...withHost('it.test').sites,
        ['x"y', makeSite('x"y', { backend: 'z' })],
        ['p.test', makeSite('p.test', { path: '/a\nb', backend: 'z' })],
      ]),
      backends: new Map([...withHost('it.test').backends, [sneaky.id, sneaky]]),
    });
    assert.deepEqual(refused.map(({ kind }) => kind).sort(), ['backend', 'passthrough', 'site', 'site']);
    assert.equal(await status('it.test'), 200);
  });

  it('leaves nothing that other users could read', async () => {
    await world.engine.start(withHost('it.test'));
    const mode = (path: string): string => (statSync(join(world.directory, path)).mode & 0o77).toString(8);
    assert.deepEqual(
      [mode('.'), mode('current/certs/default.pem'), mode('admin.sock'), mode('master.sock')],
      ['0', '0', '0', '0'],
    );
  });
});

/** Processes of HAProxy for a folder that lead a session, as masters do. */
function mastersOf(directory: string): number[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,sid=,args=']).toString().split('\n');
  return lines.flatMap((line) => {
    const [, pid, sid] = /^ *(\d+) +(\d+) haproxy /.exec(line) ?? [];
    return pid === sid && line.includes(directory) ? [Number(pid)] : [];
  });
}

function certificateOf(pem: string): string {
  return /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----\n/.exec(pem)?.[0] ?? '';
}

describe('The access log', () => {
  const world = new World();
  const lines: string[] = [];
  const syslog = createSocket('udp4');
  after(async () => {
    syslog.close();
    await world.close();
  });

  it('names backends and servers as in the state, including spare sections', async () => {
    // HAProxy also logs servers that are added and deleted.
    syslog.on('message', (message) => {
      if (message.includes('.test')) lines.push(message.toString());
    });
    await new Promise<void>((resolve) => syslog.bind(0, '127.0.0.1', resolve));
    const log = {
      target: { kind: 'syslog', address: `127.0.0.1:${syslog.address().port}` },
      facility: 'local1',
      level: 'info',
      maxLength: 1024,
      httpFormat: '%b %s %{+Q}b %%b %ST %[capture.req.hdr(0)]',
      captureRequestHeaders: [{ name: 'Host', length: 20 }],
      captureResponseHeaders: [],
    } as const;
    const port = await world.server('a');
    const state = makeState({ settings: await world.settings({ log }) });
    await world.engine.start(state);
    const backend = makeBackend('be_http:t:new', [makeServer('pod:a', '127.0.0.1', port)]);
    await world.engine.apply({
      ...state,
      backends: new Map([[backend.id, backend]]),
      sites: new Map([['new.test', makeSite('new.test', { backend: backend.id })]]),
    });
    await world.get('new.test', '/');
    await world.get('none.test', '/');
    await until(
      () => lines.length >= 2,
      () => lines,
    );
    assert.deepEqual(
      lines.slice(-2).map((line) => line.replace(/^.*?\]: /, '').trim()),
      [
        'be_http:t:new pod:a "be_http:t:new" %b 200 new.test',
        'openshift_default <NOSRV> "openshift_default" %b 503 none.test',
      ],
    );
  });
});
