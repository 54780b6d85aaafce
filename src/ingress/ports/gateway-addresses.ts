import { type Address, parseAddress } from '../../base/model/address.ts';
import { readNodeAddresses } from '../gateway/addresses.ts';
import { maxGatewayAddresses, mergeNodeAddresses } from '../gateway/node-addresses.ts';
import type { Roster } from '../status/node-roster.ts';

/** Sources of the addresses of Gateways. */
export interface GatewayAddressParts {
  /** Name of this node. */
  readonly node: string;
  /** Addresses of this node for Gateways. Absent: those by which clients reach it. */
  readonly fixed?: readonly Address[] | undefined;
  /** Addresses by which clients reach the node. */
  readonly nodeAddresses?: (() => readonly string[]) | undefined;
  /** The other ingress nodes. Absent: none is known. */
  readonly roster?: Roster | undefined;
  /** Whether an address belongs to a pool. Such an address is on the node that holds it, but not of that node. */
  readonly isVirtual: (address: Address) => boolean;
  /** Whether there is a Gateway. */
  readonly isNeeded: () => boolean;
}

/** The addresses of Gateways: those of all ingress nodes. */
export class GatewayAddresses {
  readonly #parts: GatewayAddressParts;
  #own: readonly string[] = [];
  #current: readonly string[] = [];
  #announced: string | undefined;
  #isServing: boolean | undefined;

  constructor(parts: GatewayAddressParts) {
    this.#parts = parts;
  }

  /** Addresses of all ingress nodes. A new list after every change. */
  get current(): readonly string[] {
    return this.#current;
  }

  /** Addresses of this node at the last {@link refresh}. A new list after every change. */
  get own(): readonly string[] {
    return this.#own;
  }

  /** @param onChange called when {@link refresh} would return another list */
  start(onChange: () => void): void {
    this.#parts.roster?.start(() => {
      if (!this.#parts.isNeeded()) return undefined;
      const own = this.#readOwn();
      if (own.join() !== this.#own.join()) onChange();
      return this.#isServing === undefined ? undefined : this.#isServing ? own : [];
    }, onChange);
  }

  /** Reads the addresses of this node again, because they may change. */
  refresh(): readonly string[] {
    const own = this.#readOwn();
    if (own.join() !== this.#own.join()) this.#own = own;
    const { roster, node } = this.#parts;
    const next = mergeNodeAddresses(new Map([...(roster?.others ?? []), [node, this.#own]]));
    if (next.join() !== this.#current.join()) this.#current = next;
    return this.#current;
  }

  /** Reports to the other nodes whether this one serves the requested addresses. */
  announce(isServing: boolean): void {
    this.#isServing = isServing;
    const announced = `${this.#parts.isNeeded()} ${isServing} ${this.#own.join()}`;
    if (announced === this.#announced) return;
    this.#announced = announced;
    this.#parts.roster?.request();
  }

  /** What the administrator should know. Undefined: nothing. */
  get problem(): string | undefined {
    const { length } = this.#current;
    if (length <= maxGatewayAddresses || !this.#parts.isNeeded()) return undefined;
    return `the ingress nodes have ${length} addresses, and the status of a Gateway lists the first ${maxGatewayAddresses}, the limit of the API; choose addresses with --gateway-addresses`;
  }

  #readOwn(): readonly string[] {
    const { fixed, nodeAddresses } = this.#parts;
    if (fixed !== undefined) return fixed.map(({ text }) => text);
    return (nodeAddresses ?? readNodeAddresses)().filter((text) => {
      const address = parseAddress(text);
      return address === undefined || !this.#parts.isVirtual(address);
    });
  }
}
