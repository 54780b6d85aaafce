import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { RunningDaemon } from '../../../../src/base/daemon/run.ts';
import { openKubeApi } from '../../../../src/base/kubernetes/client.ts';
import { KernelError } from '../../../../src/base/linux/kernel-error.ts';
import type { AttachmentId } from '../../../../src/egress/model/attachment.ts';
import type { AttachmentState } from '../../../../src/egress/model/state.ts';
import { startNode } from '../../../../src/egress/node/daemon.ts';
import type { ApplyOutcome, NodeRouters, WireAnswer } from '../../../../src/egress/node/routers-api.ts';
import { silentLog } from '../../../lab/silent-log.ts';
import { state } from '../../../unit/egress/inspect/samples.ts';
import { until } from '../../../until.ts';
import { type KubeObject, TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';
import { ScriptedWires } from './scripted-wires.ts';

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
  check = () => ({ differences: [], problems: this.problems });
  announce = ({ link }: AttachmentState): void => void this.done.push(`announce ${link}`);
  ask = () => Promise.resolve(this.answer);
  blindness: string | undefined;
  problems: readonly string[] = [];
  listProblems = () => this.problems;
  changed: readonly AttachmentState[] = [];
  listChanged = (): readonly AttachmentState[] => this.changed;
  retain = () => undefined;
  suspended = false;
  suspend = (): void => {
    this.suspended = true;
  };
  isSuspended = (): boolean => this.suspended;
  resume = ({ link }: AttachmentState): void => {
    this.suspended = false;
    this.done.push(`resume ${link}`);
  };
  close = ({ link }: AttachmentState): void => void this.done.push(`close ${link}`);
  listen = ({ link }: AttachmentState): void => void this.done.push(`listen ${link}`);
  reopen = ({ link }: AttachmentState): void => void this.done.push(`reopen ${link}`);
}

