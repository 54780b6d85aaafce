import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { refuse, type TokenVerdict } from '../../../../src/base/daemon/metrics-access.ts';
import { openKubeApi } from '../../../../src/base/kubernetes/client.ts';
import { judgeTokens } from '../../../../src/base/kubernetes/token-access.ts';
import { silentLog } from '../../../lab/silent-log.ts';
import { TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';

describe('tokens of clients of the metrics', () => {
  let server: TestApiServer;
  let folder: string;
  let judge: (token: string) => Promise<TokenVerdict>;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tokens-'));
    server = new TestApiServer([]);
    judge = judgeTokens(openKubeApi(writeKubeconfig(folder, await server.start())), '/metrics', silentLog);
    server.tokens.set('good', 'system:serviceaccount:monitoring:prometheus');
    server.tokens.set('other', 'system:serviceaccount:shop:default');
    server.readers.add('system:serviceaccount:monitoring:prometheus /metrics');
    server.readers.add('system:serviceaccount:shop:default /healthz');
  });
  afterEach(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  const statusOf = async (header?: string): Promise<number> =>
    (await refuse({ judgeToken: judge }, header))?.status ?? 200;
  const reviews = (): number => server.requests.filter((line) => line.endsWith('/tokenreviews')).length;

  it('are admitted if the API server permits their user to get /metrics', async () => {
    assert.equal(await statusOf('Bearer good'), 200);
    assert.equal(await statusOf('Bearer other'), 403);
    assert.equal(await statusOf('Bearer forged'), 401);
  });

  it('are required in the form of a token before the API server is asked', async () => {
    for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Basic Zzpw', 'Bearer a b', `Bearer ${'x'.repeat(9000)}`])
      assert.equal(await statusOf(header), 401, `${header}`.slice(0, 20));
    assert.equal(reviews(), 0);
  });

  it('are reviewed once for many requests, and again later', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => statusOf('Bearer good')));
    assert.deepEqual([...new Set(all)], [200]);
    assert.equal(await statusOf('Bearer good'), 200);
    assert.equal(reviews(), 1);
  });

  it('that are invented cost the API server little, and no other client its answer', async () => {
    assert.equal(await statusOf('Bearer good'), 200);
    const forged = Array.from({ length: 500 }, (_, at) => statusOf(`Bearer forged${at}`));
    const statuses = await Promise.all(forged);
    assert.ok(reviews() <= 20, `${reviews()} reviews`);
    assert.ok(statuses.includes(503) && !statuses.includes(200));
    assert.equal(await statusOf('Bearer good'), 200);
  });

  it('are rejected while the API server does not answer, and admitted afterwards', async () => {
    server.fail({ on: /tokenreviews/, answer: 403 });
    assert.equal(await statusOf('Bearer good'), 503);
    assert.equal(await statusOf('Bearer good'), 200);
    server.fail({ on: /subjectaccessreviews/, answer: 500 });
    assert.equal(await statusOf('Bearer other'), 503);
    assert.equal(await statusOf('Bearer other'), 403);
  });
});
