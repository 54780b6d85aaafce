import { readIptables } from '../../base/firewall/iptables.ts';
import { readNftables } from '../../base/firewall/nftables.ts';
import type { Address } from '../../base/model/address.ts';
import type { PortKernel } from './kernel-api.ts';
import { findTranslatedPorts, TranslatedPorts } from './translated-ports.ts';

/**
 * Maximum milliseconds between full reads without an observed change, because rules of iptables-legacy have no
 * generation.
 */
const longest = 300_000;

/** Maximum share of time for reading rules: larger for a new claim, which must not take a port that is in use. */
const shareOfTime = { usual: 0.02, claims: 0.5 } as const;

/** Translations of the node's ports by other programs, read again when the kernel's rules have changed. */
export class TranslationWatch {
  readonly #kernel: PortKernel;
  readonly #ownAddresses: () => readonly Address[];
  readonly #clock: () => number;
  #current = new TranslatedPorts();
  /** Generation of the rules of {@link #current}, or after our own last change. */
  #generation: number | undefined;
  #readAt: number | undefined;
  #cost = 0;

  /** @param clock monotonic milliseconds */
  constructor(kernel: PortKernel, ownAddresses: () => readonly Address[], clock = () => performance.now()) {
    this.#kernel = kernel;
    this.#ownAddresses = ownAddresses;
    this.#clock = clock;
  }

  /** The ports of the last read. */
  get current(): TranslatedPorts {
    return this.#current;
  }

  /**
   * Returns whether another program may have changed rules since {@link refresh}, and a read is due. True before the
   * first read.
   */
  isStale(isAboutClaims: boolean): boolean {
    if (this.#readAt === undefined) return true;
    const age = this.#clock() - this.#readAt;
    if (age < this.#cost / shareOfTime[isAboutClaims ? 'claims' : 'usual']) return false;
    return age > longest || this.#kernel.readGeneration() !== this.#generation;
  }

  /** Runs a change of our own rules, which does not require reading those of others again. */
  during<T>(change: () => T): T {
    const isFresh = this.#readAt !== undefined && this.#kernel.readGeneration() === this.#generation;
    const result = change();
    if (isFresh) this.#generation = this.#kernel.readGeneration();
    return result;
  }

  /** Reads the rules. Resolves to whether the ports changed. Rejects with an Error and keeps the last ones. */
  async refresh(): Promise<boolean> {
    const startedAt = this.#clock();
    const generation = this.#kernel.readGeneration();
    try {
      const { nft, saved } = await this.#kernel.listForeignNat();
      const tables = [
        ...readNftables(nft).tables,
        ...saved.flatMap(({ family, text }) => readIptables(text, family, 'iptables').tables),
      ];
      const next = findTranslatedPorts(tables, this.#ownAddresses());
      if (next.isSame(this.#current)) return false;
      this.#current = next;
      return true;
    } finally {
      this.#generation = generation;
      this.#readAt = this.#clock();
      this.#cost = this.#readAt - startedAt;
    }
  }
}
