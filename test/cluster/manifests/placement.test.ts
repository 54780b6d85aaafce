import assert from 'node:assert/strict';
import { type KubeDocument, render } from './rendered.ts';

/** A pod of the Deployment, as the scheduler sees it. */
interface Pod {
  readonly revision: 'old' | 'new';
  readonly node: string;
}

interface Constraint {
  readonly maxSkew: number;
  readonly whenUnsatisfiable: string;
  readonly matchLabelKeys?: readonly string[];
}

/** What the scheduler and the Deployment's controller go by. */
class Placement {
  readonly #spec: KubeDocument['spec'];
  /** Whether the cluster knows `matchLabelKeys` of a constraint (Kubernetes 1.27). */
  readonly #knowsKeys: boolean;

  constructor({ spec }: KubeDocument, knowsKeys: boolean) {
    this.#spec = spec;
    this.#knowsKeys = knowsKeys;
  }

  /** Every node that a new pod may get; terminating pods are not among `pods`, because the scheduler skips them. */
  #candidates(nodes: readonly string[], living: readonly string[], pods: readonly Pod[]): readonly string[] {
    const constraints: readonly Constraint[] = this.#spec.template.spec.topologySpreadConstraints ?? [];
    return living.filter((node) =>
      constraints.every(({ maxSkew, whenUnsatisfiable, matchLabelKeys }) => {
        // A preference can be outweighed by others.
        if (whenUnsatisfiable !== 'DoNotSchedule') return true;
        const isByRevision = this.#knowsKeys && matchLabelKeys?.includes('pod-template-hash') === true;
        const counted = isByRevision ? pods.filter(({ revision }) => revision === 'new') : pods;
        const counts = nodes.map((name) => counted.filter((pod) => pod.node === name).length);
        return counted.filter((pod) => pod.node === node).length + 1 - Math.min(...counts) <= maxSkew;
      }),
    );
  }

  /**
   * Every way in which the pods may be placed at each moment of a rollout, or of the replacement of lost pods.
   *
   * @param nodes that are in the cluster; a failed one counts until it is removed
   * @param living those that pods can be bound to
   */
  *moments(nodes: readonly string[], living: readonly string[], pods: readonly Pod[]): Generator<readonly Pod[]> {
    yield pods;
    const { replicas, strategy } = this.#spec;
    // The default is 25 % of each, of which surge is rounded up and the other down.
    const { maxSurge, maxUnavailable } = strategy?.rollingUpdate ?? { maxSurge: 1, maxUnavailable: 0 };
    const old = pods.filter(({ revision }) => revision === 'old');
    if (pods.length < replicas + maxSurge && pods.length - old.length < replicas) {
      const places = this.#candidates(nodes, living, pods);
      for (const node of places) yield* this.moments(nodes, living, [...pods, { revision: 'new', node }]);
      if (places.length > 0) return;
    }
    if (pods.length - 1 < replicas - maxUnavailable) return;
    for (const gone of old)
      yield* this.moments(
        nodes,
        living,
        pods.filter((pod) => pod !== gone),
      );
  }
}

describe('The controllers of a cluster', () => {
  const deployment = (): KubeDocument => {
    const found = render('default').find(({ kind, metadata }) => kind === 'Deployment' && metadata.name !== '');
    assert.ok(found !== undefined);
    return found;
  };

  /** Moments at which a single node's death would end every controller, though there are two controllers and two nodes. */
  const doubled = (moments: Iterable<readonly Pod[]>): unknown[] =>
    [...moments].filter((pods) => pods.length > 1 && new Set(pods.map(({ node }) => node)).size < 2);

  for (const nodes of [
    ['a', 'b'],
    ['a', 'b', 'c'],
  ])
    for (const knowsKeys of [true, false])
      it(`never share a node in an upgrade (${nodes.length} nodes, matchLabelKeys ${knowsKeys ? 'on' : 'off'})`, () => {
        const old: Pod[] = ['a', 'b'].map((node) => ({ revision: 'old', node }));
        const moments = [...new Placement(deployment(), knowsKeys).moments(nodes, nodes, old)];
        assert.deepEqual(doubled(moments), []);
        assert.ok(moments.some((pods) => pods.length === 2 && pods.every(({ revision }) => revision === 'new')));
        // One is always there.
        assert.deepEqual(
          moments.filter((pods) => pods.length === 0),
          [],
        );
      });

  it('do not join each other while a node is dead, so that they are separate when it returns', () => {
    const moments = new Placement(deployment(), true).moments(['a', 'b'], ['b'], [{ revision: 'new', node: 'b' }]);
    assert.deepEqual(doubled(moments), []);
  });

  it('both run on the only node of a cluster, and can be upgraded there', () => {
    const old: Pod[] = ['a', 'a'].map((node) => ({ revision: 'old', node }));
    const moments = [...new Placement(deployment(), true).moments(['a'], ['a'], old)];
    assert.ok(moments.some((pods) => pods.length === 2 && pods.every(({ revision }) => revision === 'new')));
  });

  it('leave a failed node within seconds, survive drains and pressure, and run on Linux only', () => {
    const pod = deployment().spec.template.spec;
    const seconds = ['not-ready', 'unreachable'].map(
      (state) =>
        pod.tolerations.find(
          (one: { key: string; effect: string }) =>
            one.key === `node.kubernetes.io/${state}` && one.effect === 'NoExecute',
        )?.tolerationSeconds,
    );
    for (const time of seconds) assert.ok(time <= 30, seconds.join());
    assert.equal(pod.priorityClassName, 'system-cluster-critical');
    assert.deepEqual(pod.nodeSelector, { 'kubernetes.io/os': 'linux' });
    const budget = render('default').find(({ kind }) => kind === 'PodDisruptionBudget');
    assert.deepEqual(budget?.spec.selector, deployment().spec.selector);
    assert.equal(budget?.spec.maxUnavailable, 1);
  });
});
