import { timing as defaultTiming, type Timing } from './timing.ts';

/**
 * When the lifetimes of addresses were last renewed. An address whose lifetime may have expired while this process was
 * stopped must not be renewed, because renewal would add it again while another node may already hold it.
 */
export class Lifetimes {
  readonly #renewed = new Map<string, number>();
  readonly #timing: Timing;

  constructor(timing: Timing = defaultTiming) {
    this.#timing = timing;
  }

  /** Records a renewal. `before` is the time before the system call, in milliseconds of a monotonic clock. */
  renewed(address: string, before: number): void {
    this.#renewed.set(address, before);
  }

  forget(address: string): void {
    this.#renewed.delete(address);
  }

  /** Whether an address may be renewed now. False for an unknown address. */
  isAlive(address: string, now: number): boolean {
    const at = this.#renewed.get(address);
    return at !== undefined && now - at < this.#timing.expired;
  }

  /**
   * Addresses to renew: all of them once one is due. The kernel looks for expired lifetimes at most once per second
   * (`ADDRCONF_TIMER_FUZZ_MAX`), so an address that was renewed a little later than another would expire a second later.
   */
  due(now: number): string[] {
    const isDue = [...this.#renewed.values()].some((at) => now - at >= this.#timing.renewal);
    return isDue ? [...this.#renewed.keys()] : [];
  }
}
