import { parseAddress } from '../../base/model/address.ts';
import type { PeerLink } from './peer-report.ts';

/** Hardware addresses of members. Those of a dead member are kept, because its kernel may still answer probes. */
export class MemberAddresses {
  readonly #links = new Map<string, readonly PeerLink[]>();
  #macs: ReadonlySet<string> = new Set();

  /** Replaces what is known of a member. Addresses that are not in canonical form are ignored. */
  learn(node: string, links: readonly PeerLink[]): void {
    const valid = links.map(({ mac, addresses }) => ({
      mac,
      addresses: addresses.filter((text) => parseAddress(text)?.text === text),
    }));
    this.#links.set(node, valid);
    this.#macs = new Set([...this.#links.values()].flat().map(({ mac }) => mac));
  }

  isMember(mac: string): boolean {
    return this.#macs.has(mac);
  }

  list(): PeerLink[] {
    return [...this.#links.keys()].sort().flatMap((node) => this.#links.get(node) ?? []);
  }
}
