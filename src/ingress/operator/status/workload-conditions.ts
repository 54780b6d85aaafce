import type { ConditionDraft } from '../../../base/kubernetes/conditions.ts';
import { isRecord } from '../../../base/read/shape.ts';
import { textOf } from '../json.ts';
import type { Rollout } from '../rollout.ts';

const noun = { Deployment: 'deployment', DaemonSet: 'daemon set' } as const;

/** Returns the conditions about a router's pods, with the reasons and words of OpenShift's operator. */
export function describeWorkload(rollout: Rollout, pods: readonly unknown[]): readonly ConditionDraft[] {
  return [describeAvailable(rollout), describeMinimum(rollout, pods), describeAll(rollout), describeRollout(rollout)];
}

function describeAvailable({ kind, availability, refusal }: Rollout): ConditionDraft {
  const type = 'DeploymentAvailable';
  if (availability === undefined) {
    const message = `The ${noun[kind]} has no Available status condition set`;
    return { type, status: 'Unknown', reason: 'DeploymentAvailabilityUnknown', message: join(message, refusal) };
  }
  const { status, reason, message } = availability;
  if (status === 'True') {
    const words = `The ${noun[kind]} has Available status condition set to True`;
    return { type, status, reason: 'DeploymentAvailable', message: words };
  }
  const words = `The ${noun[kind]} has Available status condition set to False (reason: ${reason}) with message: ${message}`;
  return { type, status, reason: 'DeploymentUnavailable', message: join(words, refusal) };
}

function join(message: string, refusal: string | undefined): string {
  return refusal === undefined ? message : `${message} (${refusal})`;
}

function describeMinimum({ wanted, available, maxUnavailable }: Rollout, pods: readonly unknown[]): ConditionDraft {
  const type = 'DeploymentReplicasMinAvailable';
  if (available >= wanted - maxUnavailable) {
    const message = 'Minimum replicas requirement is met';
    return { type, status: 'True', reason: 'DeploymentMinimumReplicasMet', message };
  }
  const count = `${available}/${wanted} of replicas are available, max unavailable is ${maxUnavailable}`;
  const unscheduled = describeUnscheduled(pods);
  return {
    type,
    status: 'False',
    reason: 'DeploymentMinimumReplicasNotMet',
    message: unscheduled === undefined ? count : `${count}: ${unscheduled}`,
  };
}

/** Returns a sentence that names the pods without a node, with the reasons. */
function describeUnscheduled(pods: readonly unknown[]): string | undefined {
  const words = pods.filter(isRecord).flatMap(({ metadata, status }) => {
    const name = isRecord(metadata) ? textOf(metadata.name) : '';
    const conditions = isRecord(status) && Array.isArray(status.conditions) ? status.conditions.filter(isRecord) : [];
    const scheduled = conditions.find((one) => one.type === 'PodScheduled');
    if (scheduled === undefined || scheduled.status === 'True') return [];
    const [reason, message] = [textOf(scheduled.reason), textOf(scheduled.message)];
    return reason === 'Unschedulable'
      ? [{ name, isFinal: true, text: `Pod "${name}" cannot be scheduled: ${message}` }]
      : [{ name, isFinal: false, text: `Pod "${name}" is not yet scheduled: ${reason}: ${message}` }];
  });
  if (words.length === 0) return undefined;
  const texts = words.sort((one, other) => (one.name < other.name ? -1 : 1)).map(({ text }) => text);
  const cure = words.some(({ isFinal }) => isFinal) ? ' Make sure you have sufficient worker nodes.' : '';
  return `Some pods are not scheduled: ${texts.join(' ')}${cure}`;
}

function describeAll({ wanted, available }: Rollout): ConditionDraft {
  const type = 'DeploymentReplicasAllAvailable';
  if (available >= wanted) {
    return { type, status: 'True', reason: 'DeploymentReplicasAvailable', message: 'All replicas are available' };
  }
  const message = `${available}/${wanted} of replicas are available`;
  return { type, status: 'False', reason: 'DeploymentReplicasNotAvailable', message };
}

function describeRollout(rollout: Rollout): ConditionDraft {
  const type = 'DeploymentRollingOut';
  const { wanted, present, updated, available } = rollout;
  const wait = (what: string): ConditionDraft => {
    const message = `Waiting for router deployment rollout to finish: ${what}...`;
    return { type, status: 'True', reason: findRolloutReason(rollout), message };
  };
  if (updated < wanted) return wait(`${updated} out of ${wanted} new replica(s) have been updated`);
  if (present > updated) return wait(`${present - updated} old replica(s) are pending termination`);
  if (available < updated) return wait(`${available} of ${updated} updated replica(s) are available`);
  const message = 'Deployment is not actively rolling out';
  return { type, status: 'False', reason: 'DeploymentNotRollingOut', message };
}

/** After a complete rollout, restarting pods are not a change of the configuration. */
function findRolloutReason({ wasCompleted, isObserved, wanted, present, updated, available }: Rollout): string {
  if (wasCompleted && isObserved && updated === wanted) {
    if (present !== wanted) return 'ReplicasStabilizing';
    if (available < wanted) return 'PodsStarting';
  }
  return 'DeploymentRollingOut';
}
