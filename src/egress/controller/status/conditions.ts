import type { KubeError } from '../../../base/kubernetes/cluster-api.ts';
import type { ConditionDraft } from '../../../base/kubernetes/conditions.ts';
import type { RouterPod } from '../failover/pods.ts';
import { rolloutAnnotation } from '../objects/configuration.ts';
import { inForce, type Progress } from '../objects/live.ts';

/** Why a router's objects are not in their desired state. */
export interface Trouble {
  /** CamelCase. */
  readonly reason: 'InvalidSpec' | 'AddressTaken' | 'NameTaken' | 'Conflict' | 'ApplyFailed' | 'MultusMissing';
  /** Message for the router's author, with the fix. */
  readonly message: string;
  /** A failure of the API server itself: retried soon, with backoff. */
  readonly fault?: KubeError;
}

/** What must happen before a router's objects can be created. */
export interface Wait {
  readonly reason: 'WaitingForNames' | 'WaitingForPod';
  readonly message: string;
}

/** A condition of an EgressRouter without its transition time. */
export type RouterCondition = ConditionDraft<'Available' | 'Progressing' | 'Degraded'>;

/** Observed state of one router of a pool. */
export interface MemberSituation {
  /** Addresses that `net1` must have, without prefix lengths. */
  readonly addresses: readonly string[];
  /** DNS names of the destinations. Absent: none. */
  readonly destinationNames?: readonly string[];
  readonly trouble: Trouble | undefined;
  readonly wait: Wait | undefined;
  /** The desired configuration. */
  readonly configuration: string;
  /** The configuration of the Deployment's template. A pod with another one is about to be replaced. */
  readonly template: string | undefined;
  readonly pods: readonly RouterPod[];
  /** Progress of the configuration in the running pod. */
  readonly progress: Progress;
  /** The last Event of a pod that is not ready: a failed probe, or a network that could not be set up. */
  readonly podEvent: string | undefined;
  /** Why Kubernetes creates no pod, in its own words. */
  readonly refusal: string | undefined;
  /** Image of new pods. Absent: images are not compared. */
  readonly image?: string;
  /** Whether an explicit rollout waits for other routers of the pool. */
  readonly isRolloutWaiting?: boolean;
}

/** Observed state of a router for its status. */
export interface RouterSituation {
  /** Concerns the whole router. */
  readonly trouble: Trouble | undefined;
  readonly wait: Wait | undefined;
  readonly members: readonly MemberSituation[];
  readonly generation: number | undefined;
  /** The generation that `Available` described last. */
  readonly availableGeneration: number | undefined;
}

/**
 * Returns the conditions of a router. It is Available only if a pod runs and has its address according to Multus. The
 * observed generation advances when the generation is applied everywhere, so that `kubectl wait` waits for it.
 */
export function describeRouter(situation: RouterSituation): readonly RouterCondition[] {
  const isInForce = situation.trouble === undefined && situation.members.every(isSettled);
  const { generation, availableGeneration } = situation;
  const told = isInForce ? generation : (availableGeneration ?? 0);
  const available = describeAvailable(situation);
  return [
    { ...available, ...(told !== undefined && { observedGeneration: told }) },
    describeProgressing(situation),
    describeDegraded(situation),
  ];
}

/** Returns the pod of a member that serves, or undefined if none does. */
export function servingPod({ pods, addresses }: MemberSituation): RouterPod | undefined {
  return pods.find((pod) => !pod.isEnding && pod.isReady && missingAddresses(pod, addresses).length === 0);
}

/** Returns whether a member serves with the desired configuration. */
export function isSettled(member: MemberSituation): boolean {
  const pod = servingPod(member);
  return pod !== undefined && member.trouble === undefined && inForce(pod) === member.configuration;
}

const draft = (type: RouterCondition['type'], status: 'True' | 'False', reason: string, message: string) => ({
  type,
  status,
  reason,
  message,
});

function describeAvailable({ members, trouble }: RouterSituation): RouterCondition {
  const serving = members.filter((member) => servingPod(member) !== undefined);
  if (members.length > 0 && serving.length > 0) {
    const lines = serving.map((member) => {
      const { name, node } = servingPod(member) ?? {};
      return `pod ${name}${node === undefined ? '' : ` on node ${node}`} has ${member.addresses.join(' and ')}`;
    });
    const isWhole = serving.length === members.length;
    const head = isWhole ? '' : `${serving.length} of ${members.length} routers: `;
    return draft('Available', 'True', isWhole ? 'RouterReady' : 'PoolPartlyReady', `${head}${lines.join('; ')}`);
  }
  const [first] = members;
  if (first === undefined || trouble !== undefined)
    return draft('Available', 'False', trouble?.reason ?? 'NoPod', trouble?.message ?? 'the router has no pod yet');
  return describeUnavailable(first);
}

function describeUnavailable({ pods, addresses, trouble, podEvent, refusal }: MemberSituation): RouterCondition {
  const no = (reason: string, message: string): RouterCondition => draft('Available', 'False', reason, message);
  const pod = pods.find(({ isEnding }) => !isEnding);
  if (pod === undefined && refusal !== undefined) return no('PodRefused', refusal);
  if (pod === undefined) return no(trouble?.reason ?? 'NoPod', trouble?.message ?? 'the router has no pod yet');
  if (!pod.isReady) return no('PodNotReady', join(pod.trouble ?? podEvent, `pod ${pod.name} is not ready`));
  if (pod.egressAddresses === undefined) {
    return no(
      'InterfaceMissing',
      `pod ${pod.name} has no net1 in Multus's network-status; check that Multus runs on its node`,
    );
  }
  return no('AddressMissing', describeMissing(pod, addresses));
}

