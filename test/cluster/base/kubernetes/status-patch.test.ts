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

describe('What daemons write', () => {
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

  it('is planned again from what others wrote meanwhile', async () => {
    server.put(routes, { ...seen, metadata: { namespace: 'shop', name: 'web' }, status: { count: 5 } });
    const outcome = await patchStatus(api, seen, { path, leadership, plan: countUp });
    assert.equal(typeof outcome === 'object' && countOf(outcome.written), 6);
  });

  it('is not written where nothing is to be said, nor of what is gone', async () => {
    assert.equal(await patchStatus(api, seen, { path, leadership, plan: () => undefined }), 'unchanged');
    server.remove(routes, 'shop/web');
    assert.equal(await patchStatus(api, seen, { path, leadership, plan: countUp }), 'gone');
  });

  it('is not written by a process that ceased to be the leader between two attempts', async () => {
    server.fail({ on: /PATCH/, answer: 409 });
    const lost = { isHeld: true };
    const plan = (object: unknown) => {
      lost.isHeld = object === seen;
      return countUp(object);
    };
    await assert.rejects(patchStatus(api, seen, { path, leadership: lost, plan }), LeadershipLost);
    assert.deepEqual(server.get(routes, 'shop/web')?.status, { count: 0 });
  });

  it('is not written to another object that has the name now', async () => {
    server.remove(routes, 'shop/web');
    server.put(routes, { metadata: { namespace: 'shop', name: 'web', uid: 'other' }, status: { count: 0 } });
    assert.equal(await patchStatus(api, seen, { path, leadership, plan: countUp }), 'gone');
    assert.deepEqual(server.get(routes, 'shop/web')?.status, { count: 0 });
  });

  it('gives up after some conflicts, and writes nothing where another process may', async () => {
    for (let count = 0; count < 5; count++) server.fail({ on: /PATCH/, answer: 409 });
    await assert.rejects(patchStatus(api, seen, { path, leadership, plan: countUp }), { status: 409 });
    const { length } = server.requests;
    const lost = { isHeld: false };
    await assert.rejects(patchStatus(api, seen, { path, plan: countUp, leadership: lost }), LeadershipLost);
    assert.equal(server.requests.length, length);
  });

  it('tells a problem when it comes, changes and goes', () => {
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

  it('is worked on by key: one at a time, later after each failure, others unhindered', async () => {
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
