import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { openKubeApi } from '../../../../src/base/kubernetes/client.ts';
import { KubeLease } from '../../../../src/base/kubernetes/lease.ts';
import { until } from '../../../until.ts';
import { TestApiServer } from '../../lab/api-server.ts';
import { clusterPaths } from '../../lab/cluster.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';

/** Milliseconds. */
const duration = 1000;

describe('A Lease', () => {
  let server: TestApiServer;
  let folder: string;
  let lease: KubeLease;

  beforeEach(async () => {
    server = new TestApiServer([clusterPaths.leases]);
    folder = mkdtempSync(join(tmpdir(), 'lease-'));
    const api = openKubeApi(writeKubeconfig(folder, await server.start()));
    const settings = { namespace: 'system', name: 'one', holder: 'me', duration: duration / 1000 };
    lease = new KubeLease(
      api,
      settings,
      () => undefined,
      () => undefined,
    );
    lease.start();
    await until(
      () => lease.isHeld,
      () => server.requests,
    );
  });
  afterEach(async () => {
    lease.close();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  for (const verb of ['GET', 'PUT']) {
    // The server of a connection died without closing it; the next request opens another.
    it(`is kept if a ${verb} gets no answer`, async () => {
      // It is read only when it may be another's.
      if (verb === 'GET') server.fail({ on: /^PUT /, answer: 409 });
      server.fail({ on: new RegExp(`^${verb} .*/leases/one`), answer: 'silence' });
      await until(
        () => server.faultsLeft === 0,
        () => server.requests,
      );
      await new Promise((resolve) => setTimeout(resolve, duration));
      assert.ok(lease.isHeld, 'the Lease was not renewed in its time');
    });
  }
});
