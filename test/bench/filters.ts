import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAddress } from '../../src/base/model/address.ts';
import { askMaster, readProcesses } from '../../src/ingress/haproxy/master.ts';
import type { HttpBackend } from '../../src/ingress/haproxy/model.ts';
import { makeBackend, makeServer, makeSite, makeState } from '../netns/ingress/haproxy/fixtures.ts';
import { World } from '../netns/ingress/haproxy/world.ts';
import { startHaproxy, untilAnswers } from './http.ts';
import { origin, rivalHead } from './http-rivals.ts';
import { formatTable } from './measure.ts';
import { costsOf } from './request-cost.ts';

const originPort = 17_001;
const mirrorPort = 17_002;
const rivalPort = 18_000;

interface Case {
  readonly name: string;
  readonly http: HttpBackend;
  /** Lines of a backend with the same effect, written by hand. Absent: HAProxy has no such function. */
  readonly byHand?: readonly string[];
}

const cases: readonly Case[] = [
  { name: 'no filter', http: {}, byHand: [] },
  {
    name: 'two request headers, one response header',
    http: {
      requestEdits: { set: [{ name: 'x-a', value: '1' }], add: [{ name: 'x-b', value: '2' }], remove: [] },
      responseEdits: { set: [{ name: 'x-c', value: '3' }], add: [], remove: [] },
    },
    byHand: ['http-request set-header x-a 1', 'http-request add-header x-b 2', 'http-response set-header x-c 3'],
  },
  {
    name: 'host and path rewritten',
    http: { rewriteHost: 'inner.test', rewrite: { prefix: '/a', target: '/b' } },
    byHand: ['http-request set-header Host inner.test', 'http-request replace-path ^/a(/.*)?$ /b\\1'],
  },
  {
    name: 'CORS, origin listed',
    http: {
      cors: { byFetch: true, origins: ['https://a.test'], methods: '', headers: '', credentials: true, maxAge: 5 },
    },
    byHand: [
      'http-request set-var(txn.origin) req.fhdr(origin)',
      'http-response set-header Access-Control-Allow-Origin %[var(txn.origin)] if { var(txn.origin) -m str https://a.test }',
      'http-response set-header Access-Control-Allow-Credentials true if { var(txn.origin) -m str https://a.test }',
      'http-response add-header Vary Origin',
    ],
  },
  {
    name: 'retries',
    http: { retry: { attempts: 2, codes: [503] } },
    byHand: ['retries 2', 'retry-on conn-failure 503'],
  },
  { name: 'timeout of the exchange', http: { limit: { whole: 10_000 } } },
  {
    name: 'one mirror',
    http: { mirrors: [{ servers: [serverAt(mirrorPort)], numerator: 1, denominator: 1 }] },
  },
];

/** CPU of a request with each filter, ours and by hand. */
export async function benchFilters(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-filters-'));
  const world = new World();
  const children: ChildProcess[] = [];
  try {
    children.push(startHaproxy(folder, 'origin', origin([originPort, mirrorPort])));
    const hand = startHaproxy(folder, 'hand', { 'haproxy.cfg': writeByHand() });
    children.push(hand);
    await untilAnswers(rivalPort);
    await world.engine.start(
      makeState({
        settings: await world.settings({ process: { maxconn: 4000, threads: 1, bufsize: 32_768, maxrewrite: 8192 } }),
        backends: cases.map(({ http }, index) =>
          makeBackend(`be_http:t:${index}`, [makeServer('a', '127.0.0.1', originPort)], { http }),
        ),
        sites: cases.map((_, index) => makeSite(hostOf(index), { backend: `be_http:t:${index}` })),
      }),
    );
    await untilAnswers(world.httpPort);
    const processes = readProcesses(await askMaster(join(world.directory, 'master.sock'), 'show proc'));
    const worker = processes?.workers[0] ?? 0;
    const ours = cases.map((_, index) => ({ ...requestOf(index), port: world.httpPort, pid: worker }));
    const theirs = cases.flatMap(({ byHand }, index) =>
      byHand === undefined ? [] : [{ ...requestOf(index), port: rivalPort, pid: hand.pid ?? 0 }],
    );
    const figures = (await costsOf(folder, [...ours, ...theirs])).map((figure) => figure.toFixed(1));
    const others = figures.slice(cases.length);
    const rows = cases.map(({ name, byHand }, index) => [
      name,
      figures[index] ?? '',
      byHand === undefined ? '–' : (others.shift() ?? ''),
    ]);
    return formatTable(['', 'ours, CPU µs', 'by hand, CPU µs'], rows);
  } finally {
    await world.close();
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

function requestOf(index: number) {
  return { path: '/a/b', headers: { Host: hostOf(index), Origin: 'https://a.test' } };
}

function writeByHand(): string {
  const backends = cases.map(
    ({ byHand = [] }, index) =>
      `backend b${index}\n${byHand.map((line) => `  ${line}\n`).join('')}  option forwardfor\n  server a 127.0.0.1:${originPort}\n`,
  );
  const rules = cases.map((_, index) => `  use_backend b${index} if { req.hdr(host) -m str ${hostOf(index)} }\n`);
  return `${rivalHead}frontend public\n  bind 127.0.0.1:${rivalPort}\n${rules.join('')}${backends.join('')}`;
}

function hostOf(index: number): string {
  return `filter-${index}.test`;
}

function serverAt(port: number) {
  const address = parseAddress('127.0.0.1');
  if (address === undefined) throw new Error('no address');
  return { address, port };
}
