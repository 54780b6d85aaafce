import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod/mini';
import type { DaemonLog } from '../../base/daemon/log.ts';
import { writeWhole } from '../../base/files/write-whole.ts';
import { type Address, parseAddress } from '../../base/model/address.ts';
import { formatDestination } from '../../base/model/format.ts';
import { expandNames, type Redirect } from '../../base/model/redirect.ts';
import { parseDestination } from '../api/destination.ts';
import { recallRedirects } from '../api/remembered.ts';
import type { AttachmentState } from '../model/state.ts';

/** Dependencies of {@link Drains}. */
export interface DrainParts {
  /** Milliseconds between a name losing an address and the end of connections to it; 0: they are never ended. */
  readonly drainTime: number;
  readonly file: string;
  readonly log: DaemonLog;
  /** Ends the connections of a router to addresses that its names lost. Throws an Error. */
  readonly end: (state: AttachmentState, lost: LostTargets) => void;
}

/** Addresses that the names of a router lost: of its redirects, and of its fallback. */
export interface LostTargets {
  readonly redirects: readonly Redirect[];
  readonly fallbacks: readonly Address[];
}

/** What the names of a router lead to, and the times at which connections to lost addresses end. */
interface RouterDrains {
  lines: ReadonlySet<string>;
  /** By line, in monotonic milliseconds. */
  readonly ends: Map<string, number>;
}

const fallbackWord = 'fallback ';

/** Milliseconds after which ending connections is tried again. */
const retryAfter = 1000;

/** The longest delay of a timer, in milliseconds. */
const longestTimer = 2 ** 31 - 1;

const schema = z.object({
  version: z.literal(1),
  routers: z.array(
    z.object({
      router: z.string(),
      lines: z.array(z.string()),
      /** Milliseconds since 1970. */
      drains: z.array(z.object({ line: z.string(), ends: z.number() })),
    }),
  ),
});

/**
 * Ends connections to addresses that names lost, after the drain time. Compares the addresses in use with those at the
 * previous call, which a file keeps: a restart of the daemon loses no drain time, and neither does a kill between a
 * change and its record.
 */
export class Drains {
  readonly #parts: DrainParts;
  readonly #routers: Map<string, RouterDrains>;
  #known: ReadonlyMap<string, AttachmentState> = new Map();
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: DrainParts) {
    this.#parts = parts;
    this.#routers = parts.drainTime === 0 ? new Map() : read(parts);
  }

  /** Updates the routers of this node. Never throws. */
  follow(known: ReadonlyMap<string, AttachmentState>): void {
    this.#known = known;
    if (this.#parts.drainTime === 0) return;
    let hasChanged = false;
    for (const key of this.#routers.keys()) {
      if (known.has(key)) continue;
      this.#routers.delete(key);
      hasChanged = true;
    }
    for (const [key, state] of known) hasChanged = this.#compare(key, state) || hasChanged;
    if (hasChanged) this.#write();
    this.#schedule();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  /** Returns whether the record of a router changed. */
  #compare(key: string, state: AttachmentState): boolean {
    const lines = listLines(state);
    const before = this.#routers.get(key);
    if (before === undefined) {
      if (lines.size > 0) this.#routers.set(key, { lines, ends: new Map() });
      return lines.size > 0;
    }
    let hasChanged = lines.size !== before.lines.size;
    for (const line of before.lines) {
      if (lines.has(line)) continue;
      hasChanged = true;
      before.ends.set(line, performance.now() + this.#parts.drainTime);
    }
    // An address that came back keeps its connections.
    for (const line of lines) hasChanged = before.ends.delete(line) || hasChanged;
    before.lines = lines;
    if (lines.size + before.ends.size === 0) this.#routers.delete(key);
    return hasChanged;
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const times = [...this.#routers.values()].flatMap(({ ends }) => [...ends.values()]);
    if (times.length === 0) return;
    const wait = times.reduce((one, other) => Math.min(one, other)) - performance.now();
    this.#timer = setTimeout(() => this.#endDue(), Math.min(longestTimer, Math.max(0, wait)));
  }

  #endDue(): void {
    const now = performance.now();
    let hasChanged = false;
    for (const [key, { lines, ends }] of this.#routers) {
      const due = [...ends].flatMap(([line, at]) => (at <= now ? [line] : []));
      const state = this.#known.get(key);
      if (due.length === 0 || state === undefined) continue;
      try {
        // The same target may have become a redirect to an address.
        const fixed = new Set(state.router?.destinations);
        const lost = due.filter((line) => !lines.has(line) && !fixed.has(line));
        if (lost.length > 0) this.#parts.end(state, readLines(lost));
        for (const line of due) ends.delete(line);
        hasChanged = true;
      } catch (error) {
        for (const line of due) ends.set(line, now + retryAfter);
        this.#parts.log.warn({ err: error, router: key }, 'Failed to end connections after the drain time; retrying');
      }
    }
    if (hasChanged) this.#write();
    this.#schedule();
  }

  #write(): void {
    const { file, log } = this.#parts;
    const offset = Date.now() - performance.now();
    const routers = Array.from(this.#routers, ([router, { lines, ends }]) => ({
      router,
      lines: [...lines],
      drains: Array.from(ends, ([line, at]) => ({ line, ends: Math.round(at + offset) })),
    }));
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      writeWhole(file, `${JSON.stringify({ version: 1, routers }, undefined, 1)}\n`, 0o600);
    } catch (error) {
      log.warn({ err: error, file }, 'Failed to save the drain times of DNS names');
    }
  }
}

/** A missing or corrupt file contains nothing. */
function read({ file, drainTime }: DrainParts): Map<string, RouterDrains> {
  let document: unknown;
  try {
    document = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return new Map();
  }
  const parsed = schema.safeParse(document);
  if (!parsed.success) return new Map();
  const [clock, now] = [Date.now(), performance.now()];
  return new Map(
    parsed.data.routers.map(({ router, lines, drains }) => {
      // The clock may have been set.
      const ends = drains.map(({ line, ends: at }) => [line, now + Math.min(drainTime, at - clock)] as const);
      return [router, { lines: new Set(lines), ends: new Map(ends) }];
    }),
  );
}

/** Returns the targets of a router's names, one line each. */
function listLines({ router }: AttachmentState): ReadonlySet<string> {
  if (router?.answers === undefined) return new Set();
  const { named, fallbackName } = recallRedirects(router);
  const fallbacks = fallbackName?.targets.map(({ text }) => `${fallbackWord}${text}`) ?? [];
  return new Set([...expandNames(named).map(formatDestination), ...fallbacks]);
}

function readLines(lines: readonly string[]): LostTargets {
  const isFallback = (line: string): boolean => line.startsWith(fallbackWord);
  return {
    redirects: lines
      .filter((line) => !isFallback(line))
      .map(parseDestination)
      .flatMap((one) => (one.kind === 'redirect' ? [one.redirect] : [])),
    fallbacks: lines.filter(isFallback).flatMap((line) => parseAddress(line.slice(fallbackWord.length)) ?? []),
  };
}
