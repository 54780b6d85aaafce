import type { IncomingMessage } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { describeError } from '../model/text.ts';
import { isRecord } from '../read/shape.ts';
import type { ClusterAccess } from './access.ts';
import { type DeleteOptions, type KubeApi, KubeError, type Query, type WatchEvent } from './cluster-api.ts';
import { ConnectionPool } from './connection.ts';
import { CredentialStore } from './credentials.ts';
import { readStatus } from './failure.ts';
import { readKubeconfig } from './kubeconfig.ts';
import { Limit } from './limit.ts';
import { readServiceAccount } from './service-account.ts';
import { explainRefusal, isCertificateRefusal } from './tls-failure.ts';

/** Timeouts of a client, in milliseconds. */
export interface ClientTimes {
  /** Timeout of a request without an answer. */
  readonly request: number;
  /** Timeout of a silent watch. Servers send a bookmark every minute. */
  readonly silence: number;
}

const ordinaryTimes: ClientTimes = { request: 30_000, silence: 90_000 };

/** Milliseconds to process events before the process may do other work. */
const longestTurn = 10;

/** Maximum number of characters in one watch event: etcd limits objects to 1.5 MiB, and JSON adds some. */
const longestEvent = 16 << 20;

/**
 * Opens the API server that a kubeconfig or, without one, the pod's service account describes. Throws an Error if
 * there is neither.
 *
 * @param kubeconfig a file, or several separated by ":"
 */
export function openKubeApi(kubeconfig: string | undefined, times: ClientTimes = ordinaryTimes): KubeApi {
  return new HttpsKubeApi(kubeconfig ? readKubeconfig(kubeconfig) : readServiceAccount(process.env), times);
}

interface Words {
  readonly method: string;
  readonly path: string;
  readonly query?: Query;
  readonly body?: unknown;
  readonly contentType?: string;
}

class HttpsKubeApi implements KubeApi {
  readonly #access: ClusterAccess;
  readonly #times: ClientTimes;
  readonly #credentials: CredentialStore;
  readonly #pool: ConnectionPool;

  constructor(access: ClusterAccess, times: ClientTimes) {
    this.#access = access;
    this.#times = times;
    this.#credentials = new CredentialStore(access);
    this.#pool = new ConnectionPool(access);
  }

  get(path: string, query: Query, signal?: AbortSignal, longest?: number): Promise<unknown> {
    return this.#send({ method: 'GET', path, query }, signal, longest);
  }

  create(path: string, object: unknown, signal?: AbortSignal): Promise<unknown> {
    return this.#send({ method: 'POST', path, body: object }, signal);
  }

  replace(path: string, object: unknown, signal?: AbortSignal): Promise<unknown> {
    return this.#send({ method: 'PUT', path, body: object }, signal);
  }

  mergePatch(path: string, patch: unknown, signal?: AbortSignal): Promise<unknown> {
    return this.#send({ method: 'PATCH', path, body: patch, contentType: 'application/merge-patch+json' }, signal);
  }

  strategicPatch(path: string, patch: unknown, signal?: AbortSignal): Promise<unknown> {
    const contentType = 'application/strategic-merge-patch+json';
    return this.#send({ method: 'PATCH', path, body: patch, contentType }, signal);
  }

  apply(path: string, object: unknown, manager: string, signal?: AbortSignal): Promise<unknown> {
    // JSON is YAML.
    const contentType = 'application/apply-patch+yaml';
    return this.#send({ method: 'PATCH', path, query: { fieldManager: manager }, body: object, contentType }, signal);
  }

