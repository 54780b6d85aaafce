import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { openKubeApi, readRetryAfter } from '../../../../src/base/kubernetes/client.ts';
import { type KubeApi, KubeError } from '../../../../src/base/kubernetes/cluster-api.ts';
import { TestAuthority } from '../../../lab/certificates.ts';
import { until } from '../../../until.ts';
import { TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';

const services = '/api/v1/services';
const authority = new TestAuthority('cluster-ca');

describe('readRetryAfter', () => {
  for (const [header, wait] of [
    ['7', 7000],
    ['86400', 30_000],
    ['99999999', 30_000],
    ['1e300', 30_000],
    ['Infinity', 30_000],
    ['0', undefined],
    ['-5', undefined],
    ['NaN', undefined],
    ['Wed, 21 Oct 2026 07:28:00 GMT', undefined],
    [undefined, undefined],
  ] as const) {
    it(`reads ${header} as ${wait} ms`, () => assert.equal(readRetryAfter(header), wait));
  }
});

describe('A client of an API server', () => {
  let server: TestApiServer;
  let api: KubeApi;
  let folder: string;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'client-'));
    server = new TestApiServer([services], { tls: authority.issue({ name: 'api', hosts: ['127.0.0.1'] }) });
    const trusted = { 'certificate-authority-data': Buffer.from(authority.certificate).toString('base64') };
    api = openKubeApi(writeKubeconfig(folder, await server.start(), { cluster: trusted }), {
      request: 400,
      silence: 300,
    });
  });
  afterEach(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  it('reuses one connection for many requests', async () => {
    for (let count = 0; count < 20; count++) await api.get(services, {});
    assert.equal(server.connections, 1);
  });

  it('repeats a read after the server closed an idle connection', async () => {
    await api.get(services, {});
    server.fail({ on: /GET/, answer: 'cut' });
    await api.get(services, {});
    assert.equal(server.faultsLeft, 0);
  });

  it('ends a watch that stays silent for too long, and one without an answer', async () => {
    const events: unknown[] = [];
    const end = new AbortController();
    const watching = api.watch(services, {}, (event) => events.push(event), end.signal);
    await until(
      () => server.watchCount === 1,
      () => server.requests,
    );
    // What is said in time keeps it open.
    for (let count = 0; count < 3; count++) {
      await new Promise((resolve) => setTimeout(resolve, 150));
      server.bookmark();
    }
    await watching;
    assert.equal(events.length, 3);
    server.fail({ on: /watch/, answer: 'silence' });
    await assert.rejects(
      api.watch(services, {}, () => undefined, end.signal),
      /did not answer within 0\.4 s/,
    );
  });

  it('fails a request without an answer, and reports how long it waited', async () => {
    server.fail({ on: /GET/, answer: 'silence' });
    await assert.rejects(api.get(services, {}), (error: unknown) => {
      assert.ok(error instanceof KubeError);
      assert.match(error.message, /^Cannot GET \/api\/v1\/services: 127\.0\.0\.1:\d+ did not answer within 0\.4 s$/);
      return error.status === 0;
    });
  });

  for (const { whose, limit } of [
    { whose: 'its own', limit: 5000 },
    { whose: 'its caller’s', limit: 200 },
  ]) {
    it(`opens a new connection after one without an answer in ${whose} time, regardless of the pool`, async () => {
      await Promise.all([1, 2, 3].map(() => api.get(services, {})));
      assert.equal(server.connections, 3);
      server.loseConnections();
      await assert.rejects(api.get(services, {}, AbortSignal.timeout(limit)));
      await api.get(services, {});
    });
  }

  it("reports the server's error on one line", async () => {
    server.fail({ on: /GET/, answer: 429, headers: { 'retry-after': '7' } });
    await assert.rejects(api.get(services, {}), {
      status: 429,
      retryAfter: 7000,
      message: /^Cannot GET .*: 429 a fault$/,
    });
  });
});
