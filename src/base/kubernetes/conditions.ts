import { escapeUnprintable } from '../model/text.ts';
import { isRecord } from '../read/shape.ts';

/** A condition without its time. */
export interface ConditionDraft<Type extends string = string> {
  readonly type: Type;
  readonly status: 'True' | 'False' | 'Unknown';
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
  /** Which `metadata.generation` it is about, where that is not the newest. */
  readonly observedGeneration?: number;
}

/** What every draft has; the Route API makes the rest optional. */
export type LeastDraft = Pick<ConditionDraft, 'type' | 'status'> & Partial<ConditionDraft>;

/** JSON of an object, as the API server or its other writers have it. */
export type Json = Readonly<Record<string, unknown>>;

/** Characters of a message: the API server refuses more than 32768, and no reader needs more than this. */
const longestMessage = 2000;

/** Returns a time as conditions and Events write it: RFC 3339, UTC, whole seconds. */
export function writeTime(date = new Date()): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

/** Which conditions are ours, when they changed, and what they are about. */
export interface ConditionContext {
  /** RFC 3339, UTC. */
  readonly now: string;
  /** `metadata.generation` of what the conditions are about; absent: conditions get no `observedGeneration`. */
  readonly generation?: number | undefined;
  /** Types that this controller writes, where it does not write each of them every time; others are not touched. */
  readonly ownTypes?: ReadonlySet<unknown>;
}

/**
 * Returns the list of conditions to write, as a patch replaces the whole list. Conditions of other
 * controllers stay where they are. One of ours is replaced in its place, and keeps its time while its
 * status stays (Kubernetes API conventions); one that was written about a higher generation is newer than
 * the draft, and stays as it is (Gateway API, "Conditions").
 *
 * @param written `status.conditions` as the server has them, of any form
 */
export function mergeConditions(
  drafts: readonly LeastDraft[],
  written: unknown,
  { now, generation, ownTypes }: ConditionContext,
): readonly Json[] {
  const dated = drafts.map((draft) => {
    const before = readRecords(written).find(({ type }) => type === draft.type);
    const observed = draft.observedGeneration ?? generation;
    if (before !== undefined && isNewer(before, observed)) return before;
    const time = before?.status === draft.status ? before.lastTransitionTime : undefined;
    return {
      ...draft,
      ...(draft.message !== undefined && { message: writeMessage(draft.message) }),
      lastTransitionTime: typeof time === 'string' ? time : now,
      ...(observed !== undefined && { observedGeneration: observed }),
    };
  });
  const types = new Set<unknown>([...(ownTypes ?? []), ...drafts.map(({ type }) => type)]);
  const isOurs = ({ type }: Json): boolean => types.has(type);
  return mergeEntries(dated, written, isOurs, (one, other) => one.type === other.type);
}

/** Messages quote what authors of objects wrote: no character of it may hide or reorder the rest on a terminal. */
function writeMessage(message: string): string {
  return escapeUnprintable(message).slice(0, longestMessage);
}

function isNewer({ observedGeneration }: Json, generation: number | undefined): boolean {
  return typeof observedGeneration === 'number' && generation !== undefined && observedGeneration > generation;
}

/**
 * Returns a list that several controllers write, with our entries brought up to date: each takes the place of the
 * one that it replaces, new ones come last, and entries of others stay where they are.
 *
 * @param written the list as the server has it, of any form
 * @param isSame whether an entry of ours replaces a written one
 */
export function mergeEntries(
  entries: readonly Json[],
  written: unknown,
  isOurs: (entry: Json) => boolean,
  isSame: (entry: Json, before: Json) => boolean,
): readonly Json[] {
  const left = new Set(entries);
  const kept = readRecords(written).flatMap((before) => {
    if (!isOurs(before)) return [before];
    const entry = [...left].find((one) => isSame(one, before));
    if (entry === undefined) return [];
    left.delete(entry);
    return [entry];
  });
  return [...kept, ...left];
}

/**
 * Returns whether conditions say what is written already, whenever they began to: then there is nothing to write.
 * A server whose schema has no `observedGeneration` drops it, which is no difference: it would be written without
 * end.
 */
export function saySame(conditions: readonly Json[], written: unknown): boolean {
  const known = readRecords(written);
  if (known.length !== conditions.length) return false;
  return conditions.every((one, index) => {
    const other = known[index] ?? {};
    const isOfSameGeneration = (other.observedGeneration ?? one.observedGeneration) === one.observedGeneration;
    const keys = ['type', 'status', 'reason', 'message'] as const;
    return isOfSameGeneration && keys.every((key) => (one[key] ?? '') === (other[key] ?? ''));
  });
}

/** Returns the objects of a list that is of any form, such as `status.conditions`. */
export function readRecords(written: unknown): readonly Json[] {
  return Array.isArray(written) ? written.filter(isRecord) : [];
}
