import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { createDaemonServer, type HttpParts } from '../../../../src/base/daemon/http-server.ts';
import { parseAddress } from '../../../../src/base/model/address.ts';
import { probeByConnecting } from '../../../../src/ingress/ports/health.ts';
import { readListeners } from '../../../../src/ingress/ports/listeners.ts';

const metrics = { contentType: 'text/plain; version=0.0.4', metrics: async () => 'up 1\n' };

describe('createDaemonServer', () => {
  let server: Server;
  let base: string;
  let unreadiness: string | undefined;
  let claims: unknown;

  async function open(parts: Partial<HttpParts> = {}): Promise<void> {
    server = createDaemonServer({
      metrics,
      unreadiness: () => unreadiness,
      documents: { '/claims': () => claims },
      ...parts,
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  async function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<string> {
    const response = await fetch(`${base}${path}`, { headers, method });
    return `${response.status} ${(await response.text()).trim()}`;
  }

  it('answers a kubelet and Prometheus', async () => {
    await open();
    unreadiness = undefined;
    assert.deepEqual(await Promise.all(['/healthz', '/readyz?x', '/metrics'].map((path) => get(path))), [
      '200 ok',
      '200 ok',
      '200 up 1',
    ]);
    unreadiness = 'no rules yet';
    assert.equal(await get('/readyz'), '503 no rules yet');
    assert.equal(await get('/healthz/ready'), '503 no rules yet');
    assert.equal(await get('/healthz'), '200 ok');
    assert.match(await get('/other'), /^404 /);
    assert.match(await get('/metrics', {}, 'POST'), /^405 /);
  });

  it('has no claims if the daemon has none', async () => {
    server = createDaemonServer({ metrics, unreadiness: () => undefined });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    assert.equal(await get('/claims'), '404 there are /metrics, /healthz and /readyz');
  });

  it('requires credentials for metrics only', async () => {
    await open({ credentials: { username: 'u', password: 'p:ä' } });
    const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
    assert.equal(await get('/metrics', basic('u:p:ä')), '200 up 1');
    for (const headers of [{}, basic('u:p'), basic('u:'), basic(''), { authorization: 'Bearer x' }]) {
      assert.match(await get('/metrics', headers as Record<string, string>), /^401 /);
    }
    assert.match(await get('/healthz'), /^200 /);
  });

  it('serves claims to clients that may read statistics, once there are any', async () => {
    await open({ credentials: { username: 'u', password: 'p' } });
    assert.match(await get('/claims'), /^401 /);
    const headers = { authorization: `Basic ${Buffer.from('u:p').toString('base64')}` };
    assert.match(await get('/claims', headers), /^503 /);
    claims = { schema: 'x', claims: [] };
    assert.equal(await get('/claims', headers), '200 {"schema":"x","claims":[]}');
  });

  it('is in the list of listeners while it is open', async () => {
    await open();
    const { port } = server.address() as AddressInfo;
    assert.equal(readListeners().has(`tcp ${port}`), true);
    server.close();
    await once(server, 'close');
    assert.equal(readListeners().has(`tcp ${port}`), false);
    assert.deepEqual(readListeners('/nonexistent'), new Set());
  });
});

describe('probeByConnecting', () => {
  it('distinguishes a living endpoint from a dead and a silent one', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const address = parseAddress('127.0.0.1');
    const silent = parseAddress('192.0.2.1');
    if (address === undefined || silent === undefined) throw new Error('Cannot read the addresses of this test');
    assert.equal(await probeByConnecting({ address, port, interval: 1 }, 1000), true);
    server.close();
    await once(server, 'close');
    assert.equal(await probeByConnecting({ address, port, interval: 1 }, 1000), false);
    const start = performance.now();
    assert.equal(await probeByConnecting({ address: silent, port: 9, interval: 1 }, 50), false);
    assert.ok(performance.now() - start < 500);
  });
});
