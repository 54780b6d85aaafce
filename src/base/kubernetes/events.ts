import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { DaemonLog } from '../daemon/log.ts';
import { escapeUnprintable } from '../model/text.ts';
import type { KubeApi } from './cluster-api.ts';
import { writeTime } from './conditions.ts';

/** The object that an Event regards. */
export interface EventObject {
  readonly apiVersion: string;
  readonly kind: string;
  /** Empty for cluster-scoped objects. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** Content of an Event. */
export interface EventWords {
  readonly type: 'Normal' | 'Warning';
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
}

/** Maximum length of a message. The API server rejects more than 1024 characters. */
const longestMessage = 1000;

/** An Event (core/v1) to create, with its count. */
interface Telling {
  readonly object: EventObject;
  readonly words: EventWords;
  readonly count: number;
  /** Time of the first occurrence; RFC 3339, UTC. */
  readonly first: string;
}

/** Milliseconds during which the same Event is not repeated. */
const quiet = 600_000;

/** Number of different messages per reason and object within that time; further ones are combined. */
const mostSimilar = 10;

/** Token bucket per object: burst, and milliseconds per refilled token. The values are those of client-go. */
const perObject = { burst: 25, refill: 300_000 };

/** Concurrent requests, and the maximum number of Events that wait for one. */
const queue = { concurrency: 4, longest: 1000 };

/** Maximum number of cached objects and messages. */
const mostRemembered = 5000;

/**
 * Records Events. A failed write is not retried, because conditions and the log contain the same information.
 * Repetitions within ten minutes are counted and written as one Event, many messages of one reason are combined, and
 * each object has a budget, so no tenant can fill the cluster's Event store.
 */
export class EventRecorder {
  readonly #api: KubeApi;
  readonly #component: string;
  readonly #host: string;
  readonly #log: Pick<DaemonLog, 'debug'>;
  readonly #clock: () => number;
  /** When each Event was last written, and how many were suppressed since. */
  readonly #told = new LRUCache<string, { at: number; missed: number; first: string }>({ max: mostRemembered });
  /** Recent messages by reason and object. */
  readonly #similar = new LRUCache<string, { readonly since: number; readonly messages: Set<string> }>({
    max: mostRemembered,
  });
  /** Token buckets by UID. */
  readonly #budgets = new LRUCache<string, { left: number; at: number }>({ max: mostRemembered });
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /**
   * @param component the reporting program, such as `egress-router-controller`
   * @param host the reporting node, if it matters
   * @param clock monotonic milliseconds
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

  /** Resolves when the Event was written or suppressed. Never rejects. */
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
      this.#log.debug({ err: error }, 'Failed to write an Event');
    }
    this.#running--;
    this.#waiting.shift()?.();
  }

  /** Returns the Event to write now, or undefined to suppress it. */
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

  /**
   * The name contains reason and time, so a repeated request creates no second Event. It must be a DNS subdomain, so a
   * long object name is not cut behind a hyphen or dot.
   */
  #compose({ object, words, count, first }: Telling, namespace: string): object {
    const now = writeTime();
    const message = escapeUnprintable(words.message).slice(0, longestMessage).toWellFormed();
    const [component, host] = [this.#component, this.#host];
    const name = digest([object, words.type, words.reason, message, component, host, now, count]).slice(0, 16);
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace, name: `${object.name.slice(0, 200).replace(/[-.]+$/, '')}.${name}` },
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
