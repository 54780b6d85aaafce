import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { RunningDaemon } from '../../../../src/base/daemon/run.ts';
import { openKubeApi } from '../../../../src/base/kubernetes/client.ts';
import type { AttachmentId } from '../../../../src/egress/model/attachment.ts';
import type { AttachmentState } from '../../../../src/egress/model/state.ts';
import { startNode } from '../../../../src/egress/node/daemon.ts';
import type { ApplyOutcome, NodeRouters, WireAnswer } from '../../../../src/egress/node/routers-api.ts';
import { silentLog } from '../../../lab/silent-log.ts';
import { state } from '../../../unit/egress/inspect/samples.ts';
import { until } from '../../../until.ts';
import { type KubeObject, TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';

const paths = {
  pods: '/api/v1/pods',
  definitions: '/apis/k8s.cni.cncf.io/v1/network-attachment-definitions',
  events: '/api/v1/events',
} as const;

/** Routers that say what was done to them. */
class RecordedRouters implements NodeRouters {
  states: AttachmentState[] = [];
  readonly done: string[] = [];
  answer: WireAnswer = { gateways: [], conflicts: [], isCutOff: false };
  apply: (id: AttachmentId, configuration: unknown) => ApplyOutcome = () => ({ kind: 'applied', added: 1, removed: 0 });
  applyAnswers = () => ({ kind: 'unchanged' as const });
  endConnections = () => undefined;
  list = () => this.states;
  isAlive = () => true;
  listFlows = () => [];
  check = () => [];
  announce = ({ link }: AttachmentState): void => void this.done.push(`announce ${link}`);
  ask = () => Promise.resolve(this.answer);
  retain = () => undefined;
  close = ({ link }: AttachmentState): void => void this.done.push(`close ${link}`);
  listen = ({ link }: AttachmentState): void => void this.done.push(`listen ${link}`);
  reopen = ({ link }: AttachmentState): void => void this.done.push(`reopen ${link}`);
}

describe('The daemon of a node', () => {
  let server: TestApiServer;
  let routers: RecordedRouters;
  let folder: string;
  let daemon: RunningDaemon | undefined;

  beforeEach(async () => {
    server = new TestApiServer(Object.values(paths));
    routers = new RecordedRouters();
    folder = mkdtempSync(join(tmpdir(), 'node-'));
    writeFileSync(join(folder, 'plugin'), 'plugin', { mode: 0o755 });
  });
  afterEach(async () => {
    await daemon?.stop();
    daemon = undefined;
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  async function start(): Promise<void> {
    writeKubeconfig(folder, await server.start());
    await run();
    await until(
      () => server.watchCount === 2,
      () => server.requests,
    );
  }

  /** Starts the daemon alone. */
  async function run(): Promise<void> {
    const api = openKubeApi(join(folder, 'kubeconfig'));
    const times = { ask: 30, count: 60_000, announce: 60_000, check: 60_000 };
    const installation = { source: join(folder, 'plugin'), target: folder, name: 'egress-router' };
    const installer = { installation, interval: 60_000, uninstallsOnExit: false };
    const names = {
      policy: { clusterNetworks: [], allowedNetworks: [], allowedSuffixes: [] },
      times: { shortest: 1000, longest: 10_000, stale: 10_000 },
      mostNames: 10,
      drainTime: 0,
    };
    const options = { node: 'n1', names, logFormat: 'auto' as const, logLevel: 'info', times, installer };
    daemon = await startNode(options, { api, routers, log: silentLog, stateFolder: join(folder, 'states') });
  }

  /** A router's pod with an interface of each definition. */
  function putPod(links: Readonly<Record<string, string>>, annotations: object = {}): void {
    const networks = Object.entries(links).map(([name, link]) => ({ name: link, interface: name }));
    server.put(paths.pods, {
      metadata: {
        namespace: 'shop',
        name: 'router',
        uid: 'pod-1',
        annotations: { 'k8s.v1.cni.cncf.io/networks': JSON.stringify(networks), ...annotations },
      },
      spec: { nodeName: 'n1' },
    });
    routers.states = Object.keys(links).map((link) => ({
      ...state,
      id: { ...state.id, ifname: link },
      link,
      pod: { namespace: 'shop', name: 'router' },
    }));
  }

  const writeConfig = (port: number): string => JSON.stringify({ type: 'egress-router', port });
  const putDefinition = (name: string, config: string): KubeObject =>
    server.put(paths.definitions, { metadata: { namespace: 'shop', name }, spec: { config } });
  const digest = (text: string): string => hash('sha256', text).slice(0, 16);
  const annotations = (): Record<string, string | undefined> =>
    (server.get(paths.pods, 'shop/router')?.metadata.annotations ?? {}) as Record<string, string | undefined>;
  const patches = (): number => server.requests.filter((line) => line.startsWith('PATCH ')).length;
  const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

  it('tells nobody what a definition of another namespace says', async () => {
    const secret = 'ip.addresses is "192.0.2.1/24" and cannot become "198.51.100.9/24"';
    routers.apply = () => ({ kind: 'needs-replacement', message: secret });
    putPod({ net1: 'bank/nad' });
    // Whoever may write a pod's annotations.
    const pod = server.get(paths.pods, 'shop/router');
    assert.ok(pod);
    const networks = JSON.stringify([{ name: 'nad', namespace: 'bank', interface: 'net1' }]);
    server.put(paths.pods, {
      ...pod,
      metadata: { ...pod.metadata, annotations: { 'k8s.v1.cni.cncf.io/networks': networks } },
    });
    server.put(paths.definitions, { metadata: { namespace: 'bank', name: 'nad' }, spec: { config: writeConfig(7) } });
    await start();
    await until(() => annotations()['egress-router.io/refused'] !== undefined, annotations);
    await until(
      () => server.all(paths.events).length > 0,
      () => server.all(paths.events),
    );
    const said = JSON.stringify([annotations(), server.all(paths.events)]);
    assert.ok(!said.includes('198.51.100.9'), said);
    assert.match(said, /of another namespace/);
  });

  it('says what is in force as soon as an API server that was away takes it', async () => {
    putPod({ net1: 'nad' });
    putDefinition('nad', writeConfig(1));
    await start();
    await until(() => annotations()['egress-router.io/applied'] === digest(writeConfig(1)), annotations);
    for (let count = 0; count < 5; count++) server.fail({ on: /PATCH .*\/pods/, answer: 503 });
    putDefinition('nad', writeConfig(2));
    // After ten seconds without a word the controller replaces the pod.
    await until(() => annotations()['egress-router.io/applied'] === digest(writeConfig(2)), annotations, 9000);
  });

  it('closes a router that was replaced while its own view of the cluster was old, and does not fight', async () => {
    putPod({ net1: 'nad' });
    putDefinition('nad', writeConfig(1));
    await start();
    await pause(100);
    server.isMute = true;
    server.remove(paths.pods, 'shop/router');
    routers.done.length = 0;
    routers.answer = { ...routers.answer, conflicts: [{ address: '192.168.12.99', mac: '02:00:00:00:00:01' }] };
    await until(
      () => routers.done.length > 0,
      () => routers.done,
    );
    assert.deepEqual(routers.done, ['close net1']);
  });

  it('does not close a current router for a predecessor that yields', async () => {
    putPod({ net1: 'nad' });
    await start();
    routers.done.length = 0;
    routers.answer = { ...routers.answer, conflicts: [{ address: '192.168.12.99', mac: '02:00:00:00:00:01' }] };
    await until(
      () => routers.done.length > 0,
      () => routers.done,
    );
    assert.deepEqual(routers.done, ['announce net1']);
  });

  describe('once another machine had the address of a router that is current', () => {
    const rival = { address: '192.168.12.99', mac: '02:00:00:00:00:01' };
    const claim = (): void => {
      routers.answer = { ...routers.answer, conflicts: [rival] };
    };
    const silence = (): void => {
      routers.answer = { ...routers.answer, conflicts: [] };
    };
    const happened = (what: string): Promise<void> =>
      until(
        () => routers.done.includes(what),
        () => [routers.done, annotations()],
        15_000,
      );
    const closed = (): string | undefined => annotations()['egress-router.io/closed'];

    beforeEach(async () => {
      putPod({ net1: 'nad' });
      await start();
      claim();
      await happened('close net1');
      routers.done.length = 0;
    });

    it('opens it when that machine is silent, and says both on the pod, by Events and by metrics', async () => {
      await until(() => closed() === `net1: ${rival.address} is in use by ${rival.mac}`, closed, 5000);
      silence();
      await happened('reopen net1');
      assert.deepEqual(routers.done.slice(-2), ['listen net1', 'reopen net1']);
      await until(() => closed() === undefined, closed, 5000);
      const reasons = server.all(paths.events).map(({ reason }) => reason);
      assert.ok(reasons.includes('AddressConflict') && reasons.includes('AddressRegained'), reasons.join());
    }).timeout(20_000);

    it('closes it again where that machine still has it, and opens nothing', async () => {
      await happened('close net1');
      assert.deepEqual(routers.done, ['listen net1', 'close net1']);
    }).timeout(20_000);

    it('opens nothing while the API server does not say that the pod is current', async () => {
      silence();
      for (let count = 0; count < 50; count++) server.fail({ on: /pods\?fieldSelector=metadata/, answer: 503 });
      await pause(4000);
      assert.deepEqual(routers.done, []);
    }).timeout(20_000);

    it('opens nothing while no gateway answers', async () => {
      routers.answer = { gateways: [{ address: '192.168.12.1', answers: false }], conflicts: [], isCutOff: true };
      await happened('listen net1');
      await pause(4500);
      assert.deepEqual(routers.done, ['listen net1']);
    }).timeout(20_000);

    it('knows after a restart that it is closed, and opens it then', async () => {
      await daemon?.stop();
      routers.states = routers.states.map((one) => ({ ...one, closed: rival }));
      routers.done.length = 0;
      silence();
      await run();
      await happened('reopen net1');
      assert.deepEqual(routers.done.slice(0, 2), ['listen net1', 'reopen net1']);
    }).timeout(20_000);
  });

  it('says once what is in force in a pod that has two routers', async () => {
    putPod({ net1: 'one', net2: 'two' });
    const [one, two] = [putDefinition('one', writeConfig(1)), putDefinition('two', writeConfig(2))].map(
      ({ spec }) => (spec as { config: string }).config,
    );
    await start();
    await until(() => annotations()['egress-router.io/applied'] !== undefined, annotations);
    await pause(300);
    assert.ok(patches() <= 2, `${patches()} patches`);
    assert.equal(annotations()['egress-router.io/applied'], `${digest(one ?? '')},${digest(two ?? '')}`);
    // Both at once.
    putDefinition('one', writeConfig(3));
    putDefinition('two', writeConfig(4));
    const wanted = `${digest(writeConfig(3))},${digest(writeConfig(4))}`;
    await until(() => annotations()['egress-router.io/applied'] === wanted, annotations);
    await pause(200);
    assert.ok(patches() <= 5, `${patches()} patches`);
  });

  it('applies a configuration that somebody else says is in force', async () => {
    const [first, second] = [writeConfig(1), writeConfig(2)];
    // The pod's namespace has people who may write its annotations, and not its EgressRouter.
    putPod({ net1: 'nad' }, { 'egress-router.io/applied': digest(second) });
    putDefinition('nad', first);
    const applied: unknown[] = [];
    routers.apply = (_id, configuration) => {
      applied.push((configuration as { port: number }).port);
      return { kind: 'applied', added: 1, removed: 0 };
    };
    await start();
    await until(() => annotations()['egress-router.io/applied'] === digest(first), annotations);
    putPod({ net1: 'nad' }, { 'egress-router.io/applied': digest(second) });
    putDefinition('nad', second);
    await until(
      () => applied.at(-1) === 2,
      () => applied,
    );
  });

  it('tries again what the kernel refused at first', async () => {
    putPod({ net1: 'nad' });
    putDefinition('nad', writeConfig(1));
    let tries = 0;
    routers.apply = () => {
      if (++tries < 3) throw new Error('another call holds the lock');
      return { kind: 'applied', added: 1, removed: 0 };
    };
    await start();
    await until(() => annotations()['egress-router.io/refused'] !== undefined, annotations);
    await until(() => annotations()['egress-router.io/applied'] === digest(writeConfig(1)), annotations, 5000);
    assert.equal(annotations()['egress-router.io/refused'], undefined);
  });

  it('hands a router the part of a list of plugins that is its own, as a runtime does', async () => {
    putPod({ net1: 'nad' });
    const own = { type: 'egress-router', ip: { addresses: ['192.168.12.99/24'] } };
    putDefinition('nad', JSON.stringify({ cniVersion: '1.1.0', plugins: [{ type: 'tuning' }, own] }));
    const applied: unknown[] = [];
    routers.apply = (_id, configuration) => {
      applied.push(configuration);
      return { kind: 'applied', added: 1, removed: 0 };
    };
    await start();
    await until(
      () => applied.length > 0,
      () => applied,
    );
    assert.deepEqual(applied, [{ ...own, name: 'nad', cniVersion: '1.1.0' }]);
  });
});
