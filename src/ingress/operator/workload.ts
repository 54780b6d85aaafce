import { namesOf, selectorOf } from './names.ts';
import { makeObject, type RouterObject } from './objects.ts';
import { makePodTemplate, type PodParts } from './pod.ts';

/** Inputs of a router's workload. */
export interface WorkloadParts extends Omit<PodParts, 'hasAffinity'> {
  /** Whether the cluster has only one node, so that pods cannot run on different ones. */
  readonly hasOneNode: boolean;
}

/** Returns the default number of replicas. */
export function usualReplicasOf({ hasOneNode }: Pick<WorkloadParts, 'hasOneNode'>): number {
  return hasOneNode ? 1 : 2;
}

/** Seconds for which a new pod must be ready before a rollout continues: load balancers may probe only every 10 s. */
const minReadySeconds = 30;

/** Number of revisions to keep. */
const revisionHistoryLimit = 2;

/**
 * Whether a router runs on every selected node. It does with HostNetwork, where node ports keep pods apart,
 * if the object selects nodes and sets no number of replicas.
 */
export function isDaemonSet({ spec, strategy }: Pick<WorkloadParts, 'spec' | 'strategy'>): boolean {
  return strategy.type === 'HostNetwork' && spec.replicas === undefined && spec.nodePlacement !== undefined;
}

/** Returns the number of pods of a Deployment. */
export function replicasOf({ spec, hasOneNode }: Pick<WorkloadParts, 'spec' | 'hasOneNode'>): number {
  return spec.replicas ?? usualReplicasOf({ hasOneNode });
}

/** Returns the Deployment or DaemonSet of a router. */
export function makeWorkload(parts: WorkloadParts): RouterObject {
  const { name, strategy, hasOneNode } = parts;
  const { router } = namesOf(name);
  const shared = { minReadySeconds, revisionHistoryLimit, selector: { matchLabels: selectorOf(name) } };
  if (isDaemonSet(parts)) {
    return makeObject('daemonSets', name, router, {
      spec: {
        ...shared,
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: 0 } },
        template: makePodTemplate({ ...parts, hasAffinity: false }),
      },
    });
  }
  const replicas = replicasOf(parts);
  const hasAffinity = strategy.type !== 'HostNetwork' && !hasOneNode;
  return makeObject('deployments', name, router, {
    spec: {
      ...shared,
      progressDeadlineSeconds: 600,
      replicas,
      strategy: { type: 'RollingUpdate', rollingUpdate: chooseRollout(parts, replicas, hasAffinity) },
      template: makePodTemplate({ ...parts, hasAffinity }),
    },
  });
}

function chooseRollout({ strategy }: WorkloadParts, replicas: number, hasAffinity: boolean): object {
  // A surge would need nodes whose ports are free.
  if (strategy.type === 'HostNetwork') return { maxUnavailable: '25%', maxSurge: 0 };
  return { maxUnavailable: hasAffinity && replicas < 4 ? '50%' : '25%', maxSurge: '25%' };
}
