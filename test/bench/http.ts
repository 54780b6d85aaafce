import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { askMaster, readProcesses } from '../../src/ingress/haproxy/master.ts';
import type { Backend, HttpState } from '../../src/ingress/haproxy/model.ts';
import { makeBackend, makePem, makeServer, makeSite, makeState } from '../netns/ingress/haproxy/fixtures.ts';
import { World } from '../netns/ingress/haproxy/world.ts';
import { type BenchRoute, origin, writtenByHand, writtenByTemplate } from './http-rivals.ts';
import { cpuOf, formatTable, median } from './measure.ts';

const run = promisify(execFile);
const count = 10_000;
const origins = [17_001, 17_002];
const sticky = { http: { cookie: { name: 'c'.repeat(32), secure: false } } } as const;
const rivalPorts = { http: 18_000, https: 18_443 };

const routes: readonly BenchRoute[] = Array.from({ length: count }, (_, i) => ({
  host: `shop-${i}.apps.example.com`,
  id: `be_edge_http:team-${i % 100}:shop-${i}`,
  ports: origins,
}));

/** HTTP: traffic beside 10,000 Routes, ours between the rivals, and what a change takes. */
export async function benchHttp(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-http-'));
  const world = new World();
  const children: ChildProcess[] = [];
  try {
    children.push(startHaproxy(folder, 'origin', origin(origins)));
    writeFileSync(join(folder, 'wrk.lua'), script());
    const rows: string[][] = [];
    const rivals = [
      ['by hand, exact hosts', writtenByHand],
      ['sorted regular expressions', writtenByTemplate],
    ] as const;
    for (const [i, [name, write]] of rivals.entries()) {
      const files = { ...write(routes, join(folder, `rival-${i}`), rivalPorts), 'default.pem': makePem() };
      const begin = performance.now();
      const child = startHaproxy(folder, `rival-${i}`, files);
      await untilAnswers(rivalPorts.http);
      rows.push([name, ...(await traffic(folder, child.pid ?? 0, rivalPorts)), (performance.now() - begin).toFixed(0)]);
      child.kill('SIGKILL');
      await new Promise((resolve) => child.on('exit', resolve));
    }
    const state = await ourState(world);
    const begin = performance.now();
    await world.engine.start(state);
    await untilAnswers(world.httpPort);
    const ready = performance.now() - begin;
    const processes = readProcesses(await askMaster(join(world.directory, 'master.sock'), 'show proc'));
    const ports = { http: world.httpPort, https: world.httpsPort };
    const figures = await traffic(folder, processes?.workers[0] ?? 0, ports);
    rows.splice(0, 0, ['**ours**', ...figures, ready.toFixed(0)]);
    const head = [
      '',
      'plain req/s',
      'p99',
      'CPU µs',
      'edge req/s',
      'p99',
      'CPU µs',
      'memory MiB',
      'start to first answer ms',
    ];
    const table = formatTable(
      head,
      rows.map((row, i) => (i === 0 ? row : row.with(-1, '–'))),
    );
    return `${table}\n\n${await changes(world, state)}\n\n${await underLoad(folder, world, state)}`;
  } finally {
    await world.close();
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Starts HAProxy of files in a folder of their own. */
export function startHaproxy(folder: string, name: string, files: Readonly<Record<string, string>>): ChildProcess {
  const own = join(folder, name);
  rmSync(own, { recursive: true, force: true });
  mkdirSync(own);
  for (const [path, content] of Object.entries(files)) writeFileSync(join(own, path), content);
  return spawn('/usr/sbin/haproxy', ['-db', '-f', join(own, 'haproxy.cfg')], { stdio: 'ignore' });
}

/** Waits until a server listens. */
export async function untilAnswers(port: number): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    const answers = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (answers) return;
    await sleep(10);
  }
  throw new Error(`no server listens on ${port}`);
}

