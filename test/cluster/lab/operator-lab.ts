import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { places } from '../../../src/ingress/operator/names.ts';
import { executable } from '../../lab/executable.ts';
import { asShipped } from '../../lab/rights.ts';
import { until } from '../../until.ts';
import { type KubeObject, TestApiServer } from './api-server.ts';
import { clusterPaths } from './cluster.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { Program } from './program.ts';

/** A Deployment's status after a complete rollout. */
export const rolledOut = {
  replicas: 2,
  updatedReplicas: 2,
  availableReplicas: 2,
  conditions: [
    { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable', message: '' },
    { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable', message: '' },
  ],
};

/** Paths of the lists that a cluster with IngressControllers has. */
export const operatorPaths = {
  ...clusterPaths,
  controllers: '/apis/operator.openshift.io/v1/ingresscontrollers',
  routes: '/apis/route.openshift.io/v1/routes',
  namespaces: '/api/v1/namespaces',
  secrets: '/api/v1/secrets',
  configMaps: '/api/v1/configmaps',
  services: '/api/v1/services',
  daemonSets: '/apis/apps/v1/daemonsets',
  budgets: '/apis/policy/v1/poddisruptionbudgets',
  policies: '/apis/networking.k8s.io/v1/networkpolicies',
} as const;

type PathName = keyof typeof operatorPaths;

/** A condition as the tests compare it. */
interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** An API server and the compiled controller with `--ingress-controllers`. */
export class OperatorLab {
  readonly server: TestApiServer;
  readonly folder = mkdtempSync(join(tmpdir(), 'operator-'));
  program: Program | undefined;
  /** Address of the server. */
  url = '';
  #kubeconfig = '';
  #count = 0;

  /** @param server a server that another lab starts and stops, instead of one with the collections */
  constructor(collections: readonly string[] = Object.values(operatorPaths), server?: TestApiServer) {
    this.server = server ?? new TestApiServer(collections);
    // Objects with finalizers stay until the last one is removed.
    this.server.end = (collection, key) => this.#keepsForFinalizers(collection, key);
    this.server.onChange((collection) => {
      if (collection === operatorPaths.controllers) this.#collectDeleted();
    });
  }

  #keepsForFinalizers(collection: string, key: string): boolean {
    const object = this.server.get(collection, key);
    const { finalizers = [] } = (object?.metadata ?? {}) as { finalizers?: readonly string[] };
    if (object === undefined || finalizers.length === 0) return false;
    this.server.put(collection, {
      ...object,
      metadata: { ...object.metadata, deletionTimestamp: new Date().toISOString() },
    });
    return true;
  }

  #collectDeleted(): void {
    for (const { metadata } of this.server.all(operatorPaths.controllers)) {
      const {
        finalizers = [],
        deletionTimestamp,
        name,
      } = metadata as {
        finalizers?: readonly string[];
        deletionTimestamp?: string;
        name: string;
      };
      if (deletionTimestamp !== undefined && finalizers.length === 0) {
        this.server.remove(operatorPaths.controllers, `${places.objects}/${name}`);
      }
    }
  }

  /** Starts the server; returns the path of a kubeconfig. */
  async up(): Promise<string> {
    this.url = await this.server.start();
    this.#kubeconfig = writeKubeconfig(this.folder, this.url);
    return this.#kubeconfig;
  }

  async down(): Promise<void> {
    await this.program?.end();
    await this.server.stop();
    rmSync(this.folder, { recursive: true });
  }

  /**
   * Starts the compiled controller.
   *
   * @param environment variables of the controller, unless `at` is given
   * @param at for the server of another lab: its kubeconfig, and a network namespace
   */
  start(
    args: readonly string[] = [],
    at?: { readonly kubeconfig: string; readonly netns: string },
    environment: Readonly<Record<string, string>> = {},
  ): Program {
    const options = {
      image: 'registry.example/egress-router:1',
      kubeconfig: at?.kubeconfig ?? this.#kubeconfig,
      'lease-namespace': 'system',
      'lease-duration': '1s',
      'listen-address': '127.0.0.1',
      'listen-port': '0',
    };
    const flags = Object.entries(options).flatMap(([key, value]) => [`--${key}`, value]);
    const words = [...flags, '--ingress-controllers', ...args];
    const command = [...asShipped('egress-router-controller'), ...words];
    this.program = at
      ? new Program('/sbin/ip', ['netns', 'exec', at.netns, ...command])
      : new Program(executable('egress-router-controller'), words, environment);
    return this.program;
  }

  /** Writes an IngressController; a later call changes its spec. */
  put(name: string, spec: object = {}, metadata: object = {}): void {
    const known = this.server.get(operatorPaths.controllers, `${places.objects}/${name}`);
    const generation = Number(known?.metadata.generation ?? 0) + 1;
    this.server.put(operatorPaths.controllers, {
      apiVersion: 'operator.openshift.io/v1',
      kind: 'IngressController',
      ...known,
      metadata: {
        uid: `uid-${name}`,
        creationTimestamp: new Date(Date.UTC(2026, 0, 1) + ++this.#count * 1000).toISOString(),
        ...known?.metadata,
        namespace: places.objects,
        name,
        generation,
        ...metadata,
      },
      spec: { domain: `${name}.example.com`, ...spec },
    });
  }

  /** Deletes an IngressController as a client does. */
  delete(name: string): void {
    const key = `${places.objects}/${name}`;
    if (!this.#keepsForFinalizers(operatorPaths.controllers, key)) this.server.remove(operatorPaths.controllers, key);
  }

  controller(name: string): KubeObject | undefined {
    return this.server.get(operatorPaths.controllers, `${places.objects}/${name}`);
  }

  /** An object in the namespace of routers. */
  router(kind: PathName, name: string): KubeObject | undefined {
    return this.server.get(operatorPaths[kind], `${places.routers}/${name}`);
  }

  /** Waits for an object in the namespace of routers. */
  async awaitRouter(kind: PathName, name: string): Promise<KubeObject> {
    await until(
      () => this.router(kind, name) !== undefined,
      () => [kind, name, this.program?.output, this.controller(name.replace(/^router-/, ''))?.status],
      20_000,
    );
    return this.router(kind, name) as KubeObject;
  }

  conditions(name: string): readonly Condition[] {
    const status = this.controller(name)?.status as { conditions?: readonly Condition[] } | undefined;
    return status?.conditions ?? [];
  }

  condition(name: string, type: string): Condition | undefined {
    return this.conditions(name).find((one) => one.type === type);
  }

  /** Waits for `STATUS REASON` of a condition, such as `True Valid`. */
  async awaitCondition(name: string, type: string, words: string): Promise<Condition> {
    await until(
      () => {
        const found = this.condition(name, type);
        return `${found?.status} ${found?.reason}`.trim() === words;
      },
      () => [type, words, this.conditions(name), this.program?.output],
      20_000,
    );
    return this.condition(name, type) as Condition;
  }

  /** Waits until the status describes the newest generation. */
  async awaitObserved(name: string): Promise<void> {
    await until(
      () => {
        const { metadata, status } = (this.controller(name) ?? {}) as Partial<KubeObject>;
        return (status as { observedGeneration?: number } | undefined)?.observedGeneration === metadata?.generation;
      },
      () => [name, this.controller(name), this.program?.output],
      20_000,
    );
  }

  /** The status of the workload as the cluster's controllers would write it. */
  roll(kind: 'deployments' | 'daemonSets', name: string, status: object): void {
    const object = this.router(kind, name) as KubeObject;
    this.server.put(operatorPaths[kind], {
      ...object,
      status: { observedGeneration: object.metadata.generation, ...status },
    });
  }

  /** What a failed test shows. */
  get trouble(): unknown {
    return [this.server.all(operatorPaths.controllers), this.server.all(operatorPaths.routes), this.program?.output];
  }

  /** The names of all objects in the namespace of routers, as `KIND NAME`. */
  get routerObjects(): readonly string[] {
    const kinds = ['secrets', 'configMaps', 'deployments', 'daemonSets', 'services', 'budgets', 'policies'] as const;
    return kinds.flatMap((kind) =>
      this.server
        .all(operatorPaths[kind])
        .filter(({ metadata }) => metadata.namespace === places.routers)
        .map(({ metadata }) => `${kind} ${metadata.name}`),
    );
  }
}
