import { PartialFailure } from '../../base/kubernetes/work-queue.ts';
import { isSettled, type MemberSituation, type Trouble } from './status/conditions.ts';

/** Milliseconds after which a router is reconciled again without an event. */
export const again = { heldBack: 1_000, waiting: 2_000, starting: 10_000, trouble: 30_000 };

/** Returns `next`, or throws a PartialFailure if the API server itself failed, so that the next attempt is soon. */
export function orRetry(troubles: readonly (Trouble | undefined)[], next: number | undefined): number | undefined {
  const failed = troubles.find((trouble) => trouble?.fault !== undefined);
  if (failed !== undefined) throw new PartialFailure(failed.fault, next);
  return next;
}

/** Returns the milliseconds after which members must be checked again, or undefined to wait for a change. */
export function lookAgain(members: readonly MemberSituation[]): number | undefined {
  if (members.some(({ wait, trouble }) => wait !== undefined || trouble?.reason === 'AddressTaken'))
    return again.waiting;
  if (members.some(({ trouble }) => trouble !== undefined)) return again.trouble;
  const pending = members.flatMap(({ progress }) => (progress.kind === 'pending' ? [progress.left] : []));
  if (pending.length > 0) return Math.min(...pending) + 1;
  return members.every(isSettled) ? undefined : again.starting;
}