describe('The node daemon', () => {
  let server: TestApiServer;
  let routers: RecordedRouters;
  let wires: ScriptedWires;
  let folder: string;
  let daemon: RunningDaemon | undefined;

  beforeEach(async () => {
    server = new TestApiServer(Object.values(paths));
    routers = new RecordedRouters();
    wires = new ScriptedWires();
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
    daemon = await startNode(options, { api, routers, wires, log: silentLog, stateFolder: join(folder, 'states') });
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

  it('reveals nothing about a definition of another namespace', async () => {
    const secret = 'ip.addresses is "192.0.2.1/24" and cannot become "198.51.100.9/24"';
    routers.apply = () => ({ kind: 'needs-replacement', message: secret });
    putPod({ net1: 'bank/nad' });
    // Any user that can write a pod's annotations.
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

  it('reports the applied configuration as soon as the API server is available again', async () => {
    putPod({ net1: 'nad' });
    putDefinition('nad', writeConfig(1));
    await start();
    await until(() => annotations()['egress-router.io/applied'] === digest(writeConfig(1)), annotations);
    for (let count = 0; count < 5; count++) server.fail({ on: /PATCH .*\/pods/, answer: 503 });
    putDefinition('nad', writeConfig(2));
    // After ten seconds without a word the controller replaces the pod.
    await until(() => annotations()['egress-router.io/applied'] === digest(writeConfig(2)), annotations, 9000);
  });

  it('closes a router that was replaced while its view of the cluster was outdated, and does not fight', async () => {
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

  describe('after another machine had the address of a current router', () => {
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

    it('opens it when that machine is silent, and reports both on the pod, in Events and in metrics', async () => {
      await until(() => closed() === `net1: ${rival.address} is in use by ${rival.mac}`, closed, 5000);
      silence();
      await happened('reopen net1');
      assert.deepEqual(routers.done.slice(-2), ['listen net1', 'reopen net1']);
      await until(() => closed() === undefined, closed, 5000);
      const reasons = server.all(paths.events).map(({ reason }) => reason);
      assert.ok(reasons.includes('AddressConflict') && reasons.includes('AddressRegained'), reasons.join());
    }).timeout(20_000);

    it('closes it again if that machine still has the address, and opens nothing', async () => {
      await happened('close net1');
      assert.deepEqual(routers.done, ['listen net1', 'close net1']);
    }).timeout(20_000);

    it('opens nothing until the API server confirms that the pod is current', async () => {
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

    it('detects after a restart that it is closed, and opens it then', async () => {
      await daemon?.stop();
      routers.states = routers.states.map((one) => ({ ...one, closed: rival }));
      routers.done.length = 0;
      silence();
      await run();
      await happened('reopen net1');
      assert.deepEqual(routers.done.slice(0, 2), ['listen net1', 'reopen net1']);
    }).timeout(20_000);
  });

  describe('says by a condition of its pod whether a router is ready', () => {
    const gateway = { address: '192.168.12.1', answers: true };

    function putGatedPod(links: Readonly<Record<string, string>> = { net1: 'nad' }): void {
      putPod(links);
      const pod = server.get(paths.pods, 'shop/router');
      assert.ok(pod);
      const readinessGates = [{ conditionType: 'egress-router.io/router-ready' }];
      const conditions = [{ type: 'PodScheduled', status: 'True' }];
      server.put(paths.pods, {
        ...pod,
        spec: { nodeName: 'n1', readinessGates },
        status: { phase: 'Running', conditions },
      });
    }
    const status = () => server.get(paths.pods, 'shop/router')?.status as { conditions: Record<string, string>[] };
    const condition = () => status().conditions.find(({ type }) => type === 'egress-router.io/router-ready');
    const shows = (is: string, message: RegExp): Promise<void> =>
      until(
        () => condition()?.status === is && message.test(condition()?.message ?? ''),
        () => status(),
        5000,
      );

    it('as soon as its gateways answered, and leaves other conditions alone', async () => {
      routers.answer = { gateways: [gateway], conflicts: [], isCutOff: false };
      putGatedPod();
      await start();
      await shows('True', /^$/);
      assert.deepEqual(
        status().conditions.map(({ type }) => type),
        ['PodScheduled', 'egress-router.io/router-ready'],
      );
      assert.match(condition()?.lastTransitionTime ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    });

    it('from the state of the kernel, immediately after a notification, and reports it in an Event', async () => {
      putGatedPod();
      await start();
      await shows('True', /^$/);
      routers.problems = ['net1 is down: delete the pod'];
      routers.changed = routers.states;
      await shows('False', /^net1 is down: delete the pod$/);
      await until(
        () =>
          server
            .all(paths.events)
            .some(({ reason, message }) => reason === 'Unhealthy' && /net1 is down/.test(String(message))),
        () => server.all(paths.events),
      );
      routers.problems = [];
      await shows('True', /^$/);
    });

    it('with a gateway that never answered, and with one that stopped', async () => {
      routers.answer = { gateways: [{ ...gateway, answers: false }], conflicts: [], isCutOff: true };
      putGatedPod();
      await start();
      await shows('False', /^the gateway 192\.168\.12\.1 does not answer on net1/);
      routers.answer = { gateways: [gateway], conflicts: [], isCutOff: false };
      await shows('True', /^$/);
    });

    it('when all routers of the pod are', async () => {
      putGatedPod({ net1: 'one', net2: 'two' });
      routers.listProblems = ((state: AttachmentState) => (state.link === 'net2' ? ['net2 is down'] : [])) as never;
      await start();
      await shows('False', /^net2 is down$/);
    });

    it('as it was, while no daemon runs, and again what is true when one does', async () => {
      putGatedPod();
      await start();
      await shows('True', /^$/);
      await daemon?.stop();
      const before = patches();
      await run();
      await pause(1500);
      assert.equal(patches(), before);
      routers.problems = ['net1 is down: delete the pod'];
      routers.changed = routers.states;
      await shows('False', /^net1 is down/);
    });

    it('when it is suspended, and when it is closed', async () => {
      putGatedPod();
      await start();
      await shows('True', /^$/);
      wires.silence = Number.POSITIVE_INFINITY;
      await shows('False', /^net1 is suspended: its wire has no carrier$/);
      wires.claims = [{ address: '192.168.12.99', mac: '02:00:00:00:00:01' }];
      await shows('False', /^net1 is closed: 192\.168\.12\.99 is in use by 02:00:00:00:00:01$/);
    });
  });

  describe('suspends a router that may have been replaced', () => {
    beforeEach(async () => {
      putPod({ net1: 'nad' });
      await start();
      await pause(100);
      routers.done.length = 0;
    });
    const isSuspended = (): Promise<void> =>
      until(
        () => routers.suspended,
        () => routers.done,
        5000,
      );

    it('whose gateways do not answer while the API server does not either, until one does', async () => {
      server.isSilent = true;
      wires.silence = 2500;
      await isSuspended();
      wires.silence = 0;
      server.isSilent = false;
      await until(
        () => !routers.suspended,
        () => routers.done,
        15_000,
      );
      assert.deepEqual(routers.done.slice(0, 2), ['resume net1', 'announce net1']);
    }).timeout(20_000);

    it('but not one whose gateways are silent while the API server says that it is current', async () => {
      wires.silence = 2500;
      await pause(3000);
      assert.equal(routers.suspended, false);
    });

    it('whose pod is gone, and does not resume it', async () => {
      server.remove(paths.pods, 'shop/router');
      await isSuspended();
      await pause(1000);
      assert.equal(routers.suspended, true);
    });

    it('that an earlier daemon suspended, and resumes it', async () => {
      await daemon?.stop();
      routers.suspended = true;
      await run();
      await until(
        () => !routers.suspended,
        () => routers.done,
        5000,
      );
    });
  });

  it('reports the applied configuration of a pod with two routers once', async () => {
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

  it('applies a configuration that another client claims to be applied', async () => {
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

  it('retries what the kernel rejected at first', async () => {
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

  it('says nothing while a call of the plugin works in the namespace, and then what is in force', async () => {
    putPod({ net1: 'nad' });
    putDefinition('nad', writeConfig(1));
    let isBusy = true;
    routers.apply = () => {
      if (isBusy) throw new KernelError('busy', 'another call has worked in it');
      return { kind: 'applied', added: 1, removed: 0 };
    };
    await start();
    await pause(1200);
    assert.deepEqual(
      [annotations()['egress-router.io/applied'], annotations()['egress-router.io/refused']],
      [undefined, undefined],
    );
    isBusy = false;
    await until(() => annotations()['egress-router.io/applied'] === digest(writeConfig(1)), annotations, 5000);
  });

  it('passes a router its own part of a plugin list, as a runtime does', async () => {
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
