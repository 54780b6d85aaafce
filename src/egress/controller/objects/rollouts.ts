import type { RouterPod } from '../failover/pods.ts';
import type { Member } from './members.ts';
import type { Template, TemplateChange } from './templates.ts';

/** Observed state of a router of a pool that a rollout depends on. */
export interface RolloutMember {
  readonly member: Member;
  /** The template of its Deployment. Undefined if there is no Deployment. */
  readonly template: Template | undefined;
  readonly pods: readonly RouterPod[];
}

/** Progress of an explicit rollout at one router of a pool. */
export type Rollout =
  /** None is requested, or its Deployment already has it. */
  | 'none'
  /** Another router of the pool is not ready or is being replaced. */
  | 'waiting'
  | 'now';

/** Whether this pass already replaces a router of the pool, which its pods do not show yet. */
export interface RolloutTurn {
  isRollingOut: boolean;
}

/**
 * Decides whether to replace a router's pod for an explicit rollout. Routers of a pool take turns: a serving router is
 * replaced only if all others serve and have finished the rollout of their Deployments.
 *
 * @param wanted the rollout that the EgressRouter requests
 */
export function judgeRollout(
  wanted: string | undefined,
  own: RolloutMember,
  turn: RolloutTurn,
  all: readonly RolloutMember[],
): Rollout {
  if (wanted === undefined || own.template === undefined || own.template.rollout === wanted) return 'none';
  if (own.pods.some(isServingPod)) {
    const others = all.filter(({ member }) => member.key !== own.member.key);
    if (turn.isRollingOut || !others.every(hasFinished)) return 'waiting';
  }
  turn.isRollingOut = true;
  return 'now';
}

function hasFinished({ template, pods }: RolloutMember): boolean {
  return template !== undefined && pods.some((pod) => isServingPod(pod) && pod.rollout === template.rollout);
}

function isServingPod({ isReady, isEnding }: RouterPod): boolean {
  return isReady && !isEnding;
}

/** Reasons of a container that waits for an image that cannot be pulled. */
const imageTroubles = /^(?:ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull)\b/;

/** Whether a router's pod waits for an image that cannot be pulled and that is not the controller's. */
export function lacksImage(pods: readonly RouterPod[], image: string): boolean {
  return pods.some((pod) => !pod.isEnding && pod.image !== image && imageTroubles.test(pod.trouble ?? ''));
}

/** Returns the change of a template: replacing it includes moving it. */
export function judgeChange(isReplaced: boolean, isMoved: boolean): TemplateChange {
  if (isReplaced) return 'renew';
  return isMoved ? 'move' : 'none';
}
