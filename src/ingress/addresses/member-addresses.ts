import { parseAddress } from '../../base/model/address.ts';
import type { PeerLink } from './peer-report.ts';

/** Hardware addresses of members. Keeps those of dead members, because their kernels may still answer probes. */
export class MemberAddresses {
  readonly #links = new Map<string, readonly PeerLink[]>();
  #macs: ReadonlySet<string> = new Set();

  /** Replaces the addresses of a member. Ignores those that are not in canonical form. */
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
