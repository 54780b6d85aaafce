import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKubeApi } from '../../../src/base/kubernetes/client.ts';
import type { KubeApi } from '../../../src/base/kubernetes/cluster-api.ts';
import { KubeLease } from '../../../src/base/kubernetes/lease.ts';
import { formatPrefix, parsePrefix } from '../../../src/base/model/address.ts';
import { RouterController } from '../../../src/egress/controller/controller.ts';
import type { ObjectSettings } from '../../../src/egress/controller/objects/objects.ts';
import { executable } from '../../lab/executable.ts';
import { silentLog } from '../../lab/silent-log.ts';
import { documentedEgressRouter } from '../../unit/egress/api/samples.ts';
import { type KubeObject, TestApiServer } from './api-server.ts';
import { Cluster, clusterPaths as paths } from './cluster.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { Program } from './program.ts';

/** Settings of the controllers of these tests. */
const objectSettings: ObjectSettings = {
  image: 'registry.example/egress-router:1',
  clusterNetworks: ['10.128.0.0/14', '172.30.0.0/16'].flatMap((text) => parsePrefix(text) ?? []),
  ruleBackend: 'auto',
  log: { file: '/tmp/egress-router-log', level: 'debug' },
  nodeFailureSeconds: 30,
  allowedNames: [],
  hasDefaultRouteAnnotation: false,
  nodeSelector: {},
  liveTimeout: 1000,
};

/** Seconds. */
const leaseDuration = 1;

/** How one executable of several runs. */
export interface ExecutableWords {
  /** By which the API server knows it. */
  readonly token?: string;
  /** Of `/readyz` on the loopback. */
  readonly port?: number;
  /** Options that replace those of the tests. */
  readonly options?: Readonly<Record<string, string>>;
}

const times = { firstPause: 5, longestPause: 50, absentPause: 50 };

/** What is tested: the sources in this process, or the executable that ships. */
export type Subject = 'source' | 'executable';

/** A controller that works on a lab's cluster. */
export interface StartedController {
  stop(): void;
  readonly isLeading: boolean;
  /** Sends a signal to an executable. */
  signal?(name: NodeJS.Signals): void;
}

/** An API server with a cluster behind it, and controllers that work on it. */
export class ControllerLab {
  readonly server: TestApiServer;
  readonly cluster: Cluster;
  readonly folder: string;
  readonly #stops: (() => void)[] = [];
  readonly #subject: Subject;
  #kubeconfig = '';
  #url = '';
  #api: KubeApi | undefined;
  #count = 0;

  constructor(subject: Subject = 'source', collections: readonly string[] = Object.values(paths)) {
    this.#subject = subject;
    this.server = new TestApiServer(collections);
    this.cluster = new Cluster(this.server);
    this.folder = mkdtempSync(join(tmpdir(), 'controller-'));
  }

  /** Starts the server; returns the path of a kubeconfig. */
  async up(): Promise<string> {
    const url = await this.server.start();
    this.#url = url;
    const kubeconfig = writeKubeconfig(this.folder, url);
    this.#api = openKubeApi(kubeconfig);
    this.#kubeconfig = kubeconfig;
    return kubeconfig;
  }

  async down(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.server.stop();
    rmSync(this.folder, { recursive: true });
  }

  /** Starts a controller. */
  start(settings: Partial<ObjectSettings> = {}, words: ExecutableWords = {}): StartedController {
    const started = this.#subject === 'source' ? this.#startSource(settings) : this.#startExecutable(settings, words);
    this.#stops.push(() => started.stop());
    return started;
  }

