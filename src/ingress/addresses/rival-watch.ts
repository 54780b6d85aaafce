/** Milliseconds between two verifications of one address, and between two announcements against forged claims. */
const pause = 5000;

/**
 * Machines that claim an address held by this node. A claim may be forged, so it only starts a probe. If the
 * machine also answers the probe, it owns the address. Otherwise the address is announced once, so that clients that
 * believed the claim find this node again. There is no contest: at most one announcement in 5 s.
 */
export class RivalWatch {
  /** Claims, at most one per second and machine. */
  count = 0;
  readonly #lastCount = new Map<string, number>();
  readonly #nextCheck = new Map<string, number>();

  /** Number of machines and addresses that are remembered. */
  get size(): number {
    return this.#lastCount.size;
  }

  /** Records a claim. Returns whether the address must be probed now. */
  claimed(address: string, mac: string, now: number): boolean {
    const key = `${address} ${mac}`;
    if (now - (this.#lastCount.get(key) ?? Number.NEGATIVE_INFINITY) >= 1000) {
      // Forged hardware addresses must not fill the memory.
      if (this.#lastCount.size > 1000) this.#lastCount.clear();
      this.#lastCount.set(key, now);
      this.count++;
    }
    if (now < (this.#nextCheck.get(address) ?? Number.NEGATIVE_INFINITY)) return false;
    this.#nextCheck.set(address, now + pause);
    return true;
  }
}
