import type { WireAnswer } from './routers-api.ts';

/** Consecutive probes without an answer from a gateway after which the router is not ready. */
const mostMisses = 2;

/** Collects the problems that keep a router from being ready. */
export class Readiness {
  #kernel: readonly string[] | undefined;
  /** Consecutive unanswered probes by gateway. */
  readonly #misses = new Map<string, number>();
  #wasAsked = false;

  /** Whether the kernel was observed without problems. */
  get isSound(): boolean {
    return this.#kernel?.length === 0;
  }

  /** Records the problems observed in the kernel. */
  see(problems: readonly string[]): void {
    this.#kernel = problems;
  }

  /** Records which gateways answered. For a gateway that has never answered, one missed probe is enough. */
  hear(gateways: WireAnswer['gateways']): void {
    this.#wasAsked = true;
    for (const { address, answers } of gateways)
      this.#misses.set(address, answers ? 0 : (this.#misses.get(address) ?? mostMisses - 1) + 1);
  }

  /** Returns the problems: empty if the router is ready, undefined while its state is unknown. */
  list(link: string): readonly string[] | undefined {
    if (this.#kernel === undefined || !this.#wasAsked) return undefined;
    if (this.#kernel.length > 0) return this.#kernel;
    return [...this.#misses]
      .filter(([, misses]) => misses >= mostMisses)
      .map(
        ([gateway]) =>
          `the gateway ${gateway} does not answer on ${link}: check that it is up and on the network of ${link}'s master`,
      );
  }
}
