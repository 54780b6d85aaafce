import type { RouterPod } from '../failover/pods.ts';
import type { Member } from './members.ts';
import type { Template, TemplateChange } from './templates.ts';

/** The properties of a router of a pool that a rollout needs. */
export interface RolloutMember {
  readonly member: Member;
  /** The template of its Deployment; undefined without one. */
  readonly template: Template | undefined;
  readonly pods: readonly RouterPod[];
}

/** Progress of an explicit rollout at one router of a pool. */
export type Rollout =
  /** None is requested, or its pod already belongs to it. */
  | 'none'
  /** It waits because another router of the pool is not ready. */
  | 'waiting'
  | 'now';

/** Whether a router of the pool started its rollout in this pass, which its pod does not show yet. */
export interface RolloutTurn {
  isRollingOut: boolean;
}

/**
 * Decides whether to replace a router's pod for an explicit rollout. Routers of a pool take turns: a serving one is
 * replaced only while all others serve and have finished their rollout.
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

/** Reasons of a container whose image is not available. */
const imageTroubles = /^(?:ErrImagePull|ImagePullBackOff|InvalidImageName|ErrImageNeverPull)\b/;

/** Whether the image of a router's pod is not available while this version has another image. */
export function lacksImage(pods: readonly RouterPod[], image: string): boolean {
  return pods.some((pod) => !pod.isEnding && pod.image !== image && imageTroubles.test(pod.trouble ?? ''));
}

/** Combines the reasons for another template; see {@link TemplateChange}. */
export function judgeChange(isReplaced: boolean, isMoved: boolean): TemplateChange {
  if (isReplaced) return 'renew';
  return isMoved ? 'move' : 'none';
}
