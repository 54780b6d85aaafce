import { escapeUnprintable } from '../model/text.ts';
import { isRecord } from '../read/shape.ts';

/** A condition without its transition time. */
export interface ConditionDraft<Type extends string = string> {
  readonly type: Type;
  readonly status: 'True' | 'False' | 'Unknown';
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
  /** The `metadata.generation` that the condition describes, if it is not the newest. */
  readonly observedGeneration?: number;
}

/** The fields that every draft has. The Route API makes the others optional. */
export type LeastDraft = Pick<ConditionDraft, 'type' | 'status'> & Partial<ConditionDraft>;

/** JSON of an object, as received from the API server. */
export type Json = Readonly<Record<string, unknown>>;

/**
 * Maximum length of a message. The API server rejects more than 32768 characters, and no reader needs more than this.
 */
const longestMessage = 2000;

/** Formats a time as conditions and Events require: RFC 3339, UTC, whole seconds. */
export function writeTime(date = new Date()): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

/** Context of a list of conditions: owned types, time and generation. */
export interface ConditionContext {
  /** RFC 3339, UTC. */
  readonly now: string;
  /** The `metadata.generation` that the conditions describe. Absent: conditions get no `observedGeneration`. */
  readonly generation?: number | undefined;
  /** Types that this controller owns, if it does not write all of them each time. Other types are preserved. */
  readonly ownTypes?: ReadonlySet<unknown>;
}

/**
 * Returns the full list of conditions to write, because a patch replaces the whole list. Conditions of other
 * controllers keep their place. A condition of ours is replaced in its place and keeps its transition time while its
 * status does not change (Kubernetes API conventions). A condition with a higher observed generation is newer than
 * the draft and is preserved (Gateway API, "Conditions").
 *
 * @param written `status.conditions` as received, unvalidated
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

/** Messages may quote text of objects' authors, so no character may hide or reorder the rest on a terminal. */
function writeMessage(message: string): string {
  return escapeUnprintable(message).slice(0, longestMessage);
}

function isNewer({ observedGeneration }: Json, generation: number | undefined): boolean {
  return typeof observedGeneration === 'number' && generation !== undefined && observedGeneration > generation;
}

/**
 * Returns a list that several controllers write, with our entries updated: each replaces its predecessor in place,
 * new ones are appended, and entries of other controllers are preserved.
 *
 * @param written the list as received, unvalidated
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
 * Returns whether the written conditions already equal these, apart from their transition times. A server whose
 * schema lacks `observedGeneration` drops that field; treating this as a difference would write forever.
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

/** Returns the objects in a list that has not been validated, such as `status.conditions`. */
export function readRecords(written: unknown): readonly Json[] {
  return Array.isArray(written) ? written.filter(isRecord) : [];
}
