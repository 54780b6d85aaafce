import type { RouterPod } from '../failover/pods.ts';
import type { Member } from './members.ts';
import type { Template, TemplateChange } from './templates.ts';

/** A router of a pool, as far as a rollout goes by it. */
export interface RolloutMember {
  readonly member: Member;
  /** The template of its Deployment; undefined where there is none. */
  readonly template: Template | undefined;
  readonly pods: readonly RouterPod[];
}

/** Progress of an explicit rollout at one router of a pool. */
export type Rollout =
  /** None is asked for, or its pod is already of it. */
  | 'none'
  /** Its turn has not come: another router of the pool is not ready. */
  | 'waiting'
  | 'now';

/** Whether a router of the pool has been given its turn in this pass; its pod does not show it yet. */
export interface RolloutTurn {
  isRollingOut: boolean;
}

/**
 * Whether a router's pod is to be replaced for an explicit rollout. Routers of a pool take turns: one that serves is
 * replaced only while all others serve and have finished theirs.
 *
 * @param wanted the rollout that the EgressRouter asks for
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

/** Reasons of a container that waits for an image that cannot be had. */
const imageTroubles = /^(?:ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull)\b/;

/** Whether a router's pod waits for an image that cannot be had, while this version has another. */
export function lacksImage(pods: readonly RouterPod[], image: string): boolean {
  return pods.some((pod) => !pod.isEnding && pod.image !== image && imageTroubles.test(pod.trouble ?? ''));
}

/** Combines the reasons for another template; see {@link TemplateChange}. */
export function judgeChange(isReplaced: boolean, isMoved: boolean): TemplateChange {
  if (isReplaced) return 'renew';
  return isMoved ? 'move' : 'none';
}
