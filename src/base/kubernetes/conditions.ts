import { isRecord } from '../read/shape.ts';

/** A condition without its time. */
export interface ConditionDraft<Type extends string = string> {
  readonly type: Type;
  readonly status: 'True' | 'False' | 'Unknown';
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
  /** Which `metadata.generation` it tells of, where that is not the newest. */
  readonly observedGeneration?: number;
}

/** A condition as it is written (meta/v1, Condition). */
export interface Condition<Type extends string = string> extends ConditionDraft<Type> {
  /** RFC 3339, UTC: when `status` last changed. */
  readonly lastTransitionTime: string;
}

/** Characters of a message: the API server refuses more than 32768, and nobody reads more than this. */
const longestMessage = 2000;

/** Now, as conditions and Events write times: RFC 3339, UTC, whole seconds. */
export function writeTime(date = new Date()): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

/**
 * Conditions with their times. The time of one whose status stays, stays (Kubernetes API conventions).
 *
 * @param written `status.conditions` as the server has them, whatever that is
 * @param generation `metadata.generation` of what the conditions are about; undefined: none is written
 */
export function dateConditions<Type extends string>(
  drafts: readonly ConditionDraft<Type>[],
  written: unknown,
  now: string,
  generation?: number,
): readonly Condition<Type>[] {
  const known = readConditions(written);
  return drafts.map((draft) => {
    const before = known.find(({ type, status }) => type === draft.type && status === draft.status);
    const observed = draft.observedGeneration ?? generation;
    return {
      ...draft,
      message: draft.message.slice(0, longestMessage).toWellFormed(),
      lastTransitionTime: typeof before?.lastTransitionTime === 'string' ? before.lastTransitionTime : now,
      ...(observed !== undefined && { observedGeneration: observed }),
    };
  });
}

/**
 * Whether conditions say the same, whenever they began to: then there is nothing to write. A server whose
 * schema has no `observedGeneration` drops it, which is no difference: it would be written without end.
 */
export function saySame(conditions: readonly Condition[], written: unknown): boolean {
  const known = readConditions(written);
  if (known.length !== conditions.length) return false;
  return conditions.every((one, index) => {
    const other = known[index] ?? {};
    const isOfSameGeneration = (other.observedGeneration ?? one.observedGeneration) === one.observedGeneration;
    const keys = ['type', 'status', 'reason', 'message'] as const;
    return isOfSameGeneration && keys.every((key) => one[key] === (other[key] ?? ''));
  });
}

/** `status.conditions` of an object, as far as they are any. */
export function readConditions(written: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(written) ? written.filter(isRecord) : [];
}
