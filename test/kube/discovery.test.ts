import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { openKubeApi } from '../../src/base/kubernetes/client.ts';
import type { KubeApi } from '../../src/base/kubernetes/cluster-api.ts';
import { discover, followGroup, pathOfKind, type ServedGroup } from '../../src/base/kubernetes/discovery.ts';
import { until } from '../until.ts';
import { TestApiServer } from './api-server.ts';
import { writeKubeconfig } from './kubeconfig.ts';

const group = 'gateway.networking.k8s.io';
const paths = (...words: readonly string[]): string[] => words.map((word) => `/apis/${group}/${word}`);

describe('What a server serves of a group', () => {
  let server: TestApiServer;
  let api: KubeApi;
  let folder: string;
  let end: AbortController;

  beforeEach(async () => {
    end = new AbortController();
    folder = mkdtempSync(join(tmpdir(), 'discovery-'));
    server = new TestApiServer(paths('v1/gateways', 'v1alpha2/tcproutes', 'v1/tcproutes', 'v1alpha2/udproutes'));
    api = openKubeApi(writeKubeconfig(folder, await server.start()));
  });
  afterEach(async () => {
    end.abort();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  it('is the best version of each kind, of those that can be read', async () => {
    const served = await discover(api, group);
    const find = (kind: string, readable?: readonly string[]) => pathOfKind(served, group, kind, readable)?.path;
    assert.deepEqual(
      [find('TCPRoute'), find('TCPRoute', ['v1alpha2']), find('UDPRoute'), find('ReferenceGrant')],
      [...paths('v1/tcproutes', 'v1alpha2/tcproutes', 'v1alpha2/udproutes'), undefined],
    );
    assert.deepEqual(await discover(api, 'route.openshift.io'), []);
  });

  it('is looked at again until all is there, and a kind that comes later is told', async () => {
    const seen: ServedGroup[] = [];
    const problems: (string | undefined)[] = [];
    server.fail({ on: /GET \/apis\/gateway/, answer: 503 });
    void followGroup(
      api,
      group,
      {
        changed: (served) => seen.push(served),
        isComplete: (served) => pathOfKind(served, group, 'ReferenceGrant') !== undefined,
        report: (problem) => problems.push(problem),
      },
      end.signal,
      { incomplete: 20, complete: 60_000 },
    );
    await until(
      () => seen.length === 1,
      () => problems,
    );
    assert.match(problems[0] ?? '', /503/);
    server.addCollection(`/apis/${group}/v1beta1/referencegrants`);
    await until(
      () => seen.length === 2,
      () => seen,
    );
    const { length } = server.requests;
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(server.requests.length, length, 'it goes on asking');
  });
});
