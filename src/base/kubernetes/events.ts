import { hash } from 'node:crypto';
import type { DaemonLog } from '../daemon/log.ts';
import { escapeUnprintable } from '../model/text.ts';
import type { KubeApi } from './cluster-api.ts';
import { writeTime } from './conditions.ts';

/** What an Event is about. */
export interface EventObject {
  readonly apiVersion: string;
  readonly kind: string;
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

/** An Event (core/v1) as it is created. Its name says what and when, so that one told twice is one. */
function makeEvent(object: EventObject, words: EventWords, component: string, host = ''): object {
  const { namespace, name } = object;
  const now = writeTime();
  const message = escapeUnprintable(words.message).slice(0, longestMessage).toWellFormed();
  const what = hash('sha256', JSON.stringify([object, words.type, words.reason, message, component, host, now]));
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { namespace, name: `${name.slice(0, 200)}.${what.slice(0, 16)}` },
    involvedObject: object,
    type: words.type,
    reason: words.reason,
    message,
    source: { component, ...(host !== '' && { host }) },
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  };
}

/** Milliseconds for which the same is not told again. */
const quiet = 600_000;

/** Objects and words that are remembered as told. */
const mostRemembered = 5000;

/**
 * Tells Events. One that cannot be written is no reason to try again: it says what conditions and log say,
 * too. The same about the same object is told once in ten minutes.
 */
export class EventRecorder {
  readonly #api: KubeApi;
  readonly #component: string;
  readonly #host: string;
  readonly #log: Pick<DaemonLog, 'debug'>;
  readonly #told = new Map<string, number>();

  /**
   * @param component who tells, such as `egress-router-controller`
   * @param host the node that it tells from, where that matters
   */
  constructor(api: KubeApi, component: string, log: Pick<DaemonLog, 'debug'>, host = '') {
    this.#api = api;
    this.#component = component;
    this.#log = log;
    this.#host = host;
  }

  /** Never rejects. */
  async tell(object: EventObject, words: EventWords, signal?: AbortSignal): Promise<void> {
    const key = JSON.stringify([object.uid, words]);
    const now = performance.now();
    if (now - (this.#told.get(key) ?? Number.NEGATIVE_INFINITY) < quiet) return;
    // The oldest go first: a map keeps the order of insertion.
    this.#told.delete(key);
    this.#told.set(key, now);
    for (const oldest of this.#told.keys()) {
      if (this.#told.size <= mostRemembered) break;
      this.#told.delete(oldest);
    }
    const event = makeEvent(object, words, this.#component, this.#host);
    try {
      await this.#api.create(`/api/v1/namespaces/${object.namespace}/events`, event, signal);
    } catch (error) {
      this.#log.debug({ err: error }, 'Cannot write an Event');
    }
  }
}
