import { randomBytes } from 'node:crypto';
import * as z from 'zod/mini';
import { keysSchema } from '../../addresses/documents.ts';

/** A key of the heartbeat. */
export type HeartbeatKey = z.output<typeof keysSchema>['keys'][number];

/** The keys of the heartbeat in a Secret. */
export interface KeyRing {
  /** The first one signs; all of them verify. */
  readonly keys: readonly HeartbeatKey[];
  /** When the list last changed, in milliseconds since 1970. */
  readonly changedAt: number;
}

/** Milliseconds. A node that is away for longer than `overlap` gets the new keys when it returns. */
export const rotationTimes = { period: 7 * 24 * 3_600_000, overlap: 600_000 } as const;

const ringSchema = z.object({ ...keysSchema.shape, changedAt: z.number() });

/** Parses the output of {@link writeRing}. Undefined for anything else. */
export function readRing(text: string): KeyRing | undefined {
  try {
    const read = z.safeParse(ringSchema, JSON.parse(text));
    return read.success && read.data.keys.length > 0 ? read.data : undefined;
  } catch {
    return undefined;
  }
}

/** Renders a ring for its Secret. */
export function writeRing({ keys, changedAt }: KeyRing): string {
  return JSON.stringify({ version: 1, keys, changedAt });
}

/**
 * Returns the next ring, or undefined if nothing is due. A new key first only verifies, then signs, and then the old
 * one is removed, with the overlap in between: nodes with consecutive rings always accept each other.
 *
 * @param now milliseconds since 1970
 */
export function rotateKeys(
  ring: KeyRing | undefined,
  now: number,
  times: RotationTimes = rotationTimes,
): KeyRing | undefined {
  if (ring === undefined) return { keys: [makeKey()], changedAt: now };
  const { keys, changedAt } = ring;
  const [first, second] = keys as readonly [HeartbeatKey, HeartbeatKey?];
  // A clock that was once wrong must not stop the rotation forever.
  const age = changedAt > now ? times.period : now - changedAt;
  if (second === undefined) return age < times.period ? undefined : { keys: [first, makeKey()], changedAt: now };
  if (age < times.overlap) return undefined;
  // The ID of a key is the time of its creation, so the list itself shows the state of the rotation.
  return { keys: createdAt(second) > createdAt(first) ? [second, first] : [first], changedAt: now };
}

interface RotationTimes {
  readonly period: number;
  readonly overlap: number;
}

let last = 0;

function makeKey(): HeartbeatKey {
  last = Math.max(last + 1, Date.now());
  return { id: `${last}`, secret: randomBytes(32).toString('base64') };
}

function createdAt({ id }: HeartbeatKey): number {
  return Number(id);
}
