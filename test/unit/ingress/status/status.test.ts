import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeIngress, type RouteStatus } from '../../../../src/ingress/status/status.ts';
import { StatusFile } from '../../../../src/ingress/status/status-file.ts';
import { until } from '../../../until.ts';
import { readRoute, writeRoute } from '../samples.ts';

const identity = { routerName: 'r1', canonicalHostname: 'r1.example.com', controllerName: 'example.com/c' };
const { meta } = readRoute(writeRoute());
const wildcardPolicy = 'None';
const admitted: RouteStatus = { meta, wildcardPolicy, host: 'web.example.com', ports: ['tcp 13306'], admitted: true };
const refused: RouteStatus = {
  meta,
  wildcardPolicy,
  ports: [],
  admitted: false,
  reason: 'PortNotAllowed',
  message: 'no',
};
const noon = new Date('2026-01-01T12:00:00.500Z');
const later = new Date('2026-01-01T13:00:00Z');

describe('makeIngress', () => {
  it('reports whether a Route is admitted, or why not, in the form of the Route API', () => {
    assert.deepEqual(makeIngress(admitted, identity, undefined, noon), {
      host: 'web.example.com',
      routerName: 'r1',
      routerCanonicalHostname: 'r1.example.com',
      wildcardPolicy: 'None',
      conditions: [{ type: 'Admitted', status: 'True', lastTransitionTime: '2026-01-01T12:00:00Z' }],
    });
    assert.deepEqual(
      makeIngress(refused, { routerName: 'r1', controllerName: 'example.com/c' }, undefined, noon).conditions,
      [
        {
          type: 'Admitted',
          status: 'False',
          reason: 'PortNotAllowed',
          message: 'no',
          lastTransitionTime: '2026-01-01T12:00:00Z',
        },
      ],
    );
  });

  it('keeps an unchanged entry, and the transition time while the status stays', () => {
    const before = makeIngress(refused, identity, undefined, noon);
    assert.equal(makeIngress(refused, identity, before, later), before);
    const other = makeIngress({ ...refused, message: 'still no' }, identity, before, later);
    assert.equal(other.conditions[0]?.lastTransitionTime, '2026-01-01T12:00:00Z');
    const now = makeIngress(admitted, identity, before, later);
    assert.equal(now.conditions[0]?.lastTransitionTime, '2026-01-01T13:00:00Z');
  });
});