  remove(path: string, { uid, graceSeconds }: DeleteOptions, signal?: AbortSignal): Promise<unknown> {
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: 'Background',
      ...(uid !== undefined && { preconditions: { uid } }),
      ...(graceSeconds !== undefined && { gracePeriodSeconds: graceSeconds }),
    };
    return this.#send({ method: 'DELETE', path, body }, signal);
  }

  async #send(words: Words, signal: AbortSignal | undefined, longest?: number): Promise<unknown> {
    const limit = new Limit(this.#times.request, signal);
    const action = `Cannot ${words.method} ${words.path}`;
    try {
      const response = await this.#open(words, limit, action);
      return JSON.parse(await readText(response, longest));
    } catch (cause) {
      if (cause instanceof KubeError) throw cause;
      throw new KubeError(`${action}: ${this.#describe(cause, limit)}`, 0, undefined, { cause });
    } finally {
      limit.close();
    }
  }

  /**
   * Sends a request and returns the response as soon as its headers have arrived. Throws a KubeError if the server
   * rejects the request. After a 401, the request is sent once more with fresh credentials from token files and
   * plugins.
   */
  async #open(words: Words, limit: Limit, action: string): Promise<IncomingMessage> {
    for (let attempt = 1; ; attempt++) {
      let response: IncomingMessage;
      let text = '';
      try {
        response = await this.#request(words, limit.signal);
        if (isSuccess(response)) return response;
        text = await readText(response);
      } catch (cause) {
        // Certificates and tokens may have been replaced since they were read.
        this.#credentials.forget();
        if (isTimeout(limit.signal)) this.#pool.dropIdle();
        const isRefusal = isCertificateRefusal(cause);
        const reason = isRefusal ? await explainRefusal(this.#access, cause) : this.#describe(cause, limit);
        throw new KubeError(`${action}: ${reason}`, 0, undefined, { cause });
      }
      const status = response.statusCode ?? 0;
      if (status === 401) {
        this.#credentials.forget();
        if (attempt === 1) continue;
      }
      const { message, causes } = readStatus(text);
      const hint = status === 401 ? `: the server does not accept ${this.#credentials.describe()}` : '';
      const retryAfter = readRetryAfter(response.headers['retry-after']);
      throw new KubeError(`${action}: ${status} ${message}${hint}`, status, retryAfter, { causes });
    }
  }

  #describe(error: unknown, limit: Limit): string {
    return limit.isTimeout
      ? `${this.#access.server.host} did not answer within ${this.#times.request / 1000} s`
      : describeError(error);
  }

  async #request(
    { method, path, query = {}, body, contentType }: Words,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const credentials = await this.#credentials.read();
    const search = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, `${value}`])).toString();
    const text = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers = {
      Accept: 'application/json',
      'User-Agent': 'egress-router',
      ...(text !== undefined && {
        'Content-Type': contentType ?? 'application/json',
        'Content-Length': `${text.length}`,
      }),
      ...credentials.headers,
    };
    for (let attempt = 1; ; attempt++) {
      const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
      const words = { method, path: search === '' ? path : `${path}?${search}`, headers, signal };
      const request = this.#pool.request(words, credentials);
      request.once('response', resolve);
      request.on('error', reject);
      request.end(text);
      try {
        return await promise;
      } catch (error) {
        // The server closed an idle connection just as we reused it. Nothing was processed, and repeating a GET is
        // harmless.
        const isStale = request.reusedSocket && isReset(error) && method === 'GET';
        if (!isStale || attempt > 2 || signal.aborted) throw error;
      }
    }
  }

  async watch(path: string, query: Query, onEvent: (event: WatchEvent) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const limit = new Limit(this.#times.request, signal);
    const words = { method: 'GET', path, query: { watch: true, ...query } };
    let hasBegun = false;
    try {
      const response = await this.#open(words, limit, `Cannot watch ${path}`);
      hasBegun = true;
      limit.extend(this.#times.silence);
      let begun = performance.now();
      for await (const line of readLines(response)) {
        limit.extend(this.#times.silence);
        tell(path, line, onEvent);
        if (performance.now() - begun < longestTurn) continue;
        // Buffered lines arrive without a pause; probes and other watches must get their turn.
        await turn();
        begun = performance.now();
      }
    } catch (error) {
      // The caller ended the watch, or the connection fell silent. The watch is over either way.
      if (signal.aborted || (hasBegun && limit.isTimeout)) return;
      if (error instanceof KubeError) throw error;
      throw new KubeError(`Watch of ${path} ended: ${describeError(error)}`, 0, undefined, { cause: error });
    } finally {
      limit.close();
    }
  }
}

/** Maximum delay that a server can request, in milliseconds. A longer delay would outlive its reason. */
const longestRetryAfter = 30_000;

/**
 * Parses `Retry-After` in seconds, as API servers send it (RFC 9110 §10.2.3). Returns at most 30,000 milliseconds,
 * and undefined for a date or anything that is not a number above zero.
 */
export function readRetryAfter(header: string | undefined): number | undefined {
  const seconds = Number(header);
  return seconds > 0 ? Math.min(seconds * 1000, longestRetryAfter) : undefined;
}

function isSuccess({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300;
}

/** Returns whether a request was aborted by a timeout, its own or the caller's. */
function isTimeout({ aborted, reason }: AbortSignal): boolean {
  return aborted && reason instanceof Error && reason.name === 'TimeoutError';
}

function isReset(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ECONNRESET' || code === 'EPIPE';
}

/** Rejects, and closes the connection, if the text has more than `longest` characters. */
async function readText(response: IncomingMessage, longest = Number.POSITIVE_INFINITY): Promise<string> {
  response.setEncoding('utf8');
  let text = '';
  for await (const chunk of response) {
    text += chunk;
    if (text.length > longest) throw new Error(`the answer has more than ${longest} characters`);
  }
  return text;
}

/** Yields the lines of a response as they arrive. */
async function* readLines(response: IncomingMessage): AsyncGenerator<string> {
  response.setEncoding('utf8');
  let rest = '';
  for await (const chunk of response as AsyncIterable<string>) {
    const lines = chunk.split('\n');
    const last = lines.pop() ?? '';
    for (const line of lines) {
      if (rest !== '' || line !== '') yield rest + line;
      rest = '';
    }
    rest += last;
    if (rest.length > longestEvent) throw new Error(`an event has more than ${longestEvent} characters`);
  }
  if (rest.trim() !== '') yield rest;
}

function tell(path: string, line: string, onEvent: (event: WatchEvent) => void): void {
  const event: unknown = JSON.parse(line);
  if (!isRecord(event)) return;
  const { type, object } = event;
  if (type === 'ERROR') throw toWatchError(path, object);
  if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED' || type === 'BOOKMARK') onEvent({ type, object });
}

/** Converts an `ERROR` event, which carries a Status object. */
function toWatchError(path: string, object: unknown): KubeError {
  const { code, message } = isRecord(object) ? object : {};
  return new KubeError(
    `Watch of ${path} ended: ${typeof message === 'string' ? message : 'no reason given'}`,
    typeof code === 'number' ? code : 0,
  );
}