  #startSource(settings: Partial<ObjectSettings>): StartedController {
    const api = this.#api;
    if (api === undefined) throw new Error('The server is not up');
    const lease: KubeLease = new KubeLease(
      api,
      { namespace: 'system', name: 'controller', holder: `c${++this.#count}`, duration: leaseDuration },
      () => controller.review(),
      () => undefined,
    );
    const controller = new RouterController({
      api,
      settings: { ...objectSettings, ...settings },
      leadership: lease,
      log: silentLog,
      times,
      probeTimes: { interval: 50, timeout: 40 },
    });
    lease.start();
    controller.start();
    return {
      stop: () => {
        controller.stop();
        lease.close();
      },
      get isLeading() {
        return lease.isHeld;
      },
    };
  }

  #startExecutable(changes: Partial<ObjectSettings>, words: ExecutableWords): StartedController {
    const { token, port = 0 } = words;
    const kubeconfig =
      token === undefined
        ? this.#kubeconfig
        : writeKubeconfig(mkdtempSync(join(this.folder, 'user-')), this.#url, { user: { token } });
    const settings = { ...objectSettings, ...changes };
    const labels = Object.entries(settings.nodeSelector).map(([key, value]) => `${key}=${value}`);
    const options = {
      image: settings.image,
      ...(settings.clusterNetworks.length > 0 && {
        'cluster-networks': settings.clusterNetworks.map(formatPrefix).join(),
      }),
      'rule-backend': settings.ruleBackend,
      'router-log-level': settings.log.level,
      'live-change-timeout': `${settings.liveTimeout}ms`,
      'node-failure-time': `${settings.nodeFailureSeconds}s`,
      kubeconfig,
      'lease-namespace': 'system',
      'lease-name': 'controller',
      'lease-duration': `${leaseDuration * 1000}ms`,
      'listen-address': '127.0.0.1',
      'listen-port': `${port}`,
      ...(labels.length > 0 && { 'node-selector': labels.join() }),
      ...words.options,
    };
    const args = Object.entries(options).flatMap(([key, value]) => [`--${key}`, value]);
    const switches = settings.hasDefaultRouteAnnotation ? ['--default-route-annotation'] : [];
    const program = new Program(executable('egress-router-controller'), [...args, ...switches]);
    const { server } = this;
    return {
      stop: () => void program.end(),
      signal: (name) => void program.end(name),
      get isLeading() {
        const spec = server.get(paths.leases, 'system/controller')?.spec as { holderIdentity?: string } | undefined;
        return spec?.holderIdentity?.endsWith(`_${program.pid}`) === true;
      },
    };
  }

  /** Writes an EgressRouter; `spec` replaces parts of the documented one. */
  putRouter(name: string, words: { seconds?: number; spec?: object; uid?: string; annotations?: object } = {}): void {
    const known = this.server.get(paths.routers, `shop/${name}`);
    const generation = Number(known?.metadata.generation ?? 0) + 1;
    this.server.put(paths.routers, {
      ...documentedEgressRouter,
      metadata: {
        namespace: 'shop',
        name,
        uid: words.uid ?? known?.metadata.uid ?? `uid-${name}`,
        creationTimestamp: new Date(Date.UTC(2026, 0, 1) + (words.seconds ?? 0) * 1000).toISOString(),
        generation,
        ...(words.annotations !== undefined && { annotations: words.annotations }),
      },
      spec: { ...documentedEgressRouter.spec, ...words.spec },
      ...(known?.status !== undefined && { status: known.status }),
    } as unknown as KubeObject);
  }

  /** `Available=True RouterReady` of each condition. */
  conditionsOf(name: string): string[] {
    const status = this.server.get(paths.routers, `shop/${name}`)?.status;
    const { conditions = [] } = (status ?? {}) as { conditions?: { type: string; status: string; reason: string }[] };
    return conditions.map(({ type, status: is, reason }) => `${type}=${is} ${reason}`);
  }

  /** Of which generation each condition tells. */
  generationsOf(name: string): (number | undefined)[] {
    const status = this.server.get(paths.routers, `shop/${name}`)?.status;
    const { conditions = [] } = (status ?? {}) as { conditions?: { observedGeneration?: number }[] };
    return conditions.map(({ observedGeneration }) => observedGeneration);
  }

  /** The message of a condition. */
  messageOf(name: string, type: string): string {
    const status = this.server.get(paths.routers, `shop/${name}`)?.status;
    const { conditions = [] } = (status ?? {}) as { conditions?: { type: string; message: string }[] };
    return conditions.find((one) => one.type === type)?.message ?? '';
  }

  /** Names of all objects of a kind. */
  names(kind: 'definitions' | 'deployments' | 'pods'): string[] {
    return this.server
      .all(paths[kind])
      .map(({ metadata }) => metadata.name)
      .sort();
  }

  /** How many requests wrote something other than the Lease. */
  get writes(): number {
    return this.server.requests.filter((line) => /^(PATCH|POST|PUT|DELETE) /.test(line) && !line.includes('/leases'))
      .length;
  }
}
