import { isRecord } from '../read/shape.ts';

/** A failed request to the API server. */
export class KubeError extends Error {
  /** HTTP status, or the code of a watch's `ERROR` event. 0 if there was no answer. */
  readonly status: number;
  /** Milliseconds that the server asked to wait (`Retry-After`). */
  readonly retryAfter: number | undefined;
  /** Reasons of the causes in the server's Status (`Status.details.causes`), such as `FieldManagerConflict`. */
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

/** Query parameters of a request. */
export type Query = Readonly<Record<string, string | number | boolean>>;

/** One event of a watch, as received. */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: unknown;
}

/** Options of a deletion (meta/v1 DeleteOptions). */
export interface DeleteOptions {
  /** Deletes only the object with this UID, not a later one of the same name. */
  readonly uid?: string;
  /** Grace period in seconds. 0 deletes the pod at once, which is necessary if its node cannot confirm its end. */
  readonly graceSeconds?: number;
}

/** The requests that this project sends to an API server. Paths look like `/apis/route.openshift.io/v1/routes`. */
export interface KubeApi {
  /**
   * Reads an object or one page of a list. Throws a {@link KubeError}.
   *
   * @param longest maximum length of the answer in characters; default none
   */
  get(path: string, query: Query, signal?: AbortSignal, longest?: number): Promise<unknown>;
  /** Creates an object. Throws a {@link KubeError}: 409 if it exists. */
  create(path: string, object: unknown, signal?: AbortSignal): Promise<unknown>;
  /** Replaces an object. Throws a {@link KubeError}: 409 if `metadata.resourceVersion` is outdated. */
  replace(path: string, object: unknown, signal?: AbortSignal): Promise<unknown>;
  /** Applies a merge patch (RFC 7396). Throws a {@link KubeError}: 409 as for `replace`. */
  mergePatch(path: string, patch: unknown, signal?: AbortSignal): Promise<unknown>;
  /**
   * As {@link mergePatch}, but elements of lists that have a key, such as the conditions of a pod, are merged by it
   * (strategic merge patch; not for custom resources). Throws a {@link KubeError}.
   */
  strategicPatch(path: string, patch: unknown, signal?: AbortSignal): Promise<unknown>;
  /**
   * Applies an object server-side without force. Throws a {@link KubeError}: 409 with the cause
   * `FieldManagerConflict` if other managers own a field with another value; the message names them.
   */
  apply(path: string, object: unknown, manager: string, signal?: AbortSignal): Promise<unknown>;
  /** Deletes an object. Throws a {@link KubeError}: 409 if its UID differs from the one in `options`. */
  remove(path: string, options: DeleteOptions, signal?: AbortSignal): Promise<unknown>;
  /**
   * Passes events to `onEvent` until the server ends the watch, the connection is silent for too long, or `signal`
   * aborts; then resolves. Throws a {@link KubeError}: 410 if the resource version is too old.
   */
  watch(path: string, query: Query, onEvent: (event: WatchEvent) => void, signal: AbortSignal): Promise<void>;
}

/** Returns `metadata.resourceVersion` of an object or a list. */
export function versionOf(object: unknown): string | undefined {
  const version = isRecord(object) && isRecord(object.metadata) ? object.metadata.resourceVersion : undefined;
  return typeof version === 'string' && version !== '' ? version : undefined;
}
