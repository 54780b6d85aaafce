import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { after, before, describe, it } from 'mocha';
import type { HttpState, VerifiedTls } from '../../../../src/ingress/haproxy/model.ts';
import { TestAuthority } from '../../../lab/certificates.ts';
import { makeBackend, makeServer, makeSite, makeState } from './fixtures.ts';
import { World } from './world.ts';

const id = 'be_http:t:web';

describe('verified TLS to servers in a real HAProxy', () => {
  // The interval is longer than the tests: a change that needs a reload stays pending.
  const world = new World({ reloadInterval: 600_000 });
  const [own, other] = [new TestAuthority('own'), new TestAuthority('other')];
  const close: (() => void)[] = [];
  /** Number of connections that came without TLS. */
  let plain = 0;
  let port = 0;

  after(async () => {
    for (const each of close) each();
    await world.close();
  });

  before(async () => {
    const pair = own.issue({ name: 'server', hosts: ['web.test', 'second.test'] });
    const server = createServer(
      { cert: pair.certificate, key: pair.key, requestCert: true, rejectUnauthorized: false },
      ({ socket }, response) => {
        const tls = socket as TLSSocket & { servername?: string };
        const { subject } = tls.getPeerCertificate();
        response.end(JSON.stringify({ name: tls.servername, client: (subject as { CN?: string } | undefined)?.CN }));
      },
    );
    server.on('tlsClientError', (error) => {
      if (/http request/i.test(error.message)) plain++;
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    close.push(() => {
      server.close();
      server.closeAllConnections();
    });
    port = (server.address() as AddressInfo).port;
    await world.engine.start(await stateOf({}, undefined));
  });

  async function stateOf(
    authorities: Readonly<Record<string, string>>,
    tls: VerifiedTls | undefined,
    spareBackends = 8,
  ): Promise<HttpState> {
    const server = makeServer('web', '127.0.0.1', port, { ...(tls !== undefined && { tls }) });
    return makeState({
      settings: { ...(await world.settings()), spareBackends },
      backends: [makeBackend(id, [server], { http: {} })],
      sites: [makeSite('web.test', { backend: id })],
      authorities,
    });
  }

  function ask(): Promise<{ readonly status: number; readonly body: string }> {
    return new Promise((resolve) => {
      const words = { host: '127.0.0.1', port: world.httpPort, headers: { host: 'web.test' }, agent: false as const };
      const request = get(words, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      });
      request.on('error', (error) => resolve({ status: 0, body: error.message }));
    });
  }

  async function settle(want: (answer: { readonly status: number; readonly body: string }) => boolean): Promise<void> {
    for (const deadline = performance.now() + 15_000; ; ) {
      const answer = await ask();
      if (want(answer)) return;
      assert.ok(performance.now() < deadline, JSON.stringify([answer, world.problems]));
    }
  }

  it('reaches servers with the verified name only, without a reload', async () => {
    const ca = { ca: own.certificate };
    const apply = async (authorities: Record<string, string>, tls: VerifiedTls) => {
      const outcome = await world.engine.apply(await stateOf(authorities, tls));
      assert.deepEqual([outcome.refused, outcome.pendingReload], [[], false]);
    };
    await apply(ca, { name: 'web.test', authority: 'ca' });
    await settle(({ body }) => body === '{"name":"web.test"}');
    await apply(ca, { name: 'second.test', authority: 'ca' });
    await settle(({ body }) => body === '{"name":"second.test"}');
    await apply(ca, { name: 'third.test', authority: 'ca' });
    await settle(({ status }) => status === 503);
    // The name stays, and the content of the authority changes.
    await apply({ ca: other.certificate }, { name: 'web.test', authority: 'ca' });
    await settle(({ status }) => status === 503);
    await apply({ ca: `${other.certificate}${own.certificate}` }, { name: 'web.test', authority: 'ca' });
    await settle(({ body }) => body === '{"name":"web.test"}');
  });

  it('presents the certificate of the router, also a renewed one', async () => {
    for (const name of ['first', 'second']) {
      const { certificate, key } = own.issue({ name });
      const authorities = { ca: own.certificate, pair: `${certificate}${key}` };
      const tls = { name: 'web.test', authority: 'ca', certificate: 'pair' };
      const outcome = await world.engine.apply(await stateOf(authorities, tls));
      assert.deepEqual([outcome.refused, outcome.pendingReload], [[], false]);
      await settle(({ body }) => body === `{"name":"web.test","client":"${name}"}`);
    }
  });

  it('adds the first servers of backends that had none at the start, without a reload', async () => {
    const late = new World({ reloadInterval: 600_000 });
    try {
      const { certificate, key } = own.issue({ name: 'router' });
      const authorities = { ca: own.certificate, pair: `${certificate}${key}` };
      const tls = { name: 'web.test', authority: 'ca', certificate: 'pair' };
      const make = async (hasServers: boolean) =>
        makeState({
          settings: await late.settings(),
          backends: [
            makeBackend('be_secure:t:route', hasServers ? [makeServer('route', '127.0.0.1', port)] : [], {
              http: { tls: { authority: 'ca' } },
            }),
            makeBackend(id, hasServers ? [makeServer('web', '127.0.0.1', port, { tls })] : [], { http: {} }),
          ],
          sites: [makeSite('web.test', { backend: id }), makeSite('route.test', { backend: 'be_secure:t:route' })],
          authorities,
        });
      await late.engine.start(await make(false));
      const outcome = await late.engine.apply(await make(true));
      assert.deepEqual([outcome.refused, outcome.pendingReload, late.problems], [[], false, []]);
      for (const deadline = performance.now() + 15_000; ; ) {
        const { body } = await late.get('web.test', '/');
        if (body === '{"name":"web.test","client":"router"}') break;
        assert.ok(performance.now() < deadline, body);
      }
    } finally {
      await late.close();
    }
  });

  it('answers 503 instead of using earlier servers while a stricter backend waits for a reload', async () => {
    await world.engine.apply(await stateOf({}, undefined));
    await settle(() => plain > 0);
    // An authority that is too long for the runtime socket.
    const long = own.certificate.repeat(100);
    const outcome = await world.engine.apply(await stateOf({ ca: long }, { name: 'web.test', authority: 'ca' }));
    assert.equal(outcome.pendingReload, true);
    await settle(({ status }) => status === 503);
    const before = plain;
    for (let count = 0; count < 5; count++) assert.equal((await ask()).status, 503);
    assert.equal(plain, before);
  });
}).timeout(60_000);
