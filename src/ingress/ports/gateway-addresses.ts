import type { Address } from '../../base/model/address.ts';
import { readNodeAddresses } from '../gateway/addresses.ts';
import { maxGatewayAddresses, mergeNodeAddresses } from '../gateway/node-addresses.ts';
import type { Roster } from '../status/node-roster.ts';

/** Where the addresses of Gateways come from. */
export interface GatewayAddressParts {
  /** This node's name. */
  readonly node: string;
  /** Addresses that this node has for Gateways; absent: those by which clients reach it. */
  readonly fixed?: readonly Address[] | undefined;
  /** Addresses by which clients reach the node. */
  readonly nodeAddresses?: (() => readonly string[]) | undefined;
  /** The other ingress nodes; absent: none is known. */
  readonly roster?: Roster | undefined;
  /** Whether there is a Gateway. */
  readonly isNeeded: () => boolean;
}

/** The addresses that Gateways have: those of all ingress nodes. */
export class GatewayAddresses {
  readonly #parts: GatewayAddressParts;
  #own: readonly string[] = [];
  #current: readonly string[] = [];
  #announced: string | undefined;
  #isServing: boolean | undefined;

  constructor(parts: GatewayAddressParts) {
    this.#parts = parts;
  }

  /** Of all ingress nodes; another list when one changed. */
  get current(): readonly string[] {
    return this.#current;
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

  /** Reads the addresses of this node again, since a node gets and loses some. */
  refresh(): readonly string[] {
    this.#own = this.#readOwn();
    const { roster, node } = this.#parts;
    const next = mergeNodeAddresses(new Map([...(roster?.others ?? []), [node, this.#own]]));
    if (next.join() !== this.#current.join()) this.#current = next;
    return this.#current;
  }

  /** Reports to the other nodes whether this one serves what it was last asked for. */
  announce(isServing: boolean): void {
    this.#isServing = isServing;
    const announced = `${this.#parts.isNeeded()} ${isServing} ${this.#own.join()}`;
    if (announced === this.#announced) return;
    this.#announced = announced;
    this.#parts.roster?.request();
  }

  /** What the administrator should know; undefined: nothing. */
  get problem(): string | undefined {
    const { length } = this.#current;
    if (length <= maxGatewayAddresses || !this.#parts.isNeeded()) return undefined;
    return `the ingress nodes have ${length} addresses, and the status of a Gateway lists the first ${maxGatewayAddresses}, the limit of the API; choose addresses with --gateway-addresses`;
  }

  #readOwn(): readonly string[] {
    const { fixed, nodeAddresses } = this.#parts;
    return fixed?.map(({ text }) => text) ?? (nodeAddresses ?? readNodeAddresses)();
  }
}
