import { isRecord } from '../read/shape.ts';

/** How a request to the API server failed. */
export class KubeError extends Error {
  /** HTTP's status, also of an `ERROR` event of a watch; 0 when there was no answer. */
  readonly status: number;
  /** Milliseconds that the server asks to wait (`Retry-After`). */
  readonly retryAfter: number | undefined;
  /** Reasons of the causes that the server names (`Status.details.causes`), such as `FieldManagerConflict`. */
  readonly causes: readonly string[];

  constructor(
    message: string,
    status: number,
    retryAfter?: number,
    options?: ErrorOptions & { readonly causes?: readonly string[] },
  ) {
    super(message, options);
    this.status = status;
    this.retryAfter = retryAfter;
    this.causes = options?.causes ?? [];
  }
}

/** Parameters of a request's query. */
export type Query = Readonly<Record<string, string | number | boolean>>;

/** One event of a watch, as the server sent it. */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: unknown;
}

/** How an object is deleted (meta/v1 DeleteOptions). */
export interface DeleteOptions {
  /** Only the object of this UID: another of its name stays. */
  readonly uid?: string;
  /** Grace period in seconds; 0 removes the pod at once, because its node cannot confirm its end. */
  readonly graceSeconds?: number;
}

/** What is needed of an API server. Paths are such as `/apis/route.openshift.io/v1/routes`. */
export interface KubeApi {
  /** Reads an object or one page of a list. Throws a {@link KubeError}. */
  get(path: string, query: Query, signal?: AbortSignal): Promise<unknown>;
  /** Creates an object. Throws a {@link KubeError}; 409 when there is one. */
  create(path: string, object: unknown, signal?: AbortSignal): Promise<unknown>;
  /** Replaces an object. Throws a {@link KubeError}; 409 when `metadata.resourceVersion` is not the newest. */
  replace(path: string, object: unknown, signal?: AbortSignal): Promise<unknown>;
  /** Changes what `patch` names (RFC 7396). Throws a {@link KubeError}; 409 as for `replace`. */
  mergePatch(path: string, patch: unknown, signal?: AbortSignal): Promise<unknown>;
  /**
   * As {@link mergePatch}, but elements of lists that have a key, such as the conditions of a pod, are merged by it
   * (strategic merge patch; not for custom resources). Throws a {@link KubeError}.
   */
  strategicPatch(path: string, patch: unknown, signal?: AbortSignal): Promise<unknown>;
  /**
   * Makes an object be as given, by server-side apply; what others set stays. Throws a {@link KubeError}:
   * 409 with the cause `FieldManagerConflict` where others set a field otherwise, with their names.
   */
  apply(path: string, object: unknown, manager: string, signal?: AbortSignal): Promise<unknown>;
  /**
   * Deletes an object. Throws a {@link KubeError}: 409 when it is not the one that `options` means.
   *
   * @param options of meta/v1 DeleteOptions
   */
  remove(path: string, options: DeleteOptions, signal?: AbortSignal): Promise<unknown>;
  /**
   * Tells events until the server ends the watch, the connection is silent for too long, or `signal`;
   * then resolves. Throws a {@link KubeError}: 410 when the resource version is too old.
   */
  watch(path: string, query: Query, onEvent: (event: WatchEvent) => void, signal: AbortSignal): Promise<void>;
}

/** `metadata.resourceVersion` of an object or a list. */
export function versionOf(object: unknown): string | undefined {
  const version = isRecord(object) && isRecord(object.metadata) ? object.metadata.resourceVersion : undefined;
  return typeof version === 'string' && version !== '' ? version : undefined;
}
