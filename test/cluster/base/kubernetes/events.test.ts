import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKubeApi } from '../../../../src/base/kubernetes/client.ts';
import type { KubeApi } from '../../../../src/base/kubernetes/cluster-api.ts';
import { EventRecorder } from '../../../../src/base/kubernetes/events.ts';
import { silentLog } from '../../../lab/silent-log.ts';
import { TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';

const events = '/api/v1/events';
const pod = { apiVersion: 'v1', kind: 'Pod', namespace: 'shop', name: 'p', uid: 'u' };
const minutes = 60_000;

describe('Events', () => {
  let server: TestApiServer;
  let recorder: EventRecorder;
  let folder: string;
  let now: number;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'events-'));
    server = new TestApiServer([events]);
    now = 0;
    const api = openKubeApi(writeKubeconfig(folder, await server.start()));
    recorder = new EventRecorder(api, 'egress-router-node', silentLog, 'n1', () => now);
  });
  afterEach(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  const tell = (message: string, reason = 'Broken', object = pod) =>
    recorder.tell(object, { type: 'Warning', reason, message });
  const told = () => server.all(events).map(({ message, count }) => `${String(message)} x${String(count)}`);

  it('are recorded once, on one line, and dropped if they cannot be written', async () => {
    server.fail({ on: /POST/, answer: 403 });
    await tell('x', 'Lost');
    for (let count = 0; count < 3; count++) await tell('one\ntwo\u202e');
    const [event, ...more] = server.all(events);
    assert.deepEqual(
      [event?.message, event?.source, more.length],
      ['one\\u000atwo\\u202e', { component: 'egress-router-node', host: 'n1' }, 0],
    );
  });

  it('contain the number of repetitions after ten minutes', async () => {
    for (let count = 0; count < 5; count++) await tell('same');
    now = 11 * minutes;
    await tell('same');
    assert.deepEqual(told(), ['same x1', 'same x5']);
  });

  it('are combined when one reason has many messages', async () => {
    for (let count = 0; count < 30; count++) await tell(`port ${count}`);
    await tell('port 0', 'Other');
    const lines = told();
    assert.deepEqual(lines.slice(9), ['port 9 x1', '(combined from similar events): port 10 x1', 'port 0 x1']);
    now = 5 * minutes;
    await tell('port 31');
    assert.deepEqual(told(), lines);
  });

  it('have a budget for each object, so that one object cannot fill the store', async () => {
    for (let count = 0; count < 60; count++) await tell('same', `Reason${count}`);
    await tell('same', 'Broken', { ...pod, name: 'q', uid: 'v' });
    assert.equal(told().length, 26);
    now = 5 * minutes;
    for (let count = 60; count < 70; count++) await tell('same', `Reason${count}`);
    assert.equal(told().length, 27);
  });

  it('about cluster-scoped objects are written to the namespace default', async () => {
    await tell('x', 'Broken', { ...pod, namespace: '' });
    assert.equal(server.all(events)[0]?.metadata.namespace, 'default');
  });

  it('have names that the API server accepts, wherever the name of the object is cut', async () => {
    for (const [index, tail] of ['-', '.', '--'].entries())
      await tell('x', 'Broken', { ...pod, uid: `${index}`, name: `${'a'.repeat(200 - tail.length)}${tail}b.example` });
    const names = server.all(events).map(({ metadata }) => metadata.name);
    assert.equal(names.length, 3);
    // apimachinery, IsDNS1123Subdomain
    const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
    for (const name of names) assert.match(name, new RegExp(`^(?=.{1,253}$)${label}(\\.${label})*$`));
  });

  it('are written by at most four concurrent requests', async () => {
    let running = 0;
    let most = 0;
    let written = 0;
    const create = async (): Promise<undefined> => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      written++;
      return undefined;
    };
    const busy = new EventRecorder({ create } as unknown as KubeApi, 'c', silentLog);
    const objects = Array.from({ length: 50 }, (_, index) => ({ ...pod, uid: `${index}` }));
    await Promise.all(objects.map((object) => busy.tell(object, { type: 'Normal', reason: 'R', message: 'm' })));
    assert.deepEqual([most, written], [4, 50]);
  });
});
