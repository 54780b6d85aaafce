import type { DaemonLog } from '../../../base/daemon/log.ts';
import { type RevocationList, readRevocationLists, writeRevocationList } from '../../../base/read/revocation-list.ts';
import { checkList, formatTime, readDownload, type ValidList } from './check.ts';
import { type DownloadSettings, download } from './download.ts';
import { type ListIssuer, maxUrls, showPlace } from './issuers.ts';
import { placeholder } from './placeholder.ts';

/** Dependencies of {@link RevocationLists}. */
export interface RevocationListParts {
  readonly settings: DownloadSettings;
  readonly log: Pick<DaemonLog, 'info' | 'warn'>;
  readonly signal: AbortSignal;
  /** Called after every download. */
  readonly onChange: () => void;
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly now?: () => number;
}

/** The lists of the authorities of one router. */
export interface RevocationState {
  /** All valid lists in PEM, or a list that covers no client: HAProxy does not start with an empty file. */
  readonly pem: string;
  /** Whether every list is valid or its first download has failed. */
  readonly isSettled: boolean;
  /** Authorities without a valid list, with the reason, one line each. Their clients are refused. */
  readonly missing: readonly string[];
  /** Authorities whose valid list could not be renewed, with the reason, one line each. */
  readonly stale: readonly string[];
  /** Milliseconds until the state changes without an event. */
  readonly next: number;
}

/** Milliseconds. A list that is valid for seconds must be renewed in time, too. */
const times = { longest: 12 * 3_600_000, shortest: 1000, retry: 300_000 } as const;

/** Maximum characters of all lists in PEM: a ConfigMap holds 1 MiB. */
const largestFile = 900 * 1024;

interface Entry {
  list: ValidList | undefined;
  /** `thisUpdate` of the newest list so far, or 0. */
  newest: number;
  /** When the last valid list expired. */
  expired: number | undefined;
  /** Why the last download failed. */
  problem: string | undefined;
  isSettled: boolean;
  isRunning: boolean;
  /** Time of the next download, in milliseconds since 1970. */
  due: number;
}

/**
 * Keeps the revocation lists of all routers up to date. The last valid list stays in use until its `nextUpdate`, also
 * after a restart, from the ConfigMap of the router.
 */
export class RevocationLists {
  readonly #parts: RevocationListParts;
  readonly #entries = new Map<string, Entry>();
  /** Keys of entries by router. */
  readonly #uses = new Map<string, ReadonlySet<string>>();

  readonly #now: () => number;

  constructor(parts: RevocationListParts) {
    this.#parts = parts;
    this.#now = parts.now ?? Date.now;
  }

  /**
   * Returns the lists of a router, and starts the downloads that are due.
   *
   * @param owner `metadata.name` of the IngressController
   * @param bundle certificates of the authorities in PEM
   * @param stored lists that an earlier controller stored
   */
  get(owner: string, issuers: readonly ListIssuer[], bundle: string, stored: string): RevocationState {
    this.#use(owner, new Set(issuers.map(keyOf)));
    const now = this.#now();
    const [texts, missing, stale]: [string[], string[], string[]] = [[], [], []];
    let [isSettled, next, length] = [true, times.longest, 0];
    for (const issuer of issuers) {
      const entry = this.#find(issuer, stored);
      if (entry.due <= now && !entry.isRunning) void this.#renew(issuer, bundle, entry);
      if (entry.list !== undefined && entry.list.nextUpdate <= now) {
        entry.expired = entry.list.nextUpdate;
        entry.list = undefined;
      }
      if (!entry.isSettled) isSettled = false;
      if (!entry.isRunning) next = Math.min(next, entry.due - now);
      const { list, problem } = entry;
      const text = list && writeRevocationList(list);
      if (list === undefined || text === undefined) {
        missing.push(`${issuer.title}: ${describeMissing(entry)}`);
      } else if (length + text.length > largestFile) {
        missing.push(`${issuer.title}: all lists together are larger than ${largestFile / 1024} KiB`);
      } else {
        length += text.length;
        texts.push(text);
        next = Math.min(next, list.nextUpdate - now);
        if (problem !== undefined) {
          stale.push(
            `${issuer.title}: the list is valid until ${formatTime(list.nextUpdate)} and cannot be renewed: ${problem}`,
          );
        }
      }
    }
    const pem = texts.length === 0 ? placeholder : texts.join('');
    return { pem, isSettled, missing, stale, next: Math.max(next, 1000) };
  }

