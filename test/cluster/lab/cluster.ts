import { hash } from 'node:crypto';
import type { KubeObject, TestApiServer } from './api-server.ts';

const paths = {
  routers: '/apis/network.operator.openshift.io/v1/egressrouters',
  definitions: '/apis/k8s.cni.cncf.io/v1/network-attachment-definitions',
  deployments: '/apis/apps/v1/deployments',
  pods: '/api/v1/pods',
  nodes: '/api/v1/nodes',
  events: '/api/v1/events',
  leases: '/apis/coordination.k8s.io/v1/leases',
} as const;

/** Paths of the lists that a cluster with routers has. */
export const clusterPaths = paths;

interface Deployment extends KubeObject {
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly template: {
      readonly metadata: { readonly labels: object; readonly annotations: Readonly<Record<string, string>> };
      readonly spec: object;
    };
  };
}

/**
 * What in a cluster acts by itself: the garbage collector, Deployments of strategy Recreate, and Multus
 * that gives pods their interface. Notes where two pods of one router were there at once, whosever they are.
 */
export class Cluster {
  readonly #server: TestApiServer;
  /** Routers that had two pods at once. */
  readonly doubles: string[] = [];
  /** Whether the daemons of nodes apply changed definitions to living pods. */
  hasNodeDaemon = true;
  /** Whether pods go to nodes in turn. */
  spread = false;
  /** What the API server answers to new pods, where it admits none. */
  refusal: string | undefined;
  /** Nodes whose kubelets are gone. */
  readonly deadNodes = new Set<string>();
  /** Milliseconds that a pod takes to end. */
  endTime = 20;
  /** Address of a pod in the cluster: where tests answer, or no server. */
  podAddress: (pod: KubeObject) => string = () => '127.0.0.1';
  /** Where a node itself answers. */
  nodeAddress: (name: string) => string = () => '127.0.0.1';
  /** How pods come up; a test may make them fail. */
  podStatus: (pod: KubeObject) => { readonly status: object; readonly annotations: object } = (pod) => ready(pod);
  #isPending = false;
  #count = 0;

