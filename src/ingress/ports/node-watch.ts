import { networkInterfaces } from 'node:os';
import { readIptables } from '../../base/firewall/iptables.ts';
import { readNftables } from '../../base/firewall/nftables.ts';
import { type Address, type Family, parseAddress } from '../../base/model/address.ts';
import { describeFirewall } from './firewall.ts';
import { describeForeignDnat, type ForeignDnat, findForeignDnat } from './foreign-dnat.ts';
import { describeUnforwarded, listUnforwarded } from './forwarding.ts';
import type { PortKernel } from './kernel-api.ts';
import type { IngressPort } from './model.ts';

/** What a {@link NodeWatch} looks at. */
export interface NodeWatchParts {
  readonly kernel: PortKernel;
  readonly ownAddresses?: () => readonly Address[];
}

/** What of the node around the agent keeps connections from endpoints, or takes them. */
export class NodeWatch {
  readonly #parts: NodeWatchParts;
  readonly #report: (place: string, problem: string | undefined) => void;
  #unforwarded: readonly Family[] = [];
  #dnat: ReadonlyMap<string, ForeignDnat> = new Map();

  /** @param report tells the node's administrator what is wrong at a place, or that nothing is any more */
  constructor(parts: NodeWatchParts, report: (place: string, problem: string | undefined) => void) {
    this.#parts = parts;
    this.#report = report;
  }

  /** Why connections to endpoints do not arrive; undefined where they do. */
  get unreadiness(): string | undefined {
    return describeUnforwarded(this.#unforwarded);
  }

  /** Whether rules of others translate connections to a port, `tcp 13306`, too. */
  isTranslated(key: string): boolean {
    return this.#dnat.has(key);
  }

  /** Looks whether what these ports need is forwarded. Returns whether anything changed. */
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

  /** Looks at rules of others. Resolves to whether anything changed that authors should know; never rejects. */
  async lookAtRules(ports: readonly IngressPort[]): Promise<boolean> {
    try {
      const { kernel } = this.#parts;
      const listing = await kernel.listForeignTables();
      if (listing !== undefined) this.#report('firewall', describeFirewall(readNftables(listing).tables, ports));
      const { nft, saved } = await kernel.listForeignNat();
      const tables = [
        ...readNftables(nft).tables,
        ...saved.flatMap(({ family, text }) => readIptables(text, family, 'iptables').tables),
      ];
      const before = [...this.#dnat.keys()].join();
      this.#dnat = findForeignDnat(tables, ports, this.#ownAddresses());
      this.#report('translations', describeForeignDnat(this.#dnat));
      return before !== [...this.#dnat.keys()].join();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#report('firewall', `rules of others cannot be listed: ${message}`);
      return false;
    }
  }

  #ownAddresses(): readonly Address[] {
    return (this.#parts.ownAddresses ?? readOwnAddresses)();
  }
}

function readOwnAddresses(): readonly Address[] {
  return Object.values(networkInterfaces()).flatMap((list) =>
    // Those of the loopback interface, too: balancers and routing daemons put the node's addresses there.
    (list ?? []).flatMap(({ address }) => parseAddress(address) ?? []),
  );
}