  /** Forgets the lists of a router that no other one uses. */
  forget(owner: string): void {
    if (this.#uses.has(owner)) this.#use(owner, new Set());
  }

  #use(owner: string, keys: ReadonlySet<string>): void {
    if (keys.size === 0) this.#uses.delete(owner);
    else this.#uses.set(owner, keys);
    const used = new Set(Array.from(this.#uses.values(), (some) => Array.from(some)).flat());
    for (const key of this.#entries.keys()) if (!used.has(key)) this.#entries.delete(key);
  }

  #find(issuer: ListIssuer, stored: string): Entry {
    const key = keyOf(issuer);
    const found = this.#entries.get(key);
    if (found !== undefined) return found;
    const list = findStored(stored, issuer, this.#now());
    const newest = list?.thisUpdate ?? 0;
    const entry: Entry = {
      list,
      newest,
      expired: undefined,
      problem: undefined,
      isSettled: list !== undefined,
      isRunning: false,
      due: 0,
    };
    this.#entries.set(key, entry);
    return entry;
  }

  async #renew(issuer: ListIssuer, bundle: string, entry: Entry): Promise<void> {
    const { settings, log, signal, onChange } = this.#parts;
    entry.isRunning = true;
    const problems: string[] = issuer.otherPlaces.map((place) => `${place}: only http and https are supported`);
    if (issuer.urls.length === 0) problems.push(`the certificates of the bundle name more than ${maxUrls} lists`);
    let list: ValidList | undefined;
    for (const url of issuer.urls) {
      try {
        const body = await download(url, bundle, settings, signal);
        list = checkList(readDownload(body), issuer, this.#now());
        break;
      } catch (error) {
        problems.push(`${showPlace(url)}: ${error instanceof Error ? error.message : String(error)}`);
      }
      if (signal.aborted) return;
    }
    const [now, jitter] = [this.#now(), 0.9 + 0.2 * Math.random()];
    // Someone on the way may replay an older list, in which a certificate is not revoked yet.
    if (list !== undefined && list.thisUpdate < entry.newest) {
      problems.push(`the list is older than the one of ${formatTime(entry.newest)}`);
      list = undefined;
    }
    const isNew = list !== undefined && list.thisUpdate > entry.newest;
    entry.list = list ?? entry.list;
    entry.newest = entry.list?.thisUpdate ?? entry.newest;
    entry.problem = list === undefined ? problems.join('; ') : undefined;
    entry.due = now + jitter * (list === undefined ? times.retry : waitFor(list, now));
    entry.isSettled = true;
    entry.isRunning = false;
    const context = { authority: issuer.title };
    if (list === undefined)
      log.warn({ ...context, problem: entry.problem }, 'Cannot download a revocation list; retrying');
    else if (isNew) log.info({ ...context, nextUpdate: formatTime(list.nextUpdate) }, 'Downloaded a revocation list');
    onChange();
  }
}

/** Returns the milliseconds until a list is downloaded again: half of the remaining time, at most 12 hours. */
function waitFor({ nextUpdate }: ValidList, now: number): number {
  return Math.max(times.shortest, Math.min(times.longest, (nextUpdate - now) / 2));
}

function keyOf({ id, urls }: ListIssuer): string {
  return [id, ...urls].join(' ');
}

/** Returns the list of an authority in a file that a controller wrote. It is checked again: others may write it. */
function findStored(stored: string, issuer: ListIssuer, now: number): ValidList | undefined {
  for (const list of readStored(stored)) {
    try {
      return checkList(list, issuer, now);
    } catch {
      // It is of another authority, maybe with the same name, or is downloaded again.
    }
  }
  return undefined;
}

function readStored(stored: string): readonly RevocationList[] {
  try {
    return readRevocationLists(stored);
  } catch {
    return [];
  }
}

function describeMissing({ expired, problem }: Entry): string {
  const parts = [expired === undefined ? undefined : `the list expired at ${formatTime(expired)}`, problem];
  return parts.filter((part) => part !== undefined).join('; ') || 'the list is not downloaded yet';
}