/** 200 of the hosts, so that connections to servers are kept, and paths that were never requested. */
function script(): string {
  return `local n = 0
request = function()
  n = n + 1
  local host = "shop-" .. (math.random(0, 199) * 37 % ${count}) .. ".apps.example.com"
  return wrk.format("GET", "/p/" .. n .. "/" .. math.random(1000000), {["Host"] = host})
end`;
}

interface Load {
  readonly rate: number;
  readonly p99: string;
  readonly requests: number;
  readonly failed: number;
}

async function load(folder: string, url: string, seconds: number, connections = 64): Promise<Load> {
  const words = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-s', join(folder, 'wrk.lua'), url];
  const { stdout } = await run('wrk', words);
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)?.slice(1) ?? [];
  return {
    rate: Number(/Requests\/sec:\s+(\S+)/.exec(stdout)?.[1]),
    p99: /^\s+99%\s+(\S+)/m.exec(stdout)?.[1] ?? '',
    requests: Number(/(\d+) requests in/.exec(stdout)?.[1]),
    failed: [...errors, /Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? '0'].reduce(
      (sum, n) => sum + Number(n),
      0,
    ),
  };
}

/** Requests a second, the slowest hundredth, and the CPU of a request; plain, then over TLS; memory after it. */
async function traffic(folder: string, pid: number, ports: { http: number; https: number }): Promise<string[]> {
  const figures: string[] = [];
  for (const url of [`http://127.0.0.1:${ports.http}/`, `https://127.0.0.1:${ports.https}/`]) {
    await load(folder, url, 1);
    const runs: { load: Load; cpu: number }[] = [];
    for (let i = 0; i < 3; i++) {
      const before = cpuOf(pid);
      const found = await load(folder, url, 3);
      runs.push({ load: found, cpu: ((cpuOf(pid) - before) * 1000) / found.requests });
    }
    const rate = median(runs.map((each) => each.load.rate));
    const typical = runs.find((each) => each.load.rate === rate);
    figures.push(rate.toFixed(0), typical?.load.p99 ?? '', median(runs.map(({ cpu }) => cpu)).toFixed(1));
  }
  const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return [...figures, (Number(resident) / 1024).toFixed(0)];
}

async function ourState(world: World): Promise<HttpState> {
  const process = { maxconn: 4000, threads: 1, bufsize: 32_768, maxrewrite: 8192 };
  const settings = await world.settings({ process, spareBackends: 256 });
  const backends = routes.map(({ id, ports }) =>
    makeBackend(
      id,
      ports.map((port, i) => makeServer(`pod:${i}:${id}:${port}`, '127.0.0.1', port, { checked: true })),
      sticky,
    ),
  );
  return makeState({ settings, backends, sites: routes.map(({ host, id }) => makeSite(host, { backend: id })) });
}

/** From a state that is given to the first right answer, a hundred times each. */
async function changes(world: World, first: HttpState): Promise<string> {
  let state = first;
  const port = await world.server('new');
  const set = (id: string, backend: Backend): HttpState => ({
    ...state,
    backends: new Map(state.backends).set(id, backend),
  });
  const site = (host: string, id: string): HttpState['sites'] =>
    new Map(state.sites).set(host, makeSite(host, { backend: id }));
  const kinds: Record<string, (i: number) => { next: HttpState; right: () => Promise<boolean> }> = {
    'an endpoint replaced': (i) => {
      const { host, id } = routes[i] ?? routes[0] ?? { host: '', id: '' };
      const next = set(id, makeBackend(id, [makeServer(`pod:new:${i}`, '127.0.0.1', port)], sticky));
      return { next, right: async () => (await world.get(host, '/')).echo?.server === 'new' };
    },
    'a new Route': (i) => {
      const id = `be_http:new:${i}`;
      const next = {
        ...set(id, makeBackend(id, [makeServer(`pod:${i}`, '127.0.0.1', port)], sticky)),
        sites: site(`new-${i}.test`, id),
      };
      return { next, right: async () => (await world.get(`new-${i}.test`, '/')).status === 200 };
    },
    'a Route removed': (i) => {
      const backends = new Map(state.backends);
      const sites = new Map(state.sites);
      backends.delete(`be_http:new:${i}`);
      sites.delete(`new-${i}.test`);
      const next = { ...state, backends, sites };
      return { next, right: async () => (await world.get(`new-${i}.test`, '/')).status === 503 };
    },
  };
  const rows: string[][] = [];
  for (const [what, make] of Object.entries(kinds)) {
    const times: number[] = [];
    for (let i = 0; i < 100; i++) {
      const { next, right } = make(i);
      state = next;
      const begin = performance.now();
      await world.engine.apply(state);
      while (!(await right())) await sleep(1);
      times.push(performance.now() - begin);
    }
    rows.push([what, median(times).toFixed(1), Math.max(...times).toFixed(1)]);
  }
  const { reloads } = await world.engine.describe();
  const total = Object.values(reloads).reduce((sum, n) => sum + n, 0);
  return formatTable([`a change beside ${count} Routes (${total} reloads)`, 'median ms', 'slowest of 100 ms'], rows);
}

