import type { ConditionDraft, Json } from '../../../base/kubernetes/conditions.ts';
import { textOf } from '../json.ts';

/** A condition that a summary requires. */
interface Expectation {
  readonly type: string;
  readonly status: 'True' | 'False';
  /** The condition counts only while these conditions are True. */
  readonly only?: readonly string[];
  /** Grace period in milliseconds. */
  readonly grace?: number;
  /** Reasons to ignore. */
  readonly ignored?: readonly string[];
}

const onlyManaged = { only: ['LoadBalancerManaged'] };
const second = 1000;

const expectations: Readonly<Record<'Available' | 'Progressing' | 'Degraded', readonly Expectation[]>> = {
  Available: [
    { type: 'DeploymentAvailable', status: 'True' },
    { type: 'LoadBalancerReady', status: 'True', ...onlyManaged },
  ],
  Progressing: [
    { type: 'LoadBalancerProgressing', status: 'False', ...onlyManaged },
    { type: 'DeploymentRollingOut', status: 'False', ignored: ['ReplicasStabilizing', 'PodsStarting'] },
  ],
  Degraded: [
    { type: 'Admitted', status: 'True' },
    { type: 'ConfigurationApplied', status: 'True' },
    { type: 'RevocationListsValid', status: 'True' },
    { type: 'DeploymentAvailable', status: 'True', grace: 30 * second },
    { type: 'DeploymentReplicasMinAvailable', status: 'True', grace: 60 * second },
    { type: 'DeploymentReplicasAllAvailable', status: 'True', grace: 3600 * second },
    { type: 'LoadBalancerReady', status: 'True', grace: 90 * second, ...onlyManaged },
  ],
};

/** Conditions that summarize the others, and the time until they may change without an event. */
export interface Summary {
  readonly conditions: readonly ConditionDraft[];
  /** Milliseconds until a grace period ends. */
  readonly next: number | undefined;
}

/**
 * Returns Available, Progressing and Degraded.
 *
 * @param conditions the other conditions with their transition times
 * @param now milliseconds since 1970
 */
export function summarize(conditions: readonly Json[], now: number): Summary {
  const available = findViolations('Available', conditions, now).lasting;
  const progressing = findViolations('Progressing', conditions, now).lasting;
  const { lasting: degraded, next } = findViolations('Degraded', conditions, now);
  return {
    conditions: [
      judge('Available', available.length === 0, 'IngressControllerUnavailable', 'indicate unavailable', available),
      judge('Progressing', progressing.length > 0, 'IngressControllerProgressing', 'indicate progressing', progressing),
      judge('Degraded', degraded.length > 0, 'DegradedConditions', 'indicate a degraded state', degraded),
    ],
    next,
  };
}

function judge(
  type: 'Available' | 'Progressing' | 'Degraded',
  is: boolean,
  reason: string,
  verb: string,
  violations: readonly Json[],
): ConditionDraft {
  const status = is ? 'True' : 'False';
  if (violations.length === 0) return { type, status, reason: '', message: '' };
  const list = violations.map((one) => describe(one)).join(', ');
  const other = type === 'Degraded' ? 'other ' : '';
  return { type, status, reason, message: `One or more ${other}status conditions ${verb}: ${list}` };
}

function describe({ type, status, reason, message }: Json): string {
  return `${textOf(type)}=${textOf(status)} (${textOf(reason)}: ${textOf(message)})`;
}

function findViolations(summary: keyof typeof expectations, conditions: readonly Json[], now: number) {
  const find = (type: string) => conditions.find((one) => one.type === type);
  const lasting: Json[] = [];
  let next: number | undefined;
  for (const { type, status, only = [], grace = 0, ignored = [] } of expectations[summary]) {
    const condition = find(type);
    if (condition === undefined || condition.status === status || ignored.includes(textOf(condition.reason))) continue;
    if (!only.every((one) => find(one)?.status === 'True')) continue;
    const left = Date.parse(textOf(condition.lastTransitionTime)) + grace - now;
    if (left > 0) next = Math.min(left, next ?? left);
    else lasting.push(condition);
  }
  return { lasting, next };
}
