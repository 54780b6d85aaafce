import type { KubeApi } from '../../base/kubernetes/cluster-api.ts';
import { ObjectStore } from '../../base/kubernetes/object-store.ts';
import type { ProblemBook } from '../../base/kubernetes/problem-book.ts';
import { ordinaryTimes, type ReflectorTimes, reflect } from '../../base/kubernetes/reflector.ts';
import { type IngressController, readIngressController } from './ingress-controller.ts';
import { places, podLabel } from './names.ts';
import { type OwnedKindName, ownedKinds } from './objects.ts';

/** Lists that the operator watches, besides those of objects that it creates. */
const otherLists = {
  controllers: { path: `/apis/operator.openshift.io/v1/namespaces/${places.objects}/ingresscontrollers` },
  authority: { path: `/api/v1/namespaces/${places.objects}/secrets` },
  configuration: { path: `/api/v1/namespaces/${places.configuration}/configmaps` },
  pods: { path: `/api/v1/namespaces/${places.routers}/pods`, labelSelector: podLabel },
  nodes: { path: '/api/v1/nodes' },
} as const satisfies Readonly<Record<string, { readonly path: string; readonly labelSelector?: string }>>;

export type StoreName = OwnedKindName | keyof typeof otherLists;

const lists: Readonly<Record<StoreName, { readonly path: string; readonly labelSelector?: string }>> = {
  ...(Object.fromEntries(
    Object.entries(ownedKinds).map(([name, { root, plural }]) => [
      name,
      { path: `${root}/namespaces/${places.routers}/${plural}` },
    ]),
  ) as Readonly<Record<OwnedKindName, { readonly path: string }>>),
  ...otherLists,
};

/** The last observed objects of every kind that the operator needs. */
export class OperatorStores {
  readonly #stores: Readonly<Record<StoreName, ObjectStore>>;
  readonly #onChange: () => void;
  #nodeCount = 0;

  /** @param onChange called after every change */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
    const names = Object.keys(lists) as StoreName[];
    this.#stores = Object.fromEntries(
      names.map((name) => [name, new ObjectStore(name === 'nodes' ? () => this.#countNodes() : onChange)]),
    ) as Readonly<Record<StoreName, ObjectStore>>;
  }

  /** Nodes report their state frequently; only their number matters. */
  #countNodes(): void {
    const count = this.#stores.nodes.in('').length;
    if (count === this.#nodeCount) return;
    this.#nodeCount = count;
    this.#onChange();
  }

  of(name: StoreName): ObjectStore {
    return this.#stores[name];
  }

  /** All IngressControllers that can be identified. */
  get controllers(): readonly IngressController[] {
    return this.#stores.controllers.in(places.objects).flatMap((one) => readIngressController(one) ?? []);
  }

  /** A kind that is not listed yet. */
  get missing(): StoreName | undefined {
    return (Object.keys(lists) as StoreName[]).find((name) => !this.#stores[name].isListed);
  }

  /** Watches all lists until the signal aborts. */
  follow(api: KubeApi, problems: ProblemBook, signal: AbortSignal, times: ReflectorTimes = ordinaryTimes): void {
    for (const name of Object.keys(lists) as StoreName[]) {
      const store = this.#stores[name];
      const { path, labelSelector } = lists[name];
      const handler = {
        replace: (objects: readonly unknown[]) => {
          store.replace(objects);
          // An empty list changes nothing, but reconciliation may have waited for it.
          this.#onChange();
        },
        put: (object: unknown) => store.put(object),
        remove: (object: unknown) => store.remove(object),
        absent: () =>
          problems.report(name, `the cluster does not serve ${path}; apply the overlay ingress-controllers`),
        report: (problem: string | undefined) => problems.report(name, problem),
      };
      const selection = labelSelector === undefined ? {} : { labelSelector };
      void reflect(api, path, handler, signal, times, Math.random, selection);
    }
  }
}
