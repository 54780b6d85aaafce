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
import { until } from '../../until.ts';
import { type KubeObject, TestApiServer } from './api-server.ts';
import { Cluster, clusterPaths as paths } from './cluster.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { Program } from './program.ts';

/** Conditions of a router that works. */
export const well = ['Available=True RouterReady', 'Progressing=False AsExpected', 'Degraded=False AsExpected'];

/** Parts of a spec with one router for each address, given by its last byte. */
export const addresses = (...last: readonly number[]) => ({
  addresses: last.map((one) => ({ ip: `192.168.12.${one}/24`, gateway: '192.168.12.1' })),
  redirect: { redirectRules: [{ destinationIP: '203.0.113.26', port: 8080, protocol: 'TCP' }] },
});

/** The EgressRouter of {@link ControllerLab.settle}. */
const marker = 'marker';

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

/** What the tests of the whole controller run: the executable, and its source with EGRESS_ROUTER_RUN=source. */
export const subjects: readonly Subject[] = [process.env.EGRESS_ROUTER_RUN === 'source' ? 'source' : 'executable'];

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
        return spec?.holderIdentity?.includes(`_${program.pid}_`) === true;
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

  /** Waits until an EgressRouter works, and every condition is about this generation if one is given. */
  async works(name = 'web', generation?: number): Promise<void> {
    await until(
      () =>
        this.conditionsOf(name).join() === well.join() &&
        (generation === undefined || this.generationsOf(name).every((one) => one === generation)),
      () => [this.conditionsOf(name), this.generationsOf(name), this.messageOf(name, 'Degraded')],
      8000,
    );
  }

  /**
   * Waits until the controller has reconciled everything that was there when this was called: it reconciles the
   * routers of a namespace together, so its second answer to a changed router follows a complete run for the others.
   */
  async settle(): Promise<void> {
    for (let count = 0; count < 2; count++) {
      this.putRouter(marker, { seconds: 1_000_000, spec: { redirect: { redirectRules: [{ port: 0 }] } } });
      const generation = this.server.get(paths.routers, `shop/${marker}`)?.metadata.generation as number;
      await until(
        () => this.generationsOf(marker).includes(generation) && this.#markerEvents > 0,
        () => [this.conditionsOf(marker), this.generationsOf(marker), generation],
        8000,
      );
    }
  }

  /** The address that a pod's network requests. */
  addressOf(pod: KubeObject): string {
    const annotations = pod.metadata.annotations as Record<string, string>;
    const [network] = JSON.parse(annotations['k8s.v1.cni.cncf.io/networks'] ?? '[]') as { name: string }[];
    const definition = this.server.get(paths.definitions, `${pod.metadata.namespace}/${network?.name}`);
    const { config = '{}' } = (definition?.spec ?? {}) as { config?: string };
    const { ip } = JSON.parse(config) as { ip?: { addresses: string[] } };
    return ip?.addresses[0]?.split('/')[0] ?? '';
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

  /** How many requests wrote something other than the Lease, without those of {@link settle}. */
  get writes(): number {
    const written = this.server.requests.filter(
      (line) => /^(PATCH|POST|PUT|DELETE) /.test(line) && !line.includes('/leases') && !line.includes(`/${marker}`),
    );
    return written.length - this.#markerEvents;
  }

  get #markerEvents(): number {
    const objects = this.server.all(paths.events).map(({ involvedObject }) => involvedObject as { name?: string });
    return objects.filter(({ name }) => name === marker).length;
  }
}
