import { readNftables } from '../../base/firewall/nftables.ts';
import type { Address, Family } from '../../base/model/address.ts';
import { readOwnAddresses } from '../backends/own-addresses.ts';
import { describeFirewall } from './firewall.ts';
import { describeUnforwarded, listUnforwarded } from './forwarding.ts';
import type { PortKernel } from './kernel-api.ts';
import type { IngressPort } from './model.ts';
import { TranslationWatch } from './translation-watch.ts';

/** Dependencies of a {@link NodeWatch}. */
export interface NodeWatchParts {
  readonly kernel: PortKernel;
  readonly ownAddresses?: () => readonly Address[];
  /** Addresses that clients connect to. Absent: all of the node's. */
  readonly servedAddresses?: readonly Address[];
}

/** Watches the node for settings and rules that block or divert connections to endpoints. */
export class NodeWatch {
  readonly #parts: NodeWatchParts;
  readonly #report: (place: string, problem: string | undefined) => void;
  #unforwarded: readonly Family[] = [];
  /** Ports that rules of other programs translate. */
  readonly translations: TranslationWatch;

  /** @param report reports a problem at a place to the node's administrator, or that it is solved */
  constructor(parts: NodeWatchParts, report: (place: string, problem: string | undefined) => void) {
    this.#parts = parts;
    this.translations = new TranslationWatch(parts.kernel, () => parts.servedAddresses ?? this.#ownAddresses());
    this.#report = report;
  }

  /** Why connections do not reach endpoints. Undefined if they do. */
  get unreadiness(): string | undefined {
    return describeUnforwarded(this.#unforwarded);
  }

  /** Checks that what these ports need is forwarded. Returns whether anything changed. */
  lookAtForwarding(ports: readonly IngressPort[]): boolean {
    const forwarding = this.#parts.kernel.readForwarding();
    const isAllOn = forwarding[4] && forwarding[6];
    const own = isAllOn ? new Set<string>() : new Set(this.#ownAddresses().map(({ text }) => text));
    const next = isAllOn ? [] : listUnforwarded(ports, forwarding, own);
    if (next.join() === this.#unforwarded.join()) return false;
    this.#unforwarded = next;
    this.#report('forwarding', this.unreadiness);
    return true;
  }

  /** Reads rules of other programs that may drop connections to these ports, and reports them. Never rejects. */
  async lookAtRules(ports: readonly IngressPort[]): Promise<void> {
    try {
      const listing = await this.#parts.kernel.listForeignTables();
      if (listing !== undefined) this.#report('firewall', describeFirewall(readNftables(listing).tables, ports));
    } catch (error) {
      this.#report('firewall', `Failed to list the rules of other programs: ${messageOf(error)}`);
    }
  }

  /** Reads the translations of other programs. Resolves to whether they changed; never rejects. */
  async lookAtTranslations(): Promise<boolean> {
    try {
      const isNew = await this.translations.refresh();
      this.#report('translations', undefined);
      return isNew;
    } catch (error) {
      this.#report('translations', `Failed to list the translations of other programs: ${messageOf(error)}`);
      return false;
    }
  }

  #ownAddresses(): readonly Address[] {
    return (this.#parts.ownAddresses ?? readOwnAddresses)();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
