import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { openKubeApi } from '../../../../src/base/kubernetes/client.ts';
import { ClusterSecrets } from '../../../../src/ingress/http/secrets.ts';
import { until } from '../../../until.ts';
import { TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';

const list = '/api/v1/namespaces/shop/secrets';
const configMaps = '/api/v1/namespaces/shop/configmaps';
const data = { 'tls.crt': Buffer.from('CERT').toString('base64'), 'tls.key': Buffer.from('KEY').toString('base64') };
const pair = { type: 'kubernetes.io/tls', metadata: { namespace: 'shop', name: 'pair' }, data };

describe('Secrets that Routes of a cluster refer to', () => {
  let server: TestApiServer;
  let folder: string;
  let secrets: ClusterSecrets;
  const changed: string[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'erks-'));
    server = new TestApiServer([list, configMaps]);
    secrets = new ClusterSecrets(openKubeApi(writeKubeconfig(folder, await server.start())), 50);
    changed.length = 0;
    secrets.start((key) => changed.push(key));
  });
  afterEach(async () => {
    secrets.close();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  const stateOf = (key: string) => secrets.get(key).state;

  /** Follows the Secret, and discards events until it was read. */
  async function readPair(): Promise<void> {
    server.put(list, pair);
    secrets.want(new Set(['shop/pair']));
    await secrets.settle(3000);
    assert.equal(stateOf('shop/pair'), 'found');
    changed.length = 0;
  }

  it('and ConfigMaps are read by name only, and followed', async () => {
    const write = (text: string) =>
      server.put(configMaps, { metadata: { namespace: 'shop', name: 'ca' }, data: { 'ca.crt': text, other: 'x' } });
    write('one');
    secrets.want(new Set(['ConfigMap shop/ca']));
    await secrets.settle(3000);
    assert.deepEqual(secrets.get('ConfigMap shop/ca'), { state: 'configMap', authorities: 'one' });
    const reviews = server.requests.filter((line) => line.includes('selfsubjectaccessreviews'));
    assert.equal(reviews.length, 3);
    const reads = server.requests.filter((line) => line.includes('/configmaps') || line.includes('/secrets'));
    assert.ok(reads.length > 0 && reads.every((line) => line.includes('metadata.name%3Dca')), reads.join());
    write('two');
    await until(
      () => changed.length > 1,
      () => changed,
    );
    assert.deepEqual(secrets.get('ConfigMap shop/ca'), { state: 'configMap', authorities: 'two' });
    server.remove(configMaps, 'shop/ca');
    await until(
      () => stateOf('ConfigMap shop/ca') === 'deleted',
      () => changed,
    );
  });

  it('are read by name only, after a review of the permission for each', async () => {
    server.put(list, pair);
    server.put(list, { ...pair, metadata: { namespace: 'shop', name: 'other' } });
    secrets.want(new Set(['shop/pair']));
    assert.equal(stateOf('shop/pair'), 'waiting');
    await secrets.settle(3000);
    const found = secrets.get('shop/pair');
    assert.deepEqual(found.state === 'found' && [found.secret.certificate, found.secret.key], ['CERT', 'KEY']);
    const reviews = server.requests.filter((line) => line.includes('selfsubjectaccessreviews'));
    assert.equal(reviews.length, 3);
    const reads = server.requests.filter((line) => line.includes('/secrets'));
    assert.ok(
      reads.every((line) => line.includes('metadata.name%3Dpair')),
      reads.join(),
    );
  });

  it('are not read without permission', async () => {
    server.put(list, pair);
    server.mayDo = ({ verb, name }) => name === 'pair' && verb !== 'watch';
    secrets.want(new Set(['shop/pair']));
    await secrets.settle(3000);
    assert.equal(stateOf('shop/pair'), 'forbidden');
    assert.deepEqual(
      server.requests.filter((line) => line.includes('/secrets')),
      [],
    );
  });

  it('leave no listeners behind after many reviews of the permission', async () => {
    const signals: AbortSignal[] = [];
    const { AbortController: original } = globalThis;
    globalThis.AbortController = class extends original {
      constructor() {
        super();
        signals.push(this.signal);
      }
    };
    try {
      server.mayDo = () => false;
      secrets.want(new Set(['shop/pair']));
      const reviews = () => server.requests.filter((line) => line.includes('selfsubjectaccessreviews')).length;
      await until(() => reviews() >= 45, reviews, 10_000);
    } finally {
      globalThis.AbortController = original;
    }
    const most = Math.max(...signals.map((signal) => getEventListeners(signal, 'abort').length));
    // A pause, or three requests at once.
    assert.equal(most <= 4, true, `${most} listeners`);
  });

  it('stay in use during an outage of the API server', async () => {
    await readPair();
    for (let i = 0; i < 1000; i++) server.fail({ on: /./, answer: 503 });
    server.dropWatches();
    // Several attempts fail.
    await until(
      () => server.faultsLeft <= 995,
      () => server.faultsLeft,
    );
    assert.equal(stateOf('shop/pair'), 'found');
    assert.deepEqual(changed, []);
  });

  it('are discarded when the permission is revoked', async () => {
    await readPair();
    server.mayDo = () => false;
    server.fail({ on: /watch=/, answer: 403 });
    server.dropWatches();
    await until(
      () => stateOf('shop/pair') === 'forbidden',
      () => stateOf('shop/pair'),
    );
  });

  it('wait for an API server that does not answer the review', async () => {
    server.put(list, pair);
    server.fail({ on: /selfsubjectaccessreviews/, answer: 503 });
    secrets.want(new Set(['shop/pair']));
    await secrets.settle(3000);
    assert.equal(stateOf('shop/pair'), 'found');
    assert.deepEqual(changed, ['shop/pair'], 'never forbidden');
  });

  it('are reported when they are created, change and are deleted', async () => {
    secrets.want(new Set(['shop/pair']));
    await secrets.settle(3000);
    assert.equal(stateOf('shop/pair'), 'missing');
    const expect = (state: string) =>
      until(
        () => stateOf('shop/pair') === state,
        () => secrets.get('shop/pair'),
      );
    server.put(list, pair);
    await expect('found');
    changed.length = 0;
    server.put(list, { ...pair, data: { ...data, 'tls.key': Buffer.from('NEW').toString('base64') } });
    await until(
      () => changed.length > 0,
      () => changed,
    );
    const found = secrets.get('shop/pair');
    assert.equal(found.state === 'found' && found.secret.key, 'NEW');
    server.remove(list, 'shop/pair');
    await expect('deleted');
  });
});