function describeMissing(pod: RouterPod, addresses: readonly string[]): string {
  const missing = missingAddresses(pod, addresses).join(' and ');
  return `net1 of pod ${pod.name} does not have ${missing} but ${pod.egressAddresses?.join(' and ')}`;
}

/** Returns why a running pod is not a router. Kubernetes may consider such a pod healthy and report nothing. */
function findInterfaceFault({ pods, template, addresses, podEvent }: MemberSituation) {
  const pod = pods.find(({ isEnding, isReady, isRunning }) => !isEnding && (isReady || isRunning));
  // A pod of another template is about to be replaced.
  if (pod === undefined || (template !== undefined && pod.configuration !== template)) return undefined;
  const { name, node, isReady, hasNetworkStatus, egressAddresses } = pod;
  if (!hasNetworkStatus) {
    const fault = `pod ${name} runs without net1, because Multus did not handle it; install Multus on node ${node}, or check that its configuration is the first in the node's CNI folder`;
    return { reason: 'MultusMissing', message: podEvent === undefined ? fault : `${fault} (${podEvent})` };
  }
  if (!isReady) return undefined;
  if (egressAddresses === undefined)
    return { reason: 'InterfaceMissing', message: `Multus's network-status of pod ${name} has no net1` };
  if (missingAddresses(pod, addresses).length === 0) return undefined;
  return { reason: 'AddressMissing', message: describeMissing(pod, addresses) };
}

function missingAddresses({ egressAddresses }: RouterPod, addresses: readonly string[]): string[] {
  return addresses.filter((address) => egressAddresses?.includes(address) !== true);
}

function describeProgressing({ members, wait, trouble }: RouterSituation): RouterCondition {
  const yes = (reason: string, message: string): RouterCondition => draft('Progressing', 'True', reason, message);
  if (wait !== undefined) return yes(wait.reason, wait.message);
  if (trouble !== undefined) return draft('Progressing', 'False', trouble.reason, '');
  for (const { wait: own, trouble: obstacle, pods, template, progress } of members) {
    if (own !== undefined) return yes(own.reason, own.message);
    if (obstacle !== undefined) continue;
    const old = pods.find((pod) => (pod.configuration !== template && template !== undefined) || pod.isEnding);
    if (old !== undefined) return yes('RollingOut', `pod ${old.name} must terminate before the next one starts`);
    if (!pods.some((pod) => pod.isReady)) return yes('Starting', 'the pod is not ready yet');
    if (progress.kind === 'pending')
      return yes(
        'ApplyingLive',
        `the daemon of node ${pods[0]?.node} has not yet applied the configuration to pod ${pods[0]?.name}`,
      );
    if (progress.kind === 'replace')
      return yes('RollingOut', `pod ${pods[0]?.name} is being replaced: ${progress.reason}`);
  }
  const waiting = members.find(({ isRolloutWaiting }) => isRolloutWaiting === true)?.addresses.join(' and ');
  if (waiting !== undefined)
    return yes('RollingOut', `the rollout of ${waiting} waits until all other routers of the pool are ready`);
  const obstacle = members.find((member) => member.trouble !== undefined)?.trouble;
  return draft('Progressing', 'False', obstacle?.reason ?? 'AsExpected', describeImages(members));
}

/** Whether the pod of a member runs another image than new pods would. An upgrade leaves such a pod running. */
export function isOutdated({ image }: MemberSituation, pod: RouterPod | undefined): boolean {
  return image !== undefined && pod?.image !== undefined && pod.image !== image;
}

/** Describes the pods that run another image. Empty if there are none. */
function describeImages(members: readonly MemberSituation[]): string {
  const lines = members.flatMap((member) => {
    const pod = servingPod(member);
    return pod !== undefined && isOutdated(member, pod) ? [`pod ${pod.name} runs image ${pod.image}`] : [];
  });
  if (lines.length === 0) return '';
  return `${lines.join('; ')}; new pods get ${members[0]?.image}; to replace running pods, set the annotation ${rolloutAnnotation} to a new value`;
}

function describeDegraded({ trouble, members }: RouterSituation): RouterCondition {
  const yes = (reason: string, message: string): RouterCondition => draft('Degraded', 'True', reason, message);
  const obstacle = trouble ?? members.find((member) => member.trouble !== undefined)?.trouble;
  if (obstacle !== undefined) return yes(obstacle.reason, obstacle.message);
  for (const member of members) {
    const { pods, podEvent, progress, refusal } = member;
    // A running or terminating pod is more informative.
    if (refusal !== undefined && pods.length === 0) return yes('PodRefused', refusal);
    const fault = findInterfaceFault(member);
    if (fault !== undefined) return yes(fault.reason, fault.message);
    if (progress.kind === 'refused') return yes('LiveChangeFailed', join(progress.reason, `pod ${pods[0]?.name}`));
    const failing = pods.find((pod) => !pod.isReady && !pod.isEnding && (pod.trouble ?? podEvent) !== undefined);
    if (failing !== undefined) return yes('PodFailing', join(failing.trouble ?? podEvent, `pod ${failing.name}`));
  }
  return draft('Degraded', 'False', 'AsExpected', '');
}

/** The error comes first, in its own words, followed by its place. */
function join(words: string | undefined, place: string): string {
  return words === undefined ? place : `${words} (${place})`;
}
