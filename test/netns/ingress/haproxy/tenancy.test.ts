import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { parseAddress } from '../../../../src/base/model/address.ts';
import type { EndpointFinder } from '../../../../src/ingress/backends/endpoints.ts';
import type { Backend, HttpState, Site } from '../../../../src/ingress/haproxy/model.ts';
import { RuntimeSocket } from '../../../../src/ingress/haproxy/socket.ts';
import { makeBackend as makeRuleBackend } from '../../../../src/ingress/http/backend.ts';
import { mapGroups } from '../../../../src/ingress/http/equal-groups.ts';
import type { ServiceShare } from '../../../../src/ingress/intent/service-share.ts';
import type { SiteDemand, SiteOwner } from '../../../../src/ingress/intent/site-request.ts';
import { makeRandom } from '../../../soak/random.ts';
import { makeBackend, makeServer, makeSite, makeState } from './fixtures.ts';
import { World } from './world.ts';

/** A pod that notes the hosts it is asked for, by the Host header or the server name of a ClientHello. */
class Pod {
  readonly hosts: string[] = [];
  port = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** @param delay milliseconds until it answers and closes, or what it waits for */
  constructor(delay: number | Promise<void>) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.once('data', (data: Buffer) => {
        this.hosts.push(/[ab]\d*\.test/.exec(data.toString('latin1'))?.[0] ?? '?');
        const answer = () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
        if (typeof delay === 'number') setTimeout(answer, delay);
        else void delay.then(answer);
      });
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Returns the backends and paths of an object with some rules. Each Service has one endpoint on a port of this host. */
function makeRules(
  host: string,
  rules: readonly (readonly [path: string, service: string])[],
  ports: Readonly<Record<string, number>>,
): { readonly backends: readonly Backend[]; readonly site: Site } {
  const demand: SiteDemand = {
    matches: rules.map(([value], group) => ({
      path: { type: 'element', value },
      filters: { requestHeaders: [], responseHeaders: [], adjustsCase: false },
      group,
    })),
    groups: rules.map(([, service]) => ({ shares: [{ service, servicePort: 80, weight: 1 }] })),
    access: { limits: {} },
    warnings: [],
    ignored: [],
  };
  const owner: SiteOwner = {
    kind: 'Ingress',
    meta: { namespace: 'a', name: 'web', uid: '1', created: '', labels: {}, annotations: {} } as never,
    label: 'a:web',
    fields: { host: 'host', path: 'path', wildcard: 'wildcard' },
  };
  const address = parseAddress('127.0.0.1');
  const finder = {
    find: ({ service }: ServiceShare) => [
      { address, port: ports[service] ?? 0, state: 'ready', local: true, portName: '', target: `pod:${service}` },
    ],
  } as unknown as EndpointFinder;
  const defaults = { balance: 'random', tcpBalance: 'random', checkInterval: 5000 } as const;
  const backends = mapGroups(demand, (group, index) =>
    makeRuleBackend({ owner, demand, group, index }, finder, defaults, undefined),
  );
  const paths = rules.map(([path], index) => ({ path, backend: backends[index]?.id ?? '' }));
  return { backends, site: makeSite(host, ...paths) };
}

describe('Reused sections', () => {
  let world: World;
  let state: HttpState;
  const pods: Pod[] = [];
  const clients: Socket[] = [];

  beforeEach(async () => await start(1));
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    for (const pod of pods.splice(0)) pod.close();
    await world.close();
  });

