import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { endpointSlice, route, service } from '../../../lab/manifests.ts';
import { addresses as at } from '../../../lab/names.ts';
import { asShipped } from '../../../lab/rights.ts';
import { inNamespace } from '../../../netns/base/linux/wire.ts';
import { agentPaths } from '../../lab/agent-node.ts';
import { type KubeObject, TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';
import { renderFolder } from '../../manifests/rendered.ts';

const daemonSets = '/apis/apps/v1/daemonsets';
const namespace = 'egress-router-system';
const deletionTimestamp = '2026-01-01T00:00:00Z';

describe('rules of the ingress agent after a termination signal', () => {
  let lab: Lab;
  let folder: string;
  let server: TestApiServer;
  let kubeconfig: string;
  let agent: ChildProcess | undefined;

  before(async () => {
    lab = await Lab.up('erre');
    folder = mkdtempSync(join(tmpdir(), 'erre-'));
    await (await lab.agent('pod')).serve('tcp', at.pod[4], 3306);
    server = new TestApiServer([...Object.values(agentPaths), daemonSets], { address: 'any' });
    kubeconfig = writeKubeconfig(folder, await inNamespace(lab.netns('node'), () => server.start()));
    const objects = [
      ['Route', route({ name: 'sql', port: 13_306, service: 'sql', created: deletionTimestamp })],
      ['Service', service('sql', 3306)],
      ['EndpointSlice', endpointSlice('sql', 3306, [{ address: at.pod[4], node: 'node' }])],
    ] as const;
    for (const [kind, object] of objects) server.put(agentPaths[kind], object as unknown as KubeObject);
  });

  afterEach(() => agent?.kill('SIGKILL'));

  after(async () => {
    await server.stop();
    lab.down();
    rmSync(folder, { recursive: true, force: true });
  });

  function put(path: string, name: string, more: object = {}): void {
    const place = path === daemonSets ? { namespace } : {};
    server.put(path, { metadata: { ...place, name, uid: name, ...more } } as KubeObject);
  }

  async function reach(): Promise<string> {
    return (await lab.agent('outsider')).reach('tcp', at.node[4], 13_306, { timeout: 400 });
  }

  async function start(): Promise<void> {
    put(daemonSets, 'ingress-agent');
    put(agentPaths.Namespace, namespace);
    const options = ['--node-name', 'node', '--stats-port', '0', '--check-interval', '0'];
    const words = ['netns', 'exec', lab.netns('node'), ...asShipped('ingress-agent'), ...options];
    const env = { PATH: process.env.PATH, KUBECONFIG: kubeconfig, POD_NAMESPACE: namespace, ...fixedVariables() };
    const asked = server.requests.length;
    agent = spawn('ip', words, { stdio: 'ignore', env });
    // It asks once at its start, which must not use up the fault of a test.
    const hasAsked = () => server.requests.slice(asked).some((line) => line.includes('/daemonsets/ingress-agent'));
    for (const deadline = Date.now() + 20_000; !hasAsked() || !(await reach()).includes(at.pod[4]); ) {
      assert.ok(Date.now() < deadline, 'the agent does not serve');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async function end(): Promise<void> {
    const ended = new Promise((resolve) => agent?.once('exit', resolve));
    agent?.kill('SIGTERM');
    await ended;
  }

  for (const [what, prepare] of [
    ['its DaemonSet is gone', () => server.remove(daemonSets, `${namespace}/ingress-agent`)],
    ['its DaemonSet is being deleted', () => put(daemonSets, 'ingress-agent', { deletionTimestamp })],
    ['its namespace is being deleted', () => put(agentPaths.Namespace, namespace, { deletionTimestamp })],
  ] as const) {
    it(`go when ${what}`, async () => {
      await start();
      prepare();
      // The watch of Namespaces needs a moment.
      await new Promise((resolve) => setTimeout(resolve, 300));
      await end();
      assert.doesNotMatch(await lab.run('node', 'nft', ['list', 'ruleset']), /ingress-agent/);
      assert.equal(await reach(), 'ECONNREFUSED');
    }).timeout(30_000);
  }

  const answers = [
    ['its DaemonSet is there', undefined],
    ['it may not ask (401)', 401],
    ['it may not ask (403)', 403],
    ['the API server fails (500)', 500],
    ['the API server does not answer', 'silence'],
  ] as const;
  for (const [what, answer] of answers) {
    it(`stay when ${what}`, async () => {
      await start();
      // Also of a client that asks again.
      for (let time = 0; time < 5 && answer !== undefined; time++) server.fail({ on: /daemonsets/, answer });
      await end();
      assert.match(await reach(), new RegExp(at.pod[4]));
      server.clearFaults();
    }).timeout(30_000);
  }

  /** Variables with values of their own that the manifest gives the agent, without those of HAProxy. */
  function fixedVariables(): Readonly<Record<string, string>> {
    const variables = renderFolder('ingress')
      .filter(({ kind }) => kind === 'DaemonSet')
      .flatMap(({ spec }) => spec.template.spec.containers[0].env);
    return Object.fromEntries(
      variables.flatMap(({ name, value }: { name: string; value?: string }) =>
        value === undefined || name.startsWith('ROUTER_SERVICE') ? [] : [[name, value]],
      ),
    );
  }
});
