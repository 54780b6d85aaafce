import { isRecord } from '../read/shape.ts';
import { type KubeApi, KubeError, versionOf } from './cluster-api.ts';

/** Identity and duration of a lease. */
export interface LeaseSettings {
  readonly namespace: string;
  readonly name: string;
  /** Identity of this process, unique among all candidates. */
  readonly holder: string;
  /** Seconds for which a lease is valid without renewal. Default: 15. */
  readonly duration?: number;
}

/**
 * Leader election with a Lease (coordination.k8s.io/v1) that is renewed every third of its duration. The age of
 * another holder's renewal is measured with the local clock only, because the clocks of nodes differ.
 */
export class KubeLease {
  readonly #api: KubeApi;
  readonly #settings: LeaseSettings;
  readonly #onChange: () => void;
  readonly #report: (problem: string | undefined) => void;
  readonly #duration: number;
  #timer: NodeJS.Timeout | undefined;
  #heldUntil = Number.NEGATIVE_INFINITY;
  #seen: { readonly renewal: string; readonly at: number } | undefined;
  #isClosed = false;

  /** @param onChange called when the lease is acquired */
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
    this.#duration = (settings.duration ?? 15) * 1000;
  }

  get isHeld(): boolean {
    return performance.now() < this.#heldUntil;
  }

  start(): void {
    void this.#turn();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #turn(): Promise<void> {
    const wasHeld = this.isHeld;
    const begun = performance.now();
    let pause = this.#duration / 3;
    try {
      // A half-open connection must not cost us the lease: the next request opens a new connection.
      if (await this.#acquire(AbortSignal.timeout(Math.ceil(this.#duration / 3)))) {
        // Measured from before the request, because the server's clock cannot have started later.
        this.#heldUntil = begun + (this.#duration * 2) / 3;
        if (!wasHeld) this.#onChange();
      }
      this.#report(undefined);
    } catch (error) {
      // Another candidate was faster (409), which is normal.
      const isRace = error instanceof KubeError && error.status === 409;
      if (wasHeld) pause = this.#duration / 15;
      this.#report(isRace ? undefined : error instanceof Error ? error.message : String(error));
    }
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#turn(), pause);
  }

  async #acquire(signal: AbortSignal): Promise<boolean> {
    const { namespace, name, holder } = this.#settings;
    const folder = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
    const lease = await this.#api.get(`${folder}/${name}`, {}, signal).catch((error: unknown) => {
      if (error instanceof KubeError && error.status === 404) return undefined;
      throw error;
    });
    if (lease === undefined) {
      await this.#api.create(folder, this.#write(undefined), signal);
      return true;
    }
    const spec = isRecord(lease) && isRecord(lease.spec) ? lease.spec : {};
    if (spec.holderIdentity !== holder && !this.#isStale(JSON.stringify([spec.holderIdentity, spec.renewTime])))
      return false;
    await this.#api.replace(`${folder}/${name}`, this.#write(versionOf(lease)), signal);
    return true;
  }

  /** Returns whether the Lease has not been renewed for its whole duration since this renewal was first observed. */
  #isStale(renewal: string): boolean {
    const now = performance.now();
    if (this.#seen?.renewal !== renewal) this.#seen = { renewal, at: now };
    return now - this.#seen.at >= this.#duration;
  }

  #write(resourceVersion: string | undefined): object {
    const { namespace, name, holder } = this.#settings;
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { namespace, name, ...(resourceVersion !== undefined && { resourceVersion }) },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: Math.ceil(this.#duration / 1000),
        // A MicroTime has six digits.
        renewTime: new Date().toISOString().replace('Z', '000Z'),
      },
    };
  }
}
