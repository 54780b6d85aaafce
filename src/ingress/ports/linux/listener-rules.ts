import { isDeepStrictEqual } from 'node:util';
import { runNft } from '../../../base/linux/run-nft.ts';
import { compareTables, type NftDocument, removeTable, writeTable } from '../../../base/rules/nftables/document.ts';
import {
  compileListeners,
  type ListenerPorts,
  type ListenerTranslation,
  listenerTable,
} from '../rules/listener-table.ts';

/** The translation of listeners' ports in the kernel. Works in the network namespace of its first use. */
export class ListenerRules {
  readonly #agent: string;
  readonly #ports: ListenerPorts;
  readonly #isOwner: () => boolean;
  readonly #during: (change: () => void) => void;
  #installed: NftDocument | undefined;

  /**
   * @param isOwner whether this agent, and no other one of the node, applies ports
   * @param during runs a change of rules, so that the agent does not take it for a change of another program
   */
  constructor(
    agent: string,
    ports: ListenerPorts,
    isOwner: () => boolean = () => true,
    during: (change: () => void) => void = (change) => change(),
  ) {
    this.#during = during;
    this.#agent = agent;
    this.#ports = ports;
    this.#isOwner = isOwner;
  }

  /**
   * Applies translations in one transaction, if this agent is the owner. Throws KernelError; the previous ones then
   * stay active.
   */
  apply(translations: readonly ListenerTranslation[]): void {
    if (!this.#isOwner()) {
      // Another agent writes the table, which has to be replaced as a whole later.
      this.#installed = undefined;
      return;
    }
    const wanted = compileListeners(this.#agent, this.#ports, translations);
    const before = this.#installed;
    if (isDeepStrictEqual(before, wanted)) return;
    // The table of an earlier agent is replaced: established connections live in connection tracking.
    this.#installed = undefined;
    const input = before === undefined ? removeTable(wanted.table) + writeTable(wanted) : compareTables(before, wanted);
    this.#during(() => runNft(['-f', '-'], input));
    this.#installed = wanted;
  }

  /** Removes the table. Only for an agent that no other one of the node follows. Throws KernelError. */
  remove(): void {
    this.#installed = undefined;
    runNft(['-f', '-'], removeTable(listenerTable(this.#agent)));
  }
}
