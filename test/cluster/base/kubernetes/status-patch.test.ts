import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { openKubeApi } from '../../../../src/base/kubernetes/client.ts';
import { type KubeApi, KubeError } from '../../../../src/base/kubernetes/cluster-api.ts';
import { LeadershipLost } from '../../../../src/base/kubernetes/leadership.ts';
import { ProblemBook } from '../../../../src/base/kubernetes/problem-book.ts';
import { patchStatus } from '../../../../src/base/kubernetes/status-patch.ts';
import { WorkQueue } from '../../../../src/base/kubernetes/work-queue.ts';
import { until } from '../../../until.ts';
import { type KubeObject, TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';

const routes = '/apis/route.openshift.io/v1/routes';
const path = '/apis/route.openshift.io/v1/namespaces/shop/routes/web';

const leadership = { isHeld: true };

describe('A status patch', () => {
  let server: TestApiServer;
  let api: KubeApi;
  let folder: string;
  let seen: KubeObject;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'writes-'));
    server = new TestApiServer([routes]);
    api = openKubeApi(writeKubeconfig(folder, await server.start()));
    seen = structuredClone(server.put(routes, { metadata: { namespace: 'shop', name: 'web' }, status: { count: 0 } }));
  });
  afterEach(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  const countOf = (object: unknown): number => (object as { status: { count: number } }).status.count;
  const countUp = (object: unknown) => ({ count: countOf(object) + 1 });

  it('is planned again after a write of another client', async () => {
    server.put(routes, { ...seen, metadata: { namespace: 'shop', name: 'web' }, status: { count: 5 } });
    const outcome = await patchStatus(api, seen, { path, leadership, plan: countUp });
    assert.equal(typeof outcome === 'object' && countOf(outcome.written), 6);
  });

  it('is not sent if nothing has changed or the object is gone', async () => {
    assert.equal(await patchStatus(api, seen, { path, leadership, plan: () => undefined }), 'unchanged');
    server.remove(routes, 'shop/web');
    assert.equal(await patchStatus(api, seen, { path, leadership, plan: countUp }), 'gone');
  });

  it('is not sent by a process that lost the leadership between two attempts', async () => {
    server.fail({ on: /PATCH/, answer: 409 });
    const lost = { isHeld: true };
    const plan = (object: unknown) => {
      lost.isHeld = object === seen;
      return countUp(object);
    };
    await assert.rejects(patchStatus(api, seen, { path, leadership: lost, plan }), LeadershipLost);
    assert.deepEqual(server.get(routes, 'shop/web')?.status, { count: 0 });
  });

  it('is not applied to another object of the same name', async () => {
    server.remove(routes, 'shop/web');
    server.put(routes, { metadata: { namespace: 'shop', name: 'web', uid: 'other' }, status: { count: 0 } });
    assert.equal(await patchStatus(api, seen, { path, leadership, plan: countUp }), 'gone');
    assert.deepEqual(server.get(routes, 'shop/web')?.status, { count: 0 });
  });

  it('gives up after several conflicts, and writes nothing without leadership', async () => {
    for (let count = 0; count < 5; count++) server.fail({ on: /PATCH/, answer: 409 });
    await assert.rejects(patchStatus(api, seen, { path, leadership, plan: countUp }), { status: 409 });
    const { length } = server.requests;
    const lost = { isHeld: false };
    await assert.rejects(patchStatus(api, seen, { path, plan: countUp, leadership: lost }), LeadershipLost);
    assert.equal(server.requests.length, length);
  });

  it('logs a problem when it appears, changes and is solved', () => {
    const lines: string[] = [];
    const note = (level: string) => (fields: object, message: string) =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
    const problems = new ProblemBook({ info: note('info'), warn: note('warn') }, 'Cannot follow');
    for (const problem of ['a', 'a', 'b', undefined, undefined]) problems.report('pods', problem);
    assert.deepEqual(lines, [
      'warn Cannot follow {"place":"pods","problem":"a"}',
      'warn Cannot follow {"place":"pods","problem":"b"}',
      'info Cannot follow: solved {"place":"pods"}',
    ]);
  });

  it('processes keys one at a time, with backoff after failures and without delaying other keys', async () => {
    const runs: string[] = [];
    const retries: number[] = [];
    const queue = new WorkQueue(
      async (key) => {
        runs.push(key);
        if (key === 'bad') throw new KubeError('no', 503);
        return undefined;
      },
      (_key, _error, retry) => retries.push(retry),
    );
    queue.add('bad');
    queue.add('good');
    queue.add('good');
    await until(
      () => retries.length === 2,
      () => runs,
    );
    queue.close();
    assert.deepEqual(
      [runs, retries],
      [
        ['bad', 'good', 'bad'],
        [500, 1000],
      ],
    );
  });
});
