import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { openKubeApi } from '../../../../src/base/kubernetes/client.ts';
import { clusterNames } from '../../../../src/base/kubernetes/names.ts';
import { portFeatures, siteFeatures } from '../../../../src/ingress/gateway/supported-features.ts';
import { ClusterStatus } from '../../../../src/ingress/status/cluster-status.ts';
import { silentLog } from '../../../lab/silent-log.ts';
import { until } from '../../../until.ts';
import { agentPaths } from '../../lab/agent-node.ts';
import { TestApiServer } from '../../lab/api-server.ts';
import { gatewaySchemaPath, makeGatewaySchema } from '../../lab/gateway-schema.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';

const every: readonly string[] = [...portFeatures, ...siteFeatures].sort();
const withoutRetries = every.filter((name) => !name.startsWith('HTTPRouteRetry'));
const tlsFeatures = /^Gateway(?:BackendClientCertificate|FrontendClientCertificateValidation)/;

describe('Supported features of a GatewayClass', () => {
  let server: TestApiServer;
  let folder: string;
  let url: string;
  let status: ClusterStatus | undefined;
  /** The lists that were written, in turn. */
  let written: string[];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'features-'));
    server = new TestApiServer(Object.values(agentPaths));
    url = await server.start();
    written = [];
    server.onChange(() => {
      const names = JSON.stringify(listed());
      if (names !== undefined && names !== written.at(-1)) written.push(names);
    });
    server.put(agentPaths.GatewayClass, {
      metadata: { name: 'class', uid: 'class', generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: { controllerName: clusterNames.gatewayController },
    });
  });

  afterEach(async () => {
    status?.close();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  /** Starts to write the statuses of an agent that serves hosts. */
  function start(leadership = { isHeld: true }): void {
    const identity = { routerName: 'tcp', controllerName: clusterNames.gatewayController };
    const times = { renewal: 100, retry: 50 };
    status = new ClusterStatus(openKubeApi(writeKubeconfig(folder, url)), identity, leadership, silentLog, times);
    status.observe('GatewayClass', 'class', server.get(agentPaths.GatewayClass, 'class'), 'v1');
    const report = { uid: 'class', generation: 1, conditions: [], supportedFeatures: every };
    const none = { gateways: new Map(), sets: new Map(), policies: new Map(), routes: {} };
    status.publish([], { classes: new Map([['class', report]]), ...none });
  }

  function listed(): readonly string[] | undefined {
    const now = server.get(agentPaths.GatewayClass, 'class')?.status as
      | { readonly supportedFeatures?: readonly { readonly name: string }[] }
      | undefined;
    return now?.supportedFeatures?.map(({ name }) => name);
  }

  function countReads(): number {
    return server.requests.filter((line) => line === `GET ${gatewaySchemaPath}`).length;
  }

  /** Waits until the server has answered this many more requests for the schema. */
  async function untilRead(times: number): Promise<void> {
    const wanted = countReads() + times;
    await until(
      () => countReads() >= wanted,
      () => server.requests,
    );
  }

  async function expect(want: readonly string[]): Promise<void> {
    const isWanted = () => JSON.stringify(listed()) === JSON.stringify(want);
    await until(isWanted, listed).catch(() => assert.deepEqual(listed(), want));
  }

  it('with the standard channel of the CRDs, retries are not claimed, not even at first', async () => {
    server.documents.set(gatewaySchemaPath, makeGatewaySchema('standard'));
    start();
    await expect(withoutRetries);
    assert.deepEqual(written, [JSON.stringify(withoutRetries)]);
  });

  it('with the experimental channel, every feature is claimed at once', async () => {
    server.documents.set(gatewaySchemaPath, makeGatewaySchema('experimental'));
    start();
    await expect(every);
    assert.deepEqual(written, [JSON.stringify(every)]);
  });

  for (const [what, answer] of [
    ['an older server without a schema', undefined],
    ['a schema without the kinds', { components: { schemas: { other: { type: 'object' } } } }],
    ['a schema of another shape', { components: [] }],
  ] as const) {
    it(`without a readable schema, retries are not claimed: ${what}`, async () => {
      if (answer !== undefined) server.documents.set(gatewaySchemaPath, answer);
      start();
      await expect(withoutRetries);
      await untilRead(2);
      assert.deepEqual(written, [JSON.stringify(withoutRetries)]);
    });
  }

  it('without access to the schema, retries are not claimed; they are as soon as it can be read', async () => {
    server.documents.set(gatewaySchemaPath, makeGatewaySchema('experimental'));
    server.fail({ on: /openapi/, answer: 403 });
    start();
    await expect(every);
    assert.deepEqual(written, [JSON.stringify(withoutRetries), JSON.stringify(every)]);
  });

  it('the features follow a change of the CRDs while the agent runs', async () => {
    server.documents.set(gatewaySchemaPath, makeGatewaySchema('standard'));
    start();
    await expect(withoutRetries);
    server.documents.set(gatewaySchemaPath, makeGatewaySchema('experimental'));
    await expect(every);
    server.documents.set(gatewaySchemaPath, makeGatewaySchema('standard'));
    await expect(withoutRetries);
  });

  it('fields that earlier releases lack are not claimed either', async () => {
    const schema = JSON.parse(JSON.stringify(makeGatewaySchema('experimental')));
    delete schema.components.schemas['io.k8s.networking.gateway.v1.Gateway'].properties.spec.properties.tls;
    server.documents.set(gatewaySchemaPath, schema);
    start();
    await expect(every.filter((name) => !tlsFeatures.test(name)));
  });

  it('a server that fails for a while does not change what it allowed before', async () => {
    server.documents.set(gatewaySchemaPath, makeGatewaySchema('experimental'));
    start();
    await expect(every);
    for (const answer of [503, 'cut', 429] as const) server.fail({ on: /openapi/, answer });
    await until(
      () => server.faultsLeft === 0,
      () => server.requests,
    );
    await untilRead(1);
    assert.deepEqual(written, [JSON.stringify(every)]);
  });

  it('the schema is read by the process that writes statuses, and when another becomes it', async () => {
    server.documents.set(gatewaySchemaPath, makeGatewaySchema('standard'));
    const leadership = { isHeld: false };
    start(leadership);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(countReads(), 0);
    leadership.isHeld = true;
    status?.review();
    await expect(withoutRetries);
    leadership.isHeld = false;
    server.documents.set(gatewaySchemaPath, makeGatewaySchema('experimental'));
    leadership.isHeld = true;
    status?.review();
    await expect(every);
  });

  it('a schema that is too long is not read to its end', async () => {
    server.documents.set(gatewaySchemaPath, { ...makeGatewaySchema('experimental'), info: 'x'.repeat(17 << 20) });
    start();
    await expect(withoutRetries);
  });
});