/** 1,000 changes while others are served and WebSockets are open. */
async function underLoad(folder: string, world: World, first: HttpState): Promise<string> {
  const echo = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n');
      socket.pipe(socket);
    });
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  const address = echo.address();
  const port = address === null || typeof address === 'string' ? 0 : address.port;
  const id = 'be_http:ws:echo';
  let state: HttpState = {
    ...first,
    backends: new Map(first.backends).set(id, makeBackend(id, [makeServer('pod:ws', '127.0.0.1', port)])),
    sites: new Map(first.sites).set('ws.test', makeSite('ws.test', { backend: id })),
  };
  await world.engine.apply(state);
  const sockets = await Promise.all(Array.from({ length: 50 }, async () => await upgrade(world.httpPort)));
  let closed = 0;
  for (const socket of sockets) socket.on('close', () => closed++);
  const before = await world.engine.describe();
  const traffic = load(folder, `http://127.0.0.1:${world.httpPort}/`, 15);
  const begin = performance.now();
  for (let i = 0; i < 1000; i++) {
    const own = `be_http:load:${i % 50}`;
    const host = `load-${i % 50}.test`;
    const backends = new Map(state.backends);
    const sites = new Map(state.sites);
    if (i % 100 < 50) {
      backends.set(
        own,
        makeBackend(own, [makeServer(`pod:${i}`, '127.0.0.1', origins[i % 2] ?? 0, { weight: (i % 7) + 1 })]),
      );
      sites.set(host, makeSite(host, { backend: own }));
    } else {
      backends.delete(own);
      sites.delete(host);
    }
    state = { ...state, backends, sites };
    await world.engine.apply(state);
  }
  const took = performance.now() - begin;
  const { requests, failed } = await traffic;
  const after = await world.engine.describe();
  const seen = closed;
  for (const socket of sockets) socket.destroy();
  echo.close();
  const sum = (counts: Readonly<Record<string, number>>): number =>
    Object.values(counts).reduce((all, n) => all + n, 0);
  return formatTable(
    ['1,000 changes under load', ''],
    [
      ['all in force after', `${took.toFixed(0)} ms`],
      ['requests, of them failed', `${requests}, ${failed}`],
      ['WebSockets open, of them closed', `${sockets.length}, ${seen}`],
      [
        'reloads, workers at the end',
        `${sum(after.reloads) - sum(before.reloads)}, ${after.workers + after.oldWorkers}`,
      ],
    ],
  );
}

async function upgrade(port: number): Promise<Socket> {
  const asked = request({
    host: '127.0.0.1',
    port,
    headers: { host: 'ws.test', connection: 'upgrade', upgrade: 'echo' },
  });
  asked.end();
  return await new Promise((resolve, reject) => {
    asked.on('upgrade', (_, socket) => resolve(socket));
    asked.on('response', ({ statusCode }) => reject(new Error(`status ${statusCode}`)));
    asked.on('error', reject);
  });
}
