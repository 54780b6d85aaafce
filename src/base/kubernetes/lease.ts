import { isRecord } from '../read/shape.ts';
import { type KubeApi, KubeError, versionOf } from './cluster-api.ts';
import type { Leadership } from './leadership.ts';
import { LeaseTerm } from './lease-term.ts';
import { within } from './limit.ts';

/** Names of a Lease, its holder, and how long it lasts. */
export interface LeaseSettings {
  readonly namespace: string;
  readonly name: string;
  /** Identity of this process; no two processes have the same. */
  readonly holder: string;
  /** Seconds for which a lease holds without renewal; 15 by default. */
  readonly duration?: number;
}

/** Milliseconds in which a Lease is released when the process ends. */
const releaseTime = 1000;

/**
 * Elects one of several processes by a Lease (coordination.k8s.io/v1). The holder renews it four times in its
 * duration, and stops acting three quarters of it after the start of its last successful renewal. Others take over
 * when they have not seen a renewal for the whole duration that the holder wrote. All times are monotonic and of one
 * process, because clocks of nodes differ and jump.
 */
export class KubeLease implements Leadership {
  readonly #api: KubeApi;
  readonly #settings: LeaseSettings;
  readonly #onChange: () => void;
  readonly #report: (problem: string | undefined) => void;
  readonly #term: LeaseTerm;
  readonly #end = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #heldUntil = Number.NEGATIVE_INFINITY;
  /** The Lease as this process wrote it, as long as nothing says that it is another now. */
  #own: unknown;
  /** The newest version of another's Lease, and when it was first seen. */
  #seen: { readonly version: unknown; readonly at: number } | undefined;
  /** When another's Lease ends, unless it is renewed. */
  #endsAt: number | undefined;

  /** @param onChange called when this process becomes the holder */
  constructor(
    api: KubeApi,
    settings: LeaseSettings,
    onChange: () => void,
    report: (problem: string | undefined) => void,
  ) {
    this.#api = api;
    this.#settings = settings;
    this.#onChange = onChange;
    this.#report = report;
    this.#term = new LeaseTerm((settings.duration ?? 15) * 1000);
  }

  get isHeld(): boolean {
    return this.remaining > 0;
  }

  /** Milliseconds for which this process may still act without another renewal. */
  get remaining(): number {
    return this.#heldUntil - performance.now();
  }

  start(): void {
    void this.#turn();
  }

  /** Stops renewing; the Lease ends by itself. */
  close(): void {
    this.#end.abort();
    clearTimeout(this.#timer);
  }

  /** Stops acting at once, and lets another process take over without waiting. Never rejects. */
  async release(): Promise<void> {
    const wasHeld = this.isHeld;
    this.#heldUntil = Number.NEGATIVE_INFINITY;
    this.close();
    const own = this.#own;
    if (!wasHeld || own === undefined) return;
    const write = (signal: AbortSignal) => this.#api.replace(this.#path, this.#compose(own, ''), signal);
    // Where that fails, the Lease ends by itself.
    await within(releaseTime, new AbortController().signal, write).catch(() => undefined);
  }

  get #folder(): string {
    return `/apis/coordination.k8s.io/v1/namespaces/${this.#settings.namespace}/leases`;
  }

  get #path(): string {
    return `${this.#folder}/${this.#settings.name}`;
  }

  async #turn(): Promise<void> {
    const begun = performance.now();
    let { interval } = this.#term;
    this.#endsAt = undefined;
    try {
      await this.#acquire();
      this.#report(undefined);
    } catch (error) {
      this.#own = undefined;
      // Another candidate was faster (409), which is expected.
      const isRace = error instanceof KubeError && error.status === 409;
      if (this.isHeld) interval = this.#term.retry;
      if (!this.#end.signal.aborted) this.#report(isRace ? undefined : String((error as Error).message ?? error));
    }
    if (this.#end.signal.aborted) return;
    const now = performance.now();
    const next = Math.min(begun + interval, this.#endsAt ?? Number.POSITIVE_INFINITY);
    // Never in a circle: a request may take longer than the interval. Timers may be early by a millisecond.
    this.#timer = setTimeout(() => void this.#turn(), Math.max(this.#term.retry, next - now + 1));
  }

  async #acquire(): Promise<void> {
    if (this.#own !== undefined && (await this.#renew(this.#own))) return;
    const lease = await this.#request((signal) => this.#api.get(this.#path, {}, signal)).catch((error: unknown) => {
      if (error instanceof KubeError && error.status === 404) return undefined;
      throw error;
    });
    if (lease === undefined) await this.#write((body, signal) => this.#api.create(this.#folder, body, signal), {});
    else if (this.#isFree(lease)) await this.#replace(lease);
  }

  /** Renews without reading first, which would double the time of a renewal; false where another wrote meanwhile. */
  async #renew(own: unknown): Promise<boolean> {
    try {
      await this.#replace(own);
      return true;
    } catch (error) {
      if (!(error instanceof KubeError) || (error.status !== 409 && error.status !== 404)) throw error;
      this.#own = undefined;
      return false;
    }
  }

  #replace(lease: unknown): Promise<void> {
    return this.#write((body, signal) => this.#api.replace(this.#path, body, signal), lease);
  }

  async #write(send: (body: object, signal: AbortSignal) => Promise<unknown>, before: unknown): Promise<void> {
    const begun = performance.now();
    const until = begun + this.#term.acting;
    // If only the answer is lost, others already wait for the term of this request.
    this.#heldUntil = Math.min(this.#heldUntil, until);
    const body = this.#compose(before, this.#settings.holder);
    this.#own = await this.#request((signal) => send(body, signal));
    // Asked now, not before the request: whatever was due while the old term had ended was not done.
    const wasHeld = this.isHeld;
    if (this.#end.signal.aborted) return;
    // Counted from before the request: the terms of others start later.
    this.#heldUntil = until;
    if (!wasHeld && this.isHeld) this.#onChange();
  }

  /** A connection whose server died silently must not cost the Lease: the request after the limit makes a new one. */
  async #request<T>(send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const begun = performance.now();
    try {
      return await within(this.#term.limit, this.#end.signal, send);
    } finally {
      this.#term.note(performance.now() - begun);
    }
  }

  /** Whether a Lease is ours, was released, or was not renewed for its whole duration since it was first seen so. */
  #isFree(lease: unknown): boolean {
    const spec = isRecord(lease) && isRecord(lease.spec) ? lease.spec : {};
    const { holderIdentity, leaseDurationSeconds, renewTime } = spec;
    if (holderIdentity === this.#settings.holder || (holderIdentity ?? '') === '') return true;
    const version = versionOf(lease) ?? JSON.stringify([holderIdentity, renewTime]);
    const now = performance.now();
    if (this.#seen?.version !== version) this.#seen = { version, at: now };
    // The holder may have longer terms than this process, as that of another version has.
    const seconds = typeof leaseDurationSeconds === 'number' ? leaseDurationSeconds : 0;
    this.#endsAt = this.#seen.at + Math.max(this.#term.base, seconds * 1000);
    return now >= this.#endsAt;
  }

  #compose(before: unknown, holder: string): object {
    const { namespace, name } = this.#settings;
    const metadata = isRecord(before) && isRecord(before.metadata) ? before.metadata : {};
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      // With its version, so that two processes cannot take it at once.
      metadata: { ...metadata, namespace, name },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: this.#term.seconds,
        // MicroTime has six digits.
        renewTime: new Date().toISOString().replace('Z', '000Z'),
      },
    };
  }
}
