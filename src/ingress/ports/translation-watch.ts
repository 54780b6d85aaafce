import { readIptables } from '../../base/firewall/iptables.ts';
import { readNftables } from '../../base/firewall/nftables.ts';
import type { Address } from '../../base/model/address.ts';
import type { PortKernel } from './kernel-api.ts';
import { findTranslatedPorts, TranslatedPorts } from './translated-ports.ts';

/** Milliseconds between two full readings although no change was seen: rules of iptables-legacy have no generation. */
const longest = 300_000;

/** Reading rules may take this share of the time: more for a new claim, which must not take a port that is in use. */
const shareOfTime = { usual: 0.02, claims: 0.5 } as const;

/** Translations of the node's ports by other programs, read again when the kernel's rules have changed. */
export class TranslationWatch {
  readonly #kernel: PortKernel;
  readonly #ownAddresses: () => readonly Address[];
  readonly #clock: () => number;
  #current = new TranslatedPorts();
  /** Generation of the rules that {@link #current} was read from, or that an own change led to. */
  #generation: number | undefined;
  #readAt: number | undefined;
  #cost = 0;

  /** @param clock milliseconds, monotonic */
  constructor(kernel: PortKernel, ownAddresses: () => readonly Address[], clock = () => performance.now()) {
    this.#kernel = kernel;
    this.#ownAddresses = ownAddresses;
    this.#clock = clock;
  }

  /** The ports as they were last read. */
  get current(): TranslatedPorts {
    return this.#current;
  }

  /**
   * Whether another program may have changed rules since {@link refresh}, and reading them again is due. Before
   * the first reading the answer is true.
   */
  isStale(isAboutClaims: boolean): boolean {
    if (this.#readAt === undefined) return true;
    const age = this.#clock() - this.#readAt;
    if (age < this.#cost / shareOfTime[isAboutClaims ? 'claims' : 'usual']) return false;
    return age > longest || this.#kernel.readGeneration() !== this.#generation;
  }

  /** Runs a change of our own rules, which is no reason to read those of others again. */
  during<T>(change: () => T): T {
    const isFresh = this.#readAt !== undefined && this.#kernel.readGeneration() === this.#generation;
    const result = change();
    if (isFresh) this.#generation = this.#kernel.readGeneration();
    return result;
  }

  /** Reads the rules. Resolves to whether the ports changed; rejects with an Error, and keeps the last ones. */
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
