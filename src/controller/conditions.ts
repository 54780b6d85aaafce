import type { ConditionDraft } from '../cluster/conditions.ts';
import type { RouterPod } from './pods.ts';

/** Why a router's objects are not as they should be. */
export interface Trouble {
  /** CamelCase. */
  readonly reason: 'InvalidSpec' | 'NameTaken' | 'Conflict' | 'ApplyFailed' | 'MultusMissing';
  /** For the router's author, with the cure. */
  readonly message: string;
}

/** What is waited for before a router's objects can be made. */
export interface Wait {
  readonly reason: 'WaitingForNames' | 'WaitingForPod';
  readonly message: string;
}

/** A condition of an EgressRouter without its time. */
export type RouterCondition = ConditionDraft<'Available' | 'Progressing' | 'Degraded'>;

/** What is known of a router when its status is written. */
export interface RouterSituation {
  readonly trouble: Trouble | undefined;
  readonly wait: Wait | undefined;
  /** The configuration that pods should have; undefined where there is no Deployment of ours. */
  readonly configuration: string | undefined;
  readonly pods: readonly RouterPod[];
  /** Addresses that `net1` must have, without lengths. */
  readonly addresses: readonly string[];
  /** What Kubernetes last said of a pod that is not ready: a failed probe, a network that could not be made. */
  readonly podEvent: string | undefined;
}

/** The conditions of a router. Available only when a pod runs and has its address, by Multus's own word. */
export function describeRouter(situation: RouterSituation): readonly RouterCondition[] {
  return [describeAvailable(situation), describeProgressing(situation), describeDegraded(situation)];
}

function describeAvailable({ pods, addresses, trouble, podEvent }: RouterSituation): RouterCondition {
  const no = (reason: string, message: string): RouterCondition => ({
    type: 'Available',
    status: 'False',
    reason,
    message,
  });
  const living = pods.filter(({ isEnding }) => !isEnding);
  const ready = living.find((pod) => pod.isReady && missingAddresses(pod, addresses).length === 0);
  if (ready !== undefined) {
    const message = `pod ${ready.name}${ready.node === undefined ? '' : ` on node ${ready.node}`} has ${addresses.join(' and ')}`;
    return { type: 'Available', status: 'True', reason: 'RouterReady', message };
  }
  const [pod] = living;
  if (pod === undefined) return no(trouble?.reason ?? 'NoPod', trouble?.message ?? 'the router has no pod yet');
  if (!pod.isReady) return no('PodNotReady', join(`pod ${pod.name} is not ready`, pod.trouble ?? podEvent));
  if (pod.egressAddresses === undefined) {
    return no('InterfaceMissing', `pod ${pod.name} has no net1 by Multus's network-status: is Multus on its node?`);
  }
  const missing = missingAddresses(pod, addresses).join(' and ');
  return no('AddressMissing', `net1 of pod ${pod.name} has not ${missing} but ${pod.egressAddresses.join(' and ')}`);
}

function missingAddresses({ egressAddresses }: RouterPod, addresses: readonly string[]): string[] {
  return addresses.filter((address) => egressAddresses?.includes(address) !== true);
}

function describeProgressing({ pods, configuration, wait, trouble }: RouterSituation): RouterCondition {
  const yes = (reason: string, message: string): RouterCondition => ({
    type: 'Progressing',
    status: 'True',
    reason,
    message,
  });
  if (wait !== undefined) return yes(wait.reason, wait.message);
  if (trouble !== undefined || configuration === undefined) {
    return { type: 'Progressing', status: 'False', reason: trouble?.reason ?? 'NotStarted', message: '' };
  }
  const old = pods.filter((pod) => pod.configuration !== configuration || pod.isEnding);
  if (old.length > 0) return yes('RollingOut', `pod ${old[0]?.name} ends before the next one starts`);
  const current = pods.filter((pod) => pod.isReady);
  if (current.length === 0) return yes('Starting', 'the pod is not ready yet');
  return { type: 'Progressing', status: 'False', reason: 'AsExpected', message: '' };
}

function describeDegraded({ trouble, pods, podEvent }: RouterSituation): RouterCondition {
  const yes = (reason: string, message: string): RouterCondition => ({
    type: 'Degraded',
    status: 'True',
    reason,
    message,
  });
  if (trouble !== undefined) return yes(trouble.reason, trouble.message);
  const failing = pods.find((pod) => !pod.isReady && !pod.isEnding && (pod.trouble ?? podEvent) !== undefined);
  if (failing !== undefined) return yes('PodFailing', join(`pod ${failing.name}`, failing.trouble ?? podEvent));
  return { type: 'Degraded', status: 'False', reason: 'AsExpected', message: '' };
}

function join(head: string, tail: string | undefined): string {
  return tail === undefined ? head : `${head}: ${tail}`;
}