  constructor(server: TestApiServer) {
    this.#server = server;
    server.onChange(() => this.#expect());
    server.end = (collection, key, graceSeconds) => {
      if (collection !== paths.pods || graceSeconds === 0) return false;
      this.#end(key);
      return true;
    };
  }

  /** A node, ready for pods unless it is cordoned, kept for others by a taint, or its kubelet has not been heard of. */
  putNode(name: string, isCordoned = false, taints: readonly object[] = [], isReady = true): void {
    this.#server.put(paths.nodes, {
      metadata: { name },
      spec: { unschedulable: isCordoned, taints },
      status: {
        conditions: [{ type: 'Ready', status: isReady ? 'True' : 'Unknown' }],
        addresses: [{ type: 'InternalIP', address: this.nodeAddress(name) }],
      },
    });
  }

  /** Where a pod goes: to the first node that may have it; to `node-1` where a test has no nodes. */
  #schedule(pod: object): string | undefined {
    const nodes = this.#all(paths.nodes);
    if (nodes.length === 0) return 'node-1';
    const { affinity } = pod as { affinity?: object };
    const free = nodes.filter(({ metadata, spec, status }) => {
      const { unschedulable, taints } = spec as { unschedulable: boolean; taints: readonly object[] };
      const isClosed = unschedulable || taints.length > 0 || !JSON.stringify(status).includes('"True"');
      return !isClosed && !JSON.stringify(affinity ?? {}).includes(`"${metadata.name}"`);
    });
    const { length } = this.#server.all(paths.pods);
    return free[this.spread ? length % free.length : 0]?.metadata.name;
  }

  /** Looks at everything again: its settings are others. */
  act(): void {
    this.#expect();
  }

  /** Acts a little later, as controllers of a cluster do. */
  #expect(): void {
    if (this.#isPending) return;
    this.#isPending = true;
    setTimeout(() => {
      this.#isPending = false;
      this.#collectGarbage();
      for (const deployment of this.#server.all(paths.deployments)) this.#roll(deployment as Deployment);
      if (this.hasNodeDaemon) for (const pod of this.#server.all(paths.pods)) this.#applyLive(pod);
    }, 5);
  }

  #collectGarbage(): void {
    const living = new Set(Object.values(paths).flatMap((path) => this.#all(path).map(({ metadata }) => metadata.uid)));
    for (const path of [paths.definitions, paths.deployments, paths.pods]) {
      for (const { metadata } of this.#all(path)) {
        const owners = (metadata.ownerReferences ?? []) as readonly { readonly uid: unknown }[];
        if (owners.length === 0 || owners.some(({ uid }) => living.has(uid))) continue;
        const key = `${metadata.namespace}/${metadata.name}`;
        if (path === paths.pods) this.#end(key);
        else this.#server.remove(path, key);
      }
    }
  }

  /** A pod is there until its kubelet says that it has ended. */
  #end(key: string): void {
    const pod = this.#server.get(paths.pods, key);
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) return;
    // A kubelet that is gone ends nothing.
    const isDead = this.deadNodes.has((pod.spec as { nodeName: string }).nodeName);
    this.#mark(pod);
    if (!isDead) setTimeout(() => this.#server.remove(paths.pods, key), this.endTime);
  }

  /** Acts as a node daemon: applies the configuration of the pod's network, and annotates the pod. */
  #applyLive(pod: KubeObject): void {
    if (this.deadNodes.has((pod.spec as { nodeName: string }).nodeName)) return;
    const { annotations = {} } = pod.metadata as { annotations?: Record<string, string> };
    const [network] = JSON.parse(annotations['k8s.v1.cni.cncf.io/networks'] ?? '[]') as { readonly name: string }[];
    const path = this.#server.has(paths.definitions) ? paths.definitions : undefined;
    const definition = path && this.#server.get(path, `${pod.metadata.namespace}/${network?.name}`);
    const { config } = (definition?.spec ?? {}) as { config?: string };
    if (config === undefined) return;
    const applied = hash('sha256', config).slice(0, 16);
    if (annotations['egress-router.io/applied'] === applied) return;
    const metadata = { ...pod.metadata, annotations: { ...annotations, 'egress-router.io/applied': applied } };
    this.#server.put(paths.pods, { ...pod, metadata });
  }

  #mark(pod: KubeObject): void {
    const metadata = { ...pod.metadata, deletionTimestamp: new Date().toISOString() };
    this.#server.put(paths.pods, { ...pod, metadata });
  }

  #noteDoubles(): void {
    const routers = this.#server
      .all(paths.pods)
      // One that ends on its own node does not answer any more.
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .map(({ metadata }) => {
        const labels = metadata.labels as Record<string, string>;
        return `${metadata.namespace}/${labels['egress-router']}/${labels['egress-router-member']}`;
      });
    this.doubles.push(...routers.filter((router, index) => routers.indexOf(router) < index));
  }

  #all(path: string): readonly KubeObject[] {
    return this.#server.has(path) ? this.#server.all(path) : [];
  }

  #roll(deployment: Deployment): void {
    const { metadata, spec } = deployment;
    const { namespace = '', name } = metadata;
    const pods = this.#server
      .all(paths.pods)
      .filter((pod) => (pod.metadata.ownerReferences as { uid: unknown }[] | undefined)?.[0]?.uid === metadata.uid);
    const template = JSON.stringify(spec.template);
    const [pod] = pods;
    if (pod !== undefined && pod.template !== template) {
      // Recreate: the old one ends first, and the next comes when it is gone.
      this.#end(`${namespace}/${pod.metadata.name}`);
      return;
    }
    if (pod !== undefined) {
      if ((pod.spec as { nodeName?: string }).nodeName === undefined) this.#begin(pod);
      return;
    }
    this.#report(deployment, this.refusal);
    if (this.refusal !== undefined) return;
    const uid = `pod-${++this.#count}`;
    this.#begin({
      metadata: {
        namespace,
        name: `${name}-${uid}`,
        uid,
        labels: spec.template.metadata.labels,
        annotations: spec.template.metadata.annotations,
        ownerReferences: [{ kind: 'ReplicaSet', name: `${name}-6d4cf`, uid: metadata.uid, controller: true }],
      },
      spec: spec.template.spec,
      template,
    });
  }

  /** What a Deployment says of pods that its ReplicaSet could not make. */
  #report(deployment: Deployment, message: string | undefined): void {
    const condition = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message };
    const status = { conditions: message === undefined ? [] : [condition] };
    const isSaid = JSON.stringify(deployment.status ?? { conditions: [] }) === JSON.stringify(status);
    if (!isSaid) this.#server.put(paths.deployments, { ...deployment, status });
  }

  /** A pod runs on a node that may have it, or waits for one. */
  #begin(pod: KubeObject): void {
    const nodeName = this.#schedule(pod.spec as object);
    if (nodeName === undefined) {
      const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }];
      if (pod.status === undefined) this.#server.put(paths.pods, { ...pod, status: { phase: 'Pending', conditions } });
      return;
    }
    const { status: _waiting, ...rest } = pod;
    const made: KubeObject = { ...rest, spec: { ...(pod.spec as object), nodeName } };
    const { status: reported, annotations } = this.podStatus(made);
    const status = { podIPs: [{ ip: this.podAddress(made) }], ...reported };
    this.#server.put(paths.pods, {
      ...made,
      metadata: { ...made.metadata, annotations: { ...(made.metadata.annotations as object), ...annotations } },
      status,
    });
    this.#noteDoubles();
  }
}

/** A pod that runs, with the interface that its definition asks for, as Multus tells it. */
export function ready(
  pod: KubeObject,
  ips: readonly string[] = ['192.168.12.99'],
): { status: object; annotations: object } {
  const annotations = pod.metadata.annotations as Readonly<Record<string, string>>;
  const [network] = JSON.parse(annotations['k8s.v1.cni.cncf.io/networks'] ?? '[]') as { readonly name: string }[];
  const networks = [
    { name: 'cluster', interface: 'eth0', ips: ['10.128.10.18'], default: true },
    { name: `${pod.metadata.namespace}/${network?.name}`, interface: 'net1', ips },
  ];
  return {
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
    annotations: { 'k8s.v1.cni.cncf.io/network-status': JSON.stringify(networks) },
  };
}
