import type { WireAnswer } from './routers-api.ts';

/** Questions in a row that a gateway leaves unanswered until the router is not ready. */
const mostMisses = 2;

/** What keeps one router from being ready, as far as the daemon has seen. */
export class Readiness {
  #kernel: readonly string[] | undefined;
  /** Questions in a row that a gateway left unanswered. */
  readonly #misses = new Map<string, number>();
  #wasAsked = false;

  /** Notes what the kernel shows. */
  see(problems: readonly string[]): void {
    this.#kernel = problems;
  }

  /** Notes which gateways answered. One that never did counts as silent at once. */
  hear(gateways: WireAnswer['gateways']): void {
    this.#wasAsked = true;
    for (const { address, answers } of gateways)
      this.#misses.set(address, answers ? 0 : (this.#misses.get(address) ?? mostMisses - 1) + 1);
  }

  /** Returns the problems; empty if the router is ready, undefined while that is not known. */
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
