import { existsSync } from 'node:fs';
import { pause } from '../../../base/daemon/pause.ts';
import { type KubeApi, KubeError, versionOf } from '../../../base/kubernetes/cluster-api.ts';
import type { Leadership } from '../../../base/kubernetes/leadership.ts';
import { reflect } from '../../../base/kubernetes/reflector.ts';
import { isRecord } from '../../../base/read/shape.ts';
import { type HeartbeatKey, type KeyRing, readRing, rotateKeys, rotationTimes, writeRing } from './key-rotation.ts';

/** Keys of the heartbeats. */
export interface KeySource {
  /** @param onKeys called with the keys, first and after every change */
  start(onKeys: (keys: readonly HeartbeatKey[]) => void): void;
  close(): void;
}

/** The Secret with the keys, which exists: agents may not create Secrets. */
export interface KeySettings {
  readonly namespace: string;
  readonly name: string;
  /** Milliseconds. */
  readonly times?: { readonly period: number; readonly overlap: number; readonly check: number };
}

const dataKey = 'keys.json';
const defaultTimes = { ...rotationTimes, check: 60_000 } as const;

/** The keys in a Secret. The leader of the agents creates and rotates them. */
export class SecretKeys implements KeySource {
  readonly #api: KubeApi;
  readonly #settings: KeySettings;
  readonly #leadership: Leadership;
  readonly #report: (problem: string | undefined) => void;
  readonly #end = new AbortController();
  #secret: unknown;
  #ring: KeyRing | undefined;

  constructor(
    api: KubeApi,
    settings: KeySettings,
    leadership: Leadership,
    report: (problem: string | undefined) => void,
  ) {
    this.#api = api;
    this.#settings = settings;
    this.#leadership = leadership;
    this.#report = report;
  }

  start(onKeys: (keys: readonly HeartbeatKey[]) => void): void {
    const { namespace, name } = this.#settings;
    const follow = (secret: unknown): void => {
      this.#secret = secret;
      const ring = readSecret(secret);
      const isSame = ring !== undefined && JSON.stringify(ring.keys) === JSON.stringify(this.#ring?.keys);
      this.#ring = ring;
      this.#report(
        secret === undefined ? `Secret ${namespace}/${name} does not exist; create it without data` : undefined,
      );
      // Without the Secret, the known keys stay in use.
      if (ring !== undefined && !isSame) onKeys(ring.keys);
    };
    void reflect(
      this.#api,
      `/api/v1/namespaces/${namespace}/secrets`,
      {
        replace: ([secret]) => follow(secret),
        put: follow,
        remove: () => follow(undefined),
        absent: () => undefined,
        report: (problem) => {
          if (problem !== undefined) this.#report(`cannot read Secret ${namespace}/${name}: ${problem}`);
        },
      },
      this.#end.signal,
      undefined,
      undefined,
      { fieldSelector: `metadata.name=${name}` },
    );
    void this.#rotate(follow);
  }

  close(): void {
    this.#end.abort();
  }

  /** Never rejects. */
  async #rotate(follow: (secret: unknown) => void): Promise<void> {
    const { namespace, name, times = defaultTimes } = this.#settings;
    const { signal } = this.#end;
    while (!signal.aborted) {
      const secret = this.#secret;
      const next =
        secret !== undefined && this.#leadership.isHeld ? rotateKeys(this.#ring, Date.now(), times) : undefined;
      if (next !== undefined) {
        const data = { [dataKey]: Buffer.from(writeRing(next)).toString('base64') };
        // Sent with the observed version, so that two leaders cannot create two rings.
        const patch = { metadata: { resourceVersion: versionOf(secret) }, data };
        try {
          follow(await this.#api.mergePatch(`/api/v1/namespaces/${namespace}/secrets/${name}`, patch, signal));
        } catch (error) {
          if (signal.aborted) return;
          const isConflict = error instanceof KubeError && error.status === 409;
          if (!isConflict) this.#report(`cannot write Secret ${namespace}/${name}: ${(error as Error).message}`);
        }
      }
      // This agent creates the first keys as soon as it leads.
      await pause(this.#ring === undefined ? Math.min(1000, times.check) : times.check, signal);
    }
  }
}

/** Keys from a file that the administrator copies to every node. A single node creates its own. */
export class FileKeys implements KeySource {
  readonly #path: string;
  readonly #isAlone: boolean;
  readonly #report: (problem: string | undefined) => void;

  /** @param isAlone whether this node is the only member, so that it can create the keys */
  constructor(path: string, isAlone: boolean, report: (problem: string | undefined) => void) {
    this.#path = path;
    this.#isAlone = isAlone;
    this.#report = report;
  }

  start(onKeys: (keys: readonly HeartbeatKey[]) => void): void {
    if (existsSync(this.#path)) return;
    const ring = rotateKeys(undefined, Date.now());
    if (this.#isAlone && ring !== undefined) onKeys(ring.keys);
    else this.#report(`${this.#path} does not exist; write the same keys to this file on every node, with mode 0600`);
  }

  close(): void {}
}

function readSecret(secret: unknown): KeyRing | undefined {
  const data = isRecord(secret) && isRecord(secret.data) ? secret.data : {};
  const written = data[dataKey];
  return typeof written === 'string' ? readRing(Buffer.from(written, 'base64').toString()) : undefined;
}