describe('StatusFile', () => {
  let folder: string;
  let path: string;
  let problems: (string | undefined)[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'status-'));
    path = join(folder, 'status.json');
    problems = [];
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  function open(clock: Date): StatusFile {
    return new StatusFile(
      path,
      identity,
      (problem) => problems.push(problem),
      () => clock.getTime(),
    );
  }

  function transition(): unknown {
    return JSON.parse(readFileSync(path, 'utf8')).routes[0].status.ingress[0].conditions[0].lastTransitionTime;
  }

  it('writes all Routes at once, leaves no temporary file, and writes nothing without a change', () => {
    const file = open(noon);
    file.publish([refused]);
    const { ino } = statSync(path);
    file.publish([{ ...refused }]);
    assert.equal(statSync(path).ino, ino);
    assert.deepEqual([readdirSync(folder), problems], [['status.json'], [undefined]]);
    assert.equal(JSON.parse(readFileSync(path, 'utf8')).routes[0].status.ingress[0].routerName, 'r1');
  });

  it('lists the listeners of ListenerSets as those of Gateways, but no other kinds', () => {
    const listen = (uid: string, more: Partial<RouteStatus>): RouteStatus => ({
      ...admitted,
      meta: { ...meta, name: uid, uid },
      ...more,
    });
    open(noon).publish([
      listen('gw/http', { listener: 'http' }),
      listen('set/http', { listener: 'http', kind: 'ListenerSet' }),
      listen('ingress', { kind: 'Ingress' }),
    ]);
    const { routes } = JSON.parse(readFileSync(path, 'utf8'));
    assert.deepEqual(
      routes.map(({ kind, uid, listener }: Record<string, string>) => [kind, uid, listener]),
      [
        ['Gateway', 'gw/http', 'http'],
        ['ListenerSet', 'set/http', 'http'],
      ],
    );
  });

  it('writes a large file with other work in between, with the last content, and completely when it closes', async () => {
    const message = 'x'.repeat(1000);
    const many = (count: number) =>
      Array.from({ length: count }, (_, index) => ({
        ...refused,
        message,
        meta: { ...refused.meta, name: `route-${index}`, uid: `route-${index}` },
      }));
    const count = () => JSON.parse(readFileSync(path, 'utf8')).routes.length;
    const file = open(noon);
    file.publish(many(400));
    assert.deepEqual(problems, []);
    file.publish(many(300));
    await until(
      () => problems.length === 2,
      () => problems,
    );
    assert.deepEqual([count(), statSync(path).mode & 0o777], [300, 0o644]);
    file.publish(many(200));
    file.close();
    assert.equal(count(), 200);
    // The write that closing interrupted removes its own file.
    await until(
      () => readdirSync(folder).join() === 'status.json',
      () => readdirSync(folder),
    );
    assert.equal(count(), 200);
  });

  it('keeps the times of an earlier agent, and starts over if the file has another format', () => {
    open(noon).publish([refused]);
    open(later).publish([refused]);
    assert.equal(transition(), '2026-01-01T12:00:00Z');
    for (const text of ['', '{', '{"routes": 5}', '[]']) {
      writeFileSync(path, text);
      open(later).publish([refused]);
      assert.equal(transition(), '2026-01-01T13:00:00Z');
    }
  });

  it('keeps the status of a pending Route, and writes none for a new one', () => {
    const file = open(noon);
    const pending = { ...admitted, isPending: true } as const;
    file.publish([pending]);
    assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')).routes, []);
    file.publish([refused]);
    file.publish([{ ...pending }]);
    const [{ status }] = JSON.parse(readFileSync(path, 'utf8')).routes;
    assert.equal(status.ingress[0].conditions[0].reason, 'PortNotAllowed');
  });

  it('reports that it cannot write, and continues', () => {
    path = join(folder, 'none', 'status.json');
    open(noon).publish([refused]);
    assert.match(problems[0] ?? '', /^Cannot write .*none\/status.json: ENOENT/);
  });

  it('contains classes, Gateways and routes, and keeps the times of their transitions', () => {
    const condition = { type: 'Accepted', status: 'True', reason: 'Accepted', message: '' } as const;
    const report = (generation: number) => ({
      classes: new Map([['ours', { uid: 'c', generation, conditions: [condition], supportedFeatures: ['TCPRoute'] }]]),
      gateways: new Map([
        [
          'shop/gw',
          {
            uid: 'g',
            generation,
            conditions: [condition],
            addresses: ['192.0.2.1', '2001:db8::1'],
            listeners: [],
            attachedSets: 0,
          },
        ],
      ]),
      sets: new Map(),
      policies: new Map(),
      routes: {
        TCPRoute: new Map([
          ['shop/a', { uid: 'a', generation, parents: [{ parentRef: { name: 'gw' }, conditions: [condition] }] }],
          ['shop/theirs', { uid: 't', generation, parents: [] }],
        ]),
      },
    });
    const read = () => JSON.parse(readFileSync(path, 'utf8')).gateways;
    open(noon).publish([], report(1));
    assert.deepEqual(
      read().map(({ kind, namespace, name }: Record<string, string>) => [kind, namespace, name].join(' ')),
      ['Gateway shop gw', 'GatewayClass  ours', 'TCPRoute shop a'],
    );
    assert.deepEqual(read()[0].status.addresses, [
      { type: 'IPAddress', value: '192.0.2.1' },
      { type: 'IPAddress', value: '2001:db8::1' },
    ]);
    assert.equal(read()[2].status.parents[0].controllerName, 'example.com/c');
    open(later).publish([], report(2));
    for (const { status } of read()) {
      const [{ observedGeneration, lastTransitionTime }] = (status.parents?.[0] ?? status).conditions;
      assert.deepEqual([observedGeneration, lastTransitionTime], [2, '2026-01-01T12:00:00Z']);
    }
    open(later).publish([], undefined);
    assert.equal(read(), undefined);
  });
});
