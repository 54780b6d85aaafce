import { createConfiguration, HttpMethod, KubeConfig, RequestContext, Watch } from '@kubernetes/client-node';
import { isRecord } from '../api/shape.ts';
import { type KubeApi, KubeError, type Query, type WatchEvent } from './port.ts';

/** Milliseconds after which a request without an answer has failed. */
const requestTimeout = 30_000;

/**
 * The API server as a kubeconfig or, without one, a pod's service account describes it. Throws an Error
 * when there is neither.
 */
export function openKubeApi(kubeconfig: string | undefined): KubeApi {
  const config = new KubeConfig();
  if (kubeconfig === undefined) config.loadFromCluster();
  else config.loadFromFile(kubeconfig);
  if (config.getCurrentCluster() === null)
    throw new Error('Cannot find the API server: the kubeconfig names no cluster');
  return new ClientNodeApi(config);
}

class ClientNodeApi implements KubeApi {
  readonly #config: KubeConfig;
  readonly #http = createConfiguration().httpApi;

  constructor(config: KubeConfig) {
    this.#config = config;
  }

  get(path: string, query: Query, signal?: AbortSignal): Promise<unknown> {
    return this.#send(HttpMethod.GET, path, { query, signal });
  }

  create(path: string, object: unknown, signal?: AbortSignal): Promise<unknown> {
    return this.#send(HttpMethod.POST, path, { body: object, signal });
  }

  replace(path: string, object: unknown, signal?: AbortSignal): Promise<unknown> {
    return this.#send(HttpMethod.PUT, path, { body: object, signal });
  }

  mergePatch(path: string, patch: unknown, signal?: AbortSignal): Promise<unknown> {
    return this.#send(HttpMethod.PATCH, path, { body: patch, contentType: 'application/merge-patch+json', signal });
  }

  apply(path: string, object: unknown, manager: string, signal?: AbortSignal): Promise<unknown> {
    // JSON is YAML.
    const contentType = 'application/apply-patch+yaml';
    return this.#send(HttpMethod.PATCH, path, { query: { fieldManager: manager }, body: object, contentType, signal });
  }

  async #send(
    method: HttpMethod,
    path: string,
    words: { query?: Query; body?: unknown; contentType?: string; signal?: AbortSignal | undefined },
  ): Promise<unknown> {
    const context = new RequestContext(`${this.#config.getCurrentCluster()?.server}${path}`, method);
    for (const [key, value] of Object.entries(words.query ?? {})) context.setQueryParam(key, `${value}`);
    context.setHeaderParam('Accept', 'application/json');
    if (words.body !== undefined) {
      context.setHeaderParam('Content-Type', words.contentType ?? 'application/json');
      context.setBody(JSON.stringify(words.body));
    }
    const limits = [AbortSignal.timeout(requestTimeout), ...(words.signal === undefined ? [] : [words.signal])];
    context.setSignal(AbortSignal.any(limits));
    let status = 0;
    let text = '';
    let headers: Readonly<Record<string, string>> = {};
    try {
      await this.#config.applySecurityAuthentication(context);
      const response = await this.#http.send(context).toPromise();
      status = response.httpStatusCode;
      headers = response.headers;
      text = await response.body.text();
      if (status >= 200 && status < 300) return JSON.parse(text);
    } catch (cause) {
      throw new KubeError(`Cannot ${method} ${path}: ${describeCause(cause)}`, 0, undefined, { cause });
    }
    const seconds = Number(headers['retry-after']);
    const message = `Cannot ${method} ${path}: ${status} ${readMessage(text)}`;
    throw new KubeError(message, status, seconds > 0 ? seconds * 1000 : undefined, { causes: readCauses(text) });
  }

  async watch(path: string, query: Query, onEvent: (event: WatchEvent) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const ended = Promise.withResolvers<void>();
    // The library swallows what callbacks throw, so that is kept and told at the end.
    const fail = (error: unknown) => ended.reject(error);
    const handle = (type: string, object: unknown) => {
      try {
        if (type === 'ERROR') throw toWatchError(path, object);
        if (isEventType(type)) onEvent({ type, object });
      } catch (error) {
        fail(error);
      }
    };
    const request = await new Watch(this.#config).watch(path, { ...query }, handle, (error: unknown) => {
      const isOver = error === null || error === undefined || signal.aborted;
      if (isOver || (error instanceof Error && error.name === 'TimeoutError')) ended.resolve();
      else fail(toTransportError(path, error));
    });
    const abort = () => request.abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      await ended.promise;
    } finally {
      signal.removeEventListener('abort', abort);
      request.abort();
    }
  }
}

function isEventType(type: string): type is WatchEvent['type'] {
  return type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED' || type === 'BOOKMARK';
}

/** An `ERROR` event carries a Status object. */
function toWatchError(path: string, object: unknown): KubeError {
  const { code, message } = isRecord(object) ? object : {};
  return new KubeError(
    `Watch of ${path} ended: ${typeof message === 'string' ? message : 'no reason given'}`,
    typeof code === 'number' ? code : 0,
  );
}

function toTransportError(path: string, error: unknown): KubeError {
  const status = isRecord(error) && typeof error.statusCode === 'number' ? error.statusCode : 0;
  return new KubeError(`Cannot watch ${path}: ${describeCause(error)}`, status, undefined, { cause: error });
}

function describeCause(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

/** Reasons of the causes in a Status object. */
function readCauses(text: string): readonly string[] {
  try {
    const status: unknown = JSON.parse(text);
    const details = isRecord(status) && isRecord(status.details) ? status.details : {};
    const causes = Array.isArray(details.causes) ? details.causes.filter(isRecord) : [];
    return causes.flatMap(({ reason }) => (typeof reason === 'string' ? [reason] : []));
  } catch {
    return [];
  }
}

function readMessage(text: string): string {
  try {
    const status: unknown = JSON.parse(text);
    if (isRecord(status) && typeof status.message === 'string') return status.message.slice(0, 500);
  } catch {
    // Proxies answer with pages of their own.
  }
  return text.slice(0, 200);
}
