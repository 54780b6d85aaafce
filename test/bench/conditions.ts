import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askMaster, readProcesses } from '../../src/ingress/haproxy/master.ts';
import { type Condition, noGateways, type Rule, type VirtualHost } from '../../src/ingress/haproxy/rule.ts';
import { makeBackend, makeServer, makeState } from '../netns/ingress/haproxy/fixtures.ts';
import { World } from '../netns/ingress/haproxy/world.ts';
import { startHaproxy, untilAnswers } from './http.ts';
import { origin, rivalHead } from './http-rivals.ts';
import { formatTable } from './measure.ts';
import { costsOf } from './request-cost.ts';

const originPort = 17_001;
const rivalPort = 18_000;
const listenerPort = 61_100;
const place = '8080@127.0.0.1';

/** Decisions about one path, the last of which leads the measured request to `chosen`. */
interface Case {
  readonly name: string;
  readonly rules: readonly (readonly Condition[])[];
  /** Conditions of the rules in HAProxy's words. */
  readonly byHand: readonly string[];
}

const header = (name: string, value: string): Condition => ({ on: 'header', name, type: 'exact', value });
const param = (name: string, value: string): Condition => ({ on: 'param', name, type: 'exact', value });
const method: Condition = { on: 'method', type: 'exact', value: 'GET' };
const byHeader = (name: string, value: string) => `{ req.hdr(${name}) -m str ${value} }`;

const cases: readonly Case[] = [
  { name: 'path alone', rules: [], byHand: [] },
  { name: 'a header', rules: [[header('x-a', '1')]], byHand: [byHeader('x-a', '1')] },
  {
    name: 'a header and the method',
    rules: [[header('x-a', '1'), method]],
    byHand: [`${byHeader('x-a', '1')} METH_GET`],
  },
  {
    name: 'a header, the method and a query parameter',
    rules: [[header('x-a', '1'), param('q', '1'), method]],
    byHand: [`${byHeader('x-a', '1')} { url_param(q) -m str 1 } METH_GET`],
  },
  {
    name: 'two headers, the method and a query parameter',
    rules: [[header('x-a', '1'), header('x-b', '2'), param('q', '1'), method]],
    byHand: [`${byHeader('x-a', '1')} ${byHeader('x-b', '2')} { url_param(q) -m str 1 } METH_GET`],
  },
  {
    name: 'the last of 64 values of a header',
    rules: Array.from({ length: 64 }, (_, index) => [header('x-c', String(index))]),
    byHand: Array.from({ length: 64 }, (_, index) => byHeader('x-c', String(index))),
  },
];

const request = { path: '/a/b?q=1', headers: { 'x-a': '1', 'x-b': '2', 'x-c': '63' } };

/** CPU of a request at a listener of a Gateway, by the number of conditions that decide it. */
export async function benchConditions(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-conditions-'));
  const world = new World();
  const children: ChildProcess[] = [];
  try {
    children.push(startHaproxy(folder, 'origin', origin([originPort])));
    const hand = startHaproxy(folder, 'hand', { 'haproxy.cfg': writeByHand() });
    children.push(hand);
    await untilAnswers(rivalPort);
    const ports = { http: { from: listenerPort, to: listenerPort + 1 }, tls: { from: 61_102, to: 61_103 } };
    const hosts = cases.map(({ rules }, index) => makeHost(index, rules));
    await world.engine.start(
      makeState({
        settings: await world.settings({
          process: { maxconn: 4000, threads: 1, bufsize: 32_768, maxrewrite: 8192 },
          gateways: { ports, inner: 1 },
        }),
        backends: ['chosen', 'other'].map((name) =>
          makeBackend(`be_http:t:${name}`, [makeServer('a', '127.0.0.1', originPort)], { http: {} }),
        ),
        gateways: {
          ...noGateways,
          hosts: new Map(hosts.map((one) => [one.key, one])),
          places: new Map([[place, place]]),
          ports: new Map([[String(listenerPort), '8080']]),
        },
      }),
    );
    await untilAnswers(listenerPort);
    const processes = readProcesses(await askMaster(join(world.directory, 'master.sock'), 'show proc'));
    const rivals = [
      { port: listenerPort, pid: processes?.workers[0] ?? 0 },
      { port: rivalPort, pid: hand.pid ?? 0 },
    ];
    const figures = await costsOf(
      folder,
      cases.flatMap((_, index) => {
        const headers = { Host: hostOf(index), ...request.headers };
        return rivals.map((rival) => ({ ...request, headers, ...rival }));
      }),
    );
    const rows = cases.map(({ name }, index) => [
      name,
      ...rivals.flatMap((_, rival) => {
        const [figure = 0, least = 0] = [figures[2 * index + rival], figures[rival]];
        return [figure.toFixed(1), (figure - least).toFixed(1)];
      }),
    ]);
    return formatTable(['decided by', 'ours, CPU µs', 'more', 'by hand, CPU µs', 'more'], rows);
  } finally {
    await world.close();
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

function makeHost(index: number, rules: Case['rules']): VirtualHost {
  const path = { type: 'prefix', value: '/' } as const;
  const to = (backend: string, conditions: readonly Condition[]): Rule => ({
    path,
    conditions,
    target: { kind: 'backend', backend: `be_http:t:${backend}` },
  });
  const last = rules.length - 1;
  return {
    key: `${place}|${hostOf(index)}`,
    listener: 'gw/http',
    rules: [...rules.map((conditions, at) => to(at === last ? 'chosen' : 'other', conditions)), to('other', [])],
  };
}

function writeByHand(): string {
  const rules = cases.flatMap(({ byHand }, index) => {
    const ofHost = `{ req.hdr(host) -m str ${hostOf(index)} }`;
    const last = byHand.length - 1;
    return [
      ...byHand.map((one, at) => `  use_backend ${at === last ? 'chosen' : 'other'} if ${ofHost} ${one}\n`),
      `  use_backend other if ${ofHost}\n`,
    ];
  });
  const backends = ['chosen', 'other'].map(
    (name) => `backend ${name}\n  option forwardfor\n  server a 127.0.0.1:${originPort}\n`,
  );
  return `${rivalHead}frontend public\n  bind 127.0.0.1:${rivalPort}\n${rules.join('')}${backends.join('')}`;
}

function hostOf(index: number): string {
  return `host-${index}.test`;
}