  /** Starts a HAProxy with spare sections of each kind, and no reload that would make others. */
  async function start(spareBackends: number): Promise<void> {
    world = new World({ reloadInterval: 600_000 });
    state = makeState({ settings: await world.settings({ spareBackends }) });
    await world.engine.start(state);
  }
  async function pod(delay: number | Promise<void> = 0): Promise<Pod> {
    const made = await new Pod(delay).listen();
    pods.push(made);
    return made;
  }
  /** A port that refuses connections. */
  async function closedPort(): Promise<number> {
    const made = await new Pod(0).listen();
    made.close();
    return made.port;
  }
  function withRoute(host: string, port: number, changes: Partial<Backend> = {}, from = state): HttpState {
    const id = `${changes.mode === 'tcp' ? 'be_tcp' : 'be_http'}:${host.charAt(0)}:${host}`;
    const backend = makeBackend(id, [makeServer(`pod:${port}`, '127.0.0.1', port)], {
      tenant: host.charAt(0),
      ...changes,
    });
    return {
      ...from,
      backends: new Map([...from.backends, [id, backend]]),
      ...(backend.mode === 'tcp'
        ? { passthrough: new Map([...from.passthrough, [host, { host, backend: id }]]) }
        : { sites: new Map([...from.sites, [host, makeSite(host, { backend: id })]]) }),
    };
  }
  function withoutRoute(host: string, from: HttpState): HttpState {
    const [sites, passthrough, backends] = [new Map(from.sites), new Map(from.passthrough), new Map(from.backends)];
    sites.delete(host);
    passthrough.delete(host);
    for (const kind of ['be_http', 'be_tcp']) backends.delete(`${kind}:${host.charAt(0)}:${host}`);
    return { ...from, sites, passthrough, backends };
  }
  /** Sends a request; resolves to its status, or 0. */
  async function ask(host: string, path = '/'): Promise<number> {
    const socket = connect(world.httpPort, '127.0.0.1');
    return await first(socket, () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${host}\r\n\r\n`),
    );
  }
  async function askTls(host: string): Promise<number> {
    return await first(connectTls({ port: world.httpsPort, host: '127.0.0.1', servername: host }), () => {});
  }
  async function first(socket: Socket, begin: () => void): Promise<number> {
    clients.push(socket);
    return await new Promise((resolve) => {
      socket.on('error', () => resolve(0));
      socket.on('close', () => resolve(0));
      socket.on('data', (data) => resolve(Number(/^HTTP\/1.1 (\d+)/.exec(data.toString())?.[1] ?? 0)));
      begin();
    });
  }
  async function tell(command: string): Promise<string> {
    const socket = await RuntimeSocket.open(join(world.directory, 'admin.sock'));
    const [answer = ''] = await socket.run([command]).finally(() => socket.close());
    return answer;
  }
  async function sessions(section: string): Promise<number> {
    const [names = '', row = ''] = (await tell(`show stat ${section} 2 -1`)).split('\n');
    return Number(row.split(',')[names.split(',').indexOf('scur')]);
  }
  async function eventually(isSo: () => Promise<boolean>, longest = 20_000): Promise<void> {
    for (const end = performance.now() + longest; !(await isSo()); ) {
      assert.ok(performance.now() < end, `not within ${longest} ms: ${JSON.stringify(world.problems)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  /** Applies a state until nothing of it waits for a section. */
  async function applyWhenFree(wanted: HttpState): Promise<void> {
    await eventually(async () => (await world.engine.apply(wanted)).waiting.size === 0);
  }

  it('do not take retried requests to the next tenant', async () => {
    await world.engine.apply(withRoute('a.test', await closedPort()));
    const asked: Promise<number>[] = [];
    // Until their retries are spread over the second that HAProxy pauses before each.
    for (let i = 0; i < 12; i++) {
      asked.push(ask('a.test'));
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    assert.ok((await sessions('spare-http-random-1')) > 5);
    await world.engine.apply(state);
    const other = await pod();
    await applyWhenFree(withRoute('b.test', other.port));
    assert.equal(await ask('b.test'), 200);
    assert.deepEqual(new Set(await Promise.all(asked)), new Set([503]));
    assert.deepEqual(other.hosts, ['b.test']);
  });

  it('do not take queued requests to the next tenant', async () => {
    const answers = Promise.withResolvers<void>();
    const slow = await pod(answers.promise);
    await world.engine.apply(withRoute('a.test', slow.port, { serverMaxconn: 1 }));
    const asked = Array.from({ length: 6 }, async () => await ask('a.test'));
    await eventually(async () => slow.hosts.length === 1 && (await sessions('spare-http-random-1')) === 6);
    await world.engine.apply(state);
    // Meanwhile the next tenant asks for the section.
    setTimeout(answers.resolve, 2000);
    const other = await pod();
    await applyWhenFree(withRoute('b.test', other.port));
    assert.equal(await ask('b.test'), 200);
    await Promise.all(asked);
    assert.deepEqual(other.hosts, ['b.test']);
  });

  it('do not take passthrough connections to the next tenant', async () => {
    await world.engine.apply(withRoute('a.test', await closedPort(), { mode: 'tcp' }));
    const asked = Array.from({ length: 7 }, async () => await askTls('a.test'));
    await eventually(async () => (await sessions('spare-tcp-random-1')) === 7);
    await world.engine.apply(state);
    const other = await pod();
    await applyWhenFree(withRoute('b.test', other.port, { mode: 'tcp' }));
    await askTls('b.test');
    await Promise.all(asked);
    assert.deepEqual(other.hosts, ['b.test']);
  });

  it('reject what was routed to their previous use', async () => {
    const other = await pod();
    await world.engine.apply(withRoute('b.test', other.port));
    await world.engine.apply(withRoute('b.test', other.port, { mode: 'tcp' }, withRoute('b.test', other.port)));
    // What a request that was routed before the use ended finds when it enters.
    const [http, tcp] = ['spare-http-random-1', 'spare-tcp-random-1'] as const;
    await tell(`add map maps/plain.map a.test/ ${http}|||!nA|0`);
    await tell(`add map maps/passthrough.map a.test ${tcp}||||0`);
    assert.deepEqual([await ask('a.test'), await ask('b.test')], [503, 200]);
    await askTls('a.test');
    await askTls('b.test');
    assert.deepEqual(other.hosts, ['b.test', 'b.test']);
    await tell(`del map maps/tenancies.map ${http}`);
    assert.equal(await ask('b.test'), 503);
  });

  it('do not count a client’s requests to the previous tenant', async () => {
    const other = await pod();
    const limits = { requestRate: 3 };
    await world.engine.apply(withRoute('a.test', other.port, { limits }));
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push(await ask('a.test'));
    assert.deepEqual(statuses, [200, 200, 0, 0]);
    await world.engine.apply(state);
    await applyWhenFree(withRoute('b.test', other.port, { limits }));
    assert.equal(await ask('b.test'), 200);
  });

  it('are used by another owner of the same name like by another tenant', async () => {
    const [mine, other] = [await pod(), await pod()];
    await world.engine.apply(withRoute('a.test', mine.port, { owner: '1' }));
    assert.equal(await ask('a.test'), 200);
    const outcome = await world.engine.apply(withRoute('a.test', other.port, { owner: '2' }));
    assert.deepEqual([...outcome.waiting.keys()], ['spares']);
  });

  it('take no request of one rule to the Service of another', async () => {
    const [refusing, other] = [await closedPort(), await pod()];
    const ports: Readonly<Record<string, number>> = { first: refusing, second: other.port };
    const withRules = (...rules: readonly (readonly [path: string, service: string])[]): HttpState => {
      const { backends, site } = makeRules('a.test', rules, ports);
      return { ...state, sites: new Map([['a.test', site]]), backends: new Map(backends.map((one) => [one.id, one])) };
    };
    // Without a second spare section, the backend would stay.
    await world.close();
    await start(2);
    // Two rules share a backend, which HAProxy retries.
    await world.engine.apply(withRules(['/a', 'first'], ['/b', 'first']));
    const asked = Array.from({ length: 6 }, async () => await ask('a.test', '/b'));
    await eventually(async () => (await sessions('spare-http-random-1')) === 6);
    await world.engine.apply(withRules(['/a', 'second'], ['/b', 'first']));
    assert.deepEqual(new Set(await Promise.all(asked)), new Set([503]));
    assert.deepEqual(other.hosts, []);
  });

  it('carry no request to another tenant in a random series of Routes', async () => {
    const seed = Number(process.env.SOAK_SEED ?? Date.now());
    const random = makeRandom(seed);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
    const own = {
      a: [await pod(), await pod(400)],
      b: [await pod(), await pod(400)],
    };
    const refusing = await closedPort();
    const pending: Promise<number>[] = [];
    let uses = 0;
    let now = state;
    let hosts: string[] = [];
    for (const end = performance.now() + 15_000; performance.now() < end; ) {
      const tenant = pick(['a', 'b'] as const);
      if (hosts.length > 0 && random() < 0.4) {
        const host = pick(hosts);
        hosts = hosts.filter((each) => each !== host);
        now = withoutRoute(host, now);
      } else if (hosts.length < 3) {
        const host = `${tenant}${Math.floor(random() * 5)}.test`;
        const [quick, slow] = own[tenant];
        const to = pick([refusing, refusing, quick?.port, slow?.port]) ?? 0;
        now = withRoute(
          host,
          to,
          { mode: pick(['http', 'tcp'] as const), ...(random() < 0.5 && { serverMaxconn: 1 }) },
          withoutRoute(host, now),
        );
        hosts = [...hosts.filter((each) => each !== host), host];
      }
      await world.engine.apply(now);
      for (let i = 0; i < 4 && hosts.length > 0; i++) pending.push((random() < 0.5 ? ask : askTls)(pick(hosts)));
      uses += /^0x[0-9a-f]+ \S+ (?:[2-9]|\d\d+)$/m.test(await tell('show map maps/tenancies.map')) ? 1 : 0;
      // Requests are at every stage when the next change comes.
      await new Promise((resolve) => setTimeout(resolve, random() * 300));
    }
    await Promise.all(pending);
    for (const tenant of ['a', 'b'] as const) {
      const strangers = own[tenant].flatMap((each) => each.hosts).filter((host) => !host.startsWith(tenant));
      assert.deepEqual(strangers, [], `seed ${seed}`);
    }
    assert.ok(
      [...own.a, ...own.b].some((each) => each.hosts.length > 0),
      `no pod was reached, seed ${seed}`,
    );
    assert.ok(uses > 0, `no section was reused, seed ${seed}`);
    assert.deepEqual(world.problems, []);
  }).timeout(60_000);
});
