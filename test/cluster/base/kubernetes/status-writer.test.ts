import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKubeApi } from '../../../../src/base/kubernetes/client.ts';
import { EventRecorder } from '../../../../src/base/kubernetes/events.ts';
import type { Leadership } from '../../../../src/base/kubernetes/leadership.ts';
import { type StatusPlanner, StatusWriter } from '../../../../src/base/kubernetes/status-writer.ts';
import { silentLog } from '../../../lab/silent-log.ts';
import { until } from '../../../until.ts';
import { TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';

const routes = '/apis/route.openshift.io/v1/routes';
const kinds = { Route: { group: 'route.openshift.io', plural: 'routes' } } as const;

describe('StatusWriter', () => {
  let server: TestApiServer;
  let folder: string;
  let writer: StatusWriter<'Route'>;
  let leadership: Leadership;
  let plans: number;
  let failures: number;
  /** Desired `status.count` of every object. */
  let wanted: number;
  let hasEvents: boolean;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'status-writer-'));
    server = new TestApiServer([routes, '/api/v1/events']);
    const api = openKubeApi(writeKubeconfig(folder, await server.start()));
    leadership = { isHeld: true };
    [failures, plans, wanted, hasEvents] = [0, 0, 1, false];
    const log = { ...silentLog, warn: () => void failures++ };
    const plan: StatusPlanner<'Route'> = (_key, { status }) => {
      plans++;
      if (status.count === wanted) return undefined;
      const event = hasEvents ? { event: { reason: 'Counted', message: 'x' } } : {};
      return { status: { count: wanted }, wanted: `${wanted}`, ...event };
    };
    writer = new StatusWriter({
      api,
      kinds,
      plan,
      leadership: {
        get isHeld() {
          return leadership.isHeld;
        },
      },
      events: new EventRecorder(api, 'c', silentLog),
      log,
    });
  });
  afterEach(async () => {
    writer.close();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  function put(name: string): void {
    const object = server.put(routes, { metadata: { namespace: 'shop', name, uid: name }, status: { count: 0 } });
    writer.observe('Route', `shop/${name}`, structuredClone(object), 'v1');
  }
  const countOf = (name: string): unknown =>
    (server.get(routes, `shop/${name}`)?.status as { count?: unknown } | undefined)?.count;
  const isWritten = (name: string): Promise<void> =>
    until(
      () => countOf(name) === wanted,
      () => countOf(name),
    );

  it('writes other objects while the API server rejects one', async () => {
    for (let count = 0; count < 3; count++) server.fail({ on: /PATCH .*\/bad\//, answer: 422 });
    for (const name of ['bad', 'one', 'two']) put(name);
    writer.review();
    for (const name of ['one', 'two']) await isWritten(name);
    assert.equal(countOf('bad'), 0);
  });

  it('writes an object again after a failed write turned out to be unnecessary', async () => {
    server.fail({ on: /PATCH/, answer: 422 });
    put('web');
    writer.review();
    await until(
      () => failures === 1,
      () => failures,
    );
    wanted = 0;
    await until(
      () => plans === 2,
      () => plans,
    );
    wanted = 2;
    writer.review();
    await isWritten('web');
  });

  it('retries a failed write after it lost and regained the leadership', async () => {
    server.fail({ on: /PATCH/, answer: 422 });
    put('web');
    writer.review();
    await until(
      () => failures === 1,
      () => failures,
    );
    let asked = 0;
    leadership = {
      get isHeld() {
        asked++;
        return false;
      },
    };
    await until(
      () => asked > 0,
      () => asked,
    );
    leadership = { isHeld: true };
    writer.review();
    await isWritten('web');
  });

  it('does not wait for Events that the API server does not answer', async () => {
    hasEvents = true;
    for (let count = 0; count < 8; count++) server.fail({ on: /POST/, answer: 'silence' });
    const names = Array.from({ length: 20 }, (_, index) => `web-${index}`);
    for (const name of names) put(name);
    writer.review();
    for (const name of names) await isWritten(name);
  });
});
