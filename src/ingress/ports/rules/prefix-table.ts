import { type Address, addressBits, type Family, networkOf, type Prefix } from '../../../base/model/address.ts';

/** A set of networks for address lookups. A lookup takes one step per distinct prefix length. */
export class PrefixTable {
  /** Networks by family, then by prefix length. */
  readonly #networks: Readonly<Record<Family, Map<number, Set<string>>>> = { 4: new Map(), 6: new Map() };

  constructor(prefixes: Iterable<Prefix>) {
    for (const prefix of prefixes) {
      const lengths = this.#networks[prefix.address.family];
      const networks = lengths.get(prefix.length) ?? new Set();
      lengths.set(prefix.length, networks);
      networks.add(networkOf(prefix).address.text);
    }
  }

  has(address: Address): boolean {
    for (const [length, networks] of this.#networks[address.family]) {
      const network = length === addressBits(address.family) ? address : networkOf({ address, length }).address;
      if (networks.has(network.text)) return true;
    }
    return false;
  }
}
