import { type ConditionDraft, no, yes } from './conditions.ts';
import type { DecidedSet } from './decide-gateways.ts';
import type { SettledAddresses } from './gateway-conditions.ts';
import { isTrue, type ListenerReport } from './listener-status.ts';

/** Returns the conditions of a ListenerSet. */
export function describeSet(
  { refusal, set }: DecidedSet,
  listeners: readonly ListenerReport[],
  settled: SettledAddresses,
): readonly ConditionDraft[] {
  if (refusal !== undefined) {
    const { reason, message } = refusal;
    const programmed = reason === 'NotAllowed' ? reason : 'ParentNotProgrammed';
    return [no('Accepted', reason, message), no('Programmed', programmed, message)];
  }
  const problems = set.problems.slice(0, 3);
  const sound = listeners.filter((one) => isTrue(one, 'Accepted') && isTrue(one, 'ResolvedRefs'));
  if (sound.length === 0) {
    const message = ['no listener is valid; see their conditions', ...problems].join('; ');
    return [no('Accepted', 'ListenersNotValid', message), no('Programmed', 'ListenersNotValid', message)];
  }
  const isWhole = problems.length === 0 && sound.length === listeners.length;
  const summary = ['some listeners are invalid; see their conditions', ...problems].join('; ');
  return [
    isWhole ? yes('Accepted', 'Accepted', '') : yes('Accepted', 'ListenersNotValid', summary),
    describeProgress(listeners, settled),
  ];
}

function describeProgress(listeners: readonly ListenerReport[], { refusal }: SettledAddresses): ConditionDraft {
  if (refusal !== undefined) return no('Programmed', 'ParentNotProgrammed', refusal.message);
  if (listeners.some((one) => isTrue(one, 'Programmed'))) return yes('Programmed', 'Programmed', '');
  const pending = listeners
    .flatMap(({ conditions }) => conditions)
    .find(({ type, reason }) => type === 'Programmed' && reason === 'Pending');
  return pending ?? no('Programmed', 'ListenersNotValid', 'no listener is programmed; see their conditions');
}
