import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type RequestOptions, request } from 'node:https';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { createDaemonServer, type DaemonServer, type HttpParts } from '../../../../src/base/daemon/http-server.ts';
import { parseAddress } from '../../../../src/base/model/address.ts';
import { probeByConnecting } from '../../../../src/ingress/ports/health.ts';
import { readListeners } from '../../../../src/ingress/ports/listeners.ts';
import { TestAuthority } from '../../../lab/certificates.ts';

const metrics = { contentType: 'text/plain; version=0.0.4', metrics: async () => 'up 1\n' };

describe('createDaemonServer', () => {
  let server: DaemonServer;
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

  describe('with a certificate', () => {
    const authority = new TestAuthority('metrics');
    const folder = mkdtempSync(join(tmpdir(), 'tls-port-'));
    const files = { certificateFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') };
    const problems: (string | undefined)[] = [];
    const write = (): void => {
      const { certificate, key } = authority.issue({ name: 'm', hosts: ['metrics.example'] });
      writeFileSync(files.keyFile, key);
      writeFileSync(files.certificateFile, certificate);
    };
    const openTls = (more: Partial<NonNullable<HttpParts['tls']>> = {}): Promise<void> =>
      open({ tls: { ...files, minVersion: 'TLSv1.2', report: (one) => problems.push(one), ...more } });
    const ask = (options: RequestOptions = {}): Promise<string> =>
      new Promise((resolve, reject) => {
        const { port } = server.address() as AddressInfo;
        const all = { host: '127.0.0.1', port, path: '/metrics', ca: authority.certificate, agent: false, ...options };
        const sent = request({ servername: 'metrics.example', ...all }, (response) => {
          const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate();
          response.resume().once('end', () => resolve(`${response.statusCode} ${serialNumber}`));
        });
        sent.once('error', reject).end();
      });
    after(() => rmSync(folder, { recursive: true }));
    beforeEach(() => problems.splice(0));

    it('answers with TLS and without', async () => {
      write();
      await openTls({ ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256' });
      assert.match(await ask(), /^200 /);
      assert.equal(await get('/healthz'), '200 ok');
      assert.equal(await get('/metrics'), '200 up 1');
      await assert.rejects(
        ask({ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384' }),
      );
      assert.deepEqual(problems, [undefined]);
    });

    it('rejects versions below its minimum', async () => {
      write();
      await openTls({ minVersion: 'TLSv1.3' });
      await assert.rejects(ask({ maxVersion: 'TLSv1.2' }));
      assert.match(await ask(), /^200 /);
    });

    it('reads a replaced certificate, and keeps the previous one while the files do not belong together', async () => {
      write();
      await openTls();
      const first = await ask();
      writeFileSync(files.keyFile, authority.issue({ name: 'o', hosts: ['other.example'] }).key);
      assert.equal(await ask(), first);
      assert.match(problems.at(-1) ?? '', /^cannot use .*tls\.crt and .*tls\.key: /);
      write();
      assert.notEqual(await ask(), first);
      assert.equal(problems.at(-1), undefined);
    });

    it('answers without TLS while the certificate is missing, and with it later', async () => {
      rmSync(files.certificateFile);
      await openTls();
      await assert.rejects(ask());
      assert.equal(await get('/healthz'), '200 ok');
      write();
      assert.match(await ask(), /^200 /);
    });

    it('answers others while clients connect and send nothing or no TLS', async () => {
      write();
      await openTls();
      const { port } = server.address() as AddressInfo;
      const open = () =>
        connect(port, '127.0.0.1')
          .on('error', () => undefined)
          .resume();
      const idle = Array.from({ length: 150 }, open);
      const odd = open();
      odd.write(Buffer.from([0x16, 0x03, 0x01, 0xff, 0xff, 1, 2, 3]));
      assert.match(await ask(), /^200 /);
      assert.equal(await get('/healthz'), '200 ok');
      // They do not stay for ever.
      const left = [...idle, odd].filter((socket) => !socket.destroyed);
      await Promise.all(left.map((socket) => once(socket, 'close')));
    });
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
    assert.equal(await probeByConnecting({ address: silent, port: 9, interval: 1 }, 50), false);
  });
});
