import { pause } from '../../base/daemon/pause.ts';
import { type KubeApi, KubeError } from '../../base/kubernetes/cluster-api.ts';
import { Limit } from '../../base/kubernetes/limit.ts';
import { reflect } from '../../base/kubernetes/reflector.ts';
import { isRecord } from '../../base/read/shape.ts';
import type { Inventory } from '../objects/inventory.ts';
import { parseSecret } from '../objects/secret.ts';
import type { SecretState } from './certificate-book.ts';

/** Secrets that Routes refer to. */
export interface Secrets {
  /** @param onChange called with the key of a Secret when {@link get} returns another value for it */
  start(onChange: (key: string) => void): void;
  /** Sets the keys (`NAMESPACE/NAME`) of all required Secrets. Other Secrets are forgotten. */
  want(keys: ReadonlySet<string>): void;
  get(key: string): SecretState;
  /** Resolves when each required Secret was read or has failed, or after a timeout in milliseconds. */
  settle(timeout: number): Promise<void>;
  close(): void;
}

/** Secrets from manifests, readable by the author of the manifests. */
export class InventorySecrets implements Secrets {
  readonly #inventory: Inventory;
  readonly #seen = new Set<string>();

  constructor(inventory: Inventory) {
    this.#inventory = inventory;
  }

  start(): void {
    // The inventory reports changes.
  }

  want(): void {
    // All existing Secrets are known.
  }

  get(key: string): SecretState {
    const secret = this.#inventory.get('Secret', key);
    if (secret === undefined) return { state: this.#seen.has(key) ? 'deleted' : 'missing' };
    this.#seen.add(key);
    return { state: 'found', secret };
  }

  async settle(): Promise<void> {
    // There is nothing to wait for.
  }

  close(): void {
    // Nothing is followed.
  }
}

interface Followed {
  readonly key: string;
  state: SecretState;
  readonly end: AbortController;
}

/** Interval between reviews of the permission to read a Secret, in milliseconds. */
const reviewInterval = 10_000;

/**
 * Secrets of a cluster, each followed separately and only if the router may read it. An administrator of the
 * namespace grants this with a Role for that Secret, so the router's own rights never serve a key that its owner did
 * not share.
 */
export class ClusterSecrets implements Secrets {
  readonly #api: KubeApi;
  readonly #reviewInterval: number;
  readonly #followed = new Map<string, Followed>();
  #onChange: (key: string) => void = () => undefined;
  #waiters: (() => void)[] = [];
  /** Number of followed Secrets that are not read yet. */
  #waiting = 0;

  /** @param reviewTime interval between reviews of the permission to read a Secret, in milliseconds */
  constructor(api: KubeApi, reviewTime = reviewInterval) {
    this.#api = api;
    this.#reviewInterval = reviewTime;
  }

  start(onChange: (key: string) => void): void {
    this.#onChange = onChange;
  }

  want(keys: ReadonlySet<string>): void {
    for (const [key, { state, end }] of this.#followed) {
      if (keys.has(key)) continue;
      end.abort();
      this.#followed.delete(key);
      if (state.state === 'waiting') this.#waiting--;
    }
    for (const key of keys) {
      if (this.#followed.has(key)) continue;
      const followed: Followed = { key, state: { state: 'waiting' }, end: new AbortController() };
      this.#followed.set(key, followed);
      this.#waiting++;
      void this.#follow(key, followed);
    }
  }

  get(key: string): SecretState {
    return this.#followed.get(key)?.state ?? { state: 'waiting' };
  }

  async settle(timeout: number): Promise<void> {
    if (this.#isSettled) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeout);
      this.#waiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  close(): void {
    for (const { end } of this.#followed.values()) end.abort();
    this.#followed.clear();
    this.#waiting = 0;
  }

  get #isSettled(): boolean {
    return this.#waiting === 0;
  }

  #set(followed: Followed, state: SecretState): void {
    if (followed.end.signal.aborted) return;
    const isSame = followed.state.state === state.state && state.state !== 'found';
    if (followed.state.state === 'waiting' && state.state !== 'waiting') this.#waiting--;
    followed.state = state;
    if (!isSame) this.#onChange(followed.key);
    if (!this.#isSettled) return;
    for (const wake of this.#waiters.splice(0)) wake();
  }

  /** Never rejects. */
  async #follow(key: string, followed: Followed): Promise<void> {
    const [namespace = '', name = ''] = key.split('/');
    const { signal } = followed.end;
    while (!signal.aborted) {
      const mayRead = await this.#mayRead(namespace, name, signal);
      if (mayRead !== true) {
        // An unreachable API server has not revoked any permission, so the last content stays in use.
        if (mayRead === false) this.#set(followed, { state: 'forbidden' });
        await pause(this.#reviewInterval, signal);
        continue;
      }
      const lost = new Limit(undefined, signal);
      await reflect(
        this.#api,
        `/api/v1/namespaces/${namespace}/secrets`,
        {
          replace: ([object]) => this.#set(followed, object === undefined ? gone(followed) : read(object)),
          put: (object) => this.#set(followed, read(object)),
          remove: () => this.#set(followed, { state: 'deleted' }),
          absent: () => this.#set(followed, gone(followed)),
          report: (_, status) => {
            // The permission may have been revoked: check again.
            if (status === 403) lost.endIn(this.#reviewInterval);
          },
        },
        lost.signal,
        undefined,
        undefined,
        { fieldSelector: `metadata.name=${name}` },
      );
      lost.close();
    }
  }

  /** Returns undefined if the API server does not answer. */
  async #mayRead(namespace: string, name: string, signal: AbortSignal): Promise<boolean | undefined> {
    try {
      const answers = await Promise.all(
        ['get', 'list', 'watch'].map(async (verb) => {
          const review = {
            apiVersion: 'authorization.k8s.io/v1',
            kind: 'SelfSubjectAccessReview',
            spec: { resourceAttributes: { namespace, name, verb, version: 'v1', resource: 'secrets' } },
          };
          const answer = await this.#api.create(
            '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
            review,
            signal,
          );
          return isRecord(answer) && isRecord(answer.status) && answer.status.allowed === true;
        }),
      );
      return answers.every((allowed) => allowed);
    } catch (error) {
      if (error instanceof KubeError) return error.status === 403 ? false : undefined;
      throw error;
    }
  }
}

function gone({ state }: Followed): SecretState {
  return { state: state.state === 'found' || state.state === 'deleted' ? 'deleted' : 'missing' };
}

function read(object: unknown): SecretState {
  const parsed = parseSecret(object);
  return parsed.ok ? { state: 'found', secret: parsed.value } : { state: 'missing' };
}
