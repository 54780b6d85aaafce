import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { DaemonLog } from '../daemon/log.ts';
import { escapeUnprintable } from '../model/text.ts';
import type { KubeApi } from './cluster-api.ts';
import { writeTime } from './conditions.ts';

/** What an Event is about. */
export interface EventObject {
  readonly apiVersion: string;
  readonly kind: string;
  /** Empty: of the cluster. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** What an Event says. */
export interface EventWords {
  readonly type: 'Normal' | 'Warning';
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
}

/** Characters; the API server refuses more than 1024. */
const longestMessage = 1000;

/** What is told of an object, and how often: an Event (core/v1) as it is created. */
interface Telling {
  readonly object: EventObject;
  readonly words: EventWords;
  readonly count: number;
  /** RFC 3339, UTC: when the first of them was. */
  readonly first: string;
}

/** Milliseconds for which the same is not told again. */
const quiet = 600_000;

/** Different messages of one reason about one object within that time; after that they are told as one. */
const mostSimilar = 10;

/** Events about one object at once, and milliseconds until one more: as many as client-go allows. */
const perObject = { burst: 25, refill: 300_000 };

/** Requests at a time, and Events that wait for one. */
const queue = { concurrency: 4, longest: 1000 };

/** Objects and words that are remembered. */
const mostRemembered = 5000;

/**
 * Tells Events. One that cannot be written is not retried: conditions and the log say the same. The same about one
 * object is told once in ten minutes, and then with how often it happened; many messages of one reason are told as
 * one; each object has a budget, so that no tenant fills the cluster's store of Events.
 */
export class EventRecorder {
  readonly #api: KubeApi;
  readonly #component: string;
  readonly #host: string;
  readonly #log: Pick<DaemonLog, 'debug'>;
  readonly #clock: () => number;
  /** When something was last told, and what was not told since. */
  readonly #told = new LRUCache<string, { at: number; missed: number; first: string }>({ max: mostRemembered });
  /** Messages of one reason about one object since a time. */
  readonly #similar = new LRUCache<string, { readonly since: number; readonly messages: Set<string> }>({
    max: mostRemembered,
  });
  /** By UID. */
  readonly #budgets = new LRUCache<string, { left: number; at: number }>({ max: mostRemembered });
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /**
   * @param component the program that tells, such as `egress-router-controller`
   * @param host the node that it tells from, where that matters
   * @param clock milliseconds, only forward
   */
  constructor(
    api: KubeApi,
    component: string,
    log: Pick<DaemonLog, 'debug'>,
    host = '',
    clock: () => number = () => performance.now(),
  ) {
    this.#api = api;
    this.#component = component;
    this.#log = log;
    this.#host = host;
    this.#clock = clock;
  }

  /** Resolves when the Event was written or left out. Never rejects. */
  async tell(object: EventObject, words: EventWords, signal?: AbortSignal): Promise<void> {
    const telling = this.#choose(object, words);
    if (telling === undefined) return;
    if (this.#running >= queue.concurrency) {
      if (this.#waiting.length >= queue.longest) return;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#running++;
    try {
      const home = object.namespace === '' ? 'default' : object.namespace;
      await this.#api.create(`/api/v1/namespaces/${home}/events`, this.#compose(telling, home), signal);
    } catch (error) {
      this.#log.debug({ err: error }, 'Cannot write an Event');
    }
    this.#running--;
    this.#waiting.shift()?.();
  }

  /** What to tell now; undefined: nothing. */
  #choose(object: EventObject, words: EventWords): Telling | undefined {
    const now = this.#clock();
    const message = this.#isOneOfMany(object, words, now)
      ? `(combined from similar events): ${words.message}`
      : words.message;
    const key = digest([object.uid, words.type, words.reason, message === words.message && message]);
    const known = this.#told.get(key);
    const first = known !== undefined && known.missed > 0 ? known.first : writeTime();
    if ((known === undefined || now - known.at >= quiet) && this.#spend(object.uid, now)) {
      this.#told.set(key, { at: now, missed: 0, first });
      return { object, words: { ...words, message }, count: (known?.missed ?? 0) + 1, first };
    }
    this.#told.set(key, { at: known?.at ?? Number.NEGATIVE_INFINITY, missed: (known?.missed ?? 0) + 1, first });
    return undefined;
  }

  #isOneOfMany({ uid }: EventObject, { type, reason, message }: EventWords, now: number): boolean {
    const key = digest([uid, type, reason]);
    const known = this.#similar.get(key);
    const current =
      known !== undefined && now - known.since < quiet ? known : { since: now, messages: new Set<string>() };
    if (current !== known) this.#similar.set(key, current);
    const text = digest([message]);
    if (current.messages.has(text)) return false;
    if (current.messages.size >= mostSimilar) return true;
    current.messages.add(text);
    return false;
  }

  #spend(uid: string, now: number): boolean {
    const { left, at } = this.#budgets.get(uid) ?? { left: perObject.burst, at: now };
    const filled = Math.min(perObject.burst, left + (now - at) / perObject.refill);
    this.#budgets.set(uid, { left: filled < 1 ? filled : filled - 1, at: now });
    return filled >= 1;
  }

  /** Its name says what and when, so that one told twice is one. */
  #compose({ object, words, count, first }: Telling, namespace: string): object {
    const now = writeTime();
    const message = escapeUnprintable(words.message).slice(0, longestMessage).toWellFormed();
    const [component, host] = [this.#component, this.#host];
    const name = digest([object, words.type, words.reason, message, component, host, now, count]).slice(0, 16);
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace, name: `${object.name.slice(0, 200)}.${name}` },
      involvedObject: object,
      type: words.type,
      reason: words.reason,
      message,
      source: { component, ...(host !== '' && { host }) },
      firstTimestamp: first,
      lastTimestamp: now,
      count,
    };
  }
}

function digest(parts: readonly unknown[]): string {
  return hash('sha256', JSON.stringify(parts));
}
