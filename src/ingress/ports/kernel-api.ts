import type { Family } from '../../base/model/address.ts';
import type { Forwarding, IngressRules } from './model.ts';
import type { PortTraffic } from './traffic.ts';

/** Translations of others, as their tools print them. */
export interface ForeignNat {
  readonly nft: unknown;
  readonly saved: readonly { readonly family: Family; readonly text: string }[];
}

/** Puts open ports in force on the node: what the data plane of ports needs of the kernel. */
export interface PortKernel {
  /**
   * Makes exactly these rules be in force, all of them or, when it throws, none of the change. Finds
   * and takes over what an earlier agent of the same name left. Connections that the change does not
   * concern go on: those of an endpoint that is still there, even with weight 0, in any case.
   *
   * A port whose value is the very object of the last call has not changed.
   */
  apply(rules: IngressRules): void;
  /** As {@link apply}, for very many ports at a first time: other work of the process comes in between. */
  load(rules: IngressRules): Promise<void>;
  /**
   * Does what need not be done at once, such as forgetting connections that have no way any more.
   * Resolves to the milliseconds after which it wants to be called again, undefined where it need not
   * before the next change.
   */
  cleanUp(): Promise<number | undefined>;
  /** Lists other programs' tables on the forward path, as `nft -j` does; undefined if that fails. */
  listForeignTables(): Promise<unknown>;
  /** What others translate before routing: as {@link listForeignTables}, and what `iptables-save -t nat` prints. */
  listForeignNat(): Promise<ForeignNat>;
  /** A number that differs after every change of the node's rules; undefined where the kernel has none. */
  readGeneration(): number | undefined;
  /** Whether the node hands on packets that are not for itself. */
  readForwarding(): Forwarding;
  /** Traffic of each port, by `tcp 13306`. Rejects with an Error if it is unavailable. */
  readTraffic(): Promise<ReadonlyMap<string, PortTraffic>>;
  /**
   * Keeps the rules in force: without this, they expire after ten minutes. Until the first {@link apply}, keeps those
   * of an earlier agent. Throws where the rules are gone: they have to be applied again.
   */
  renew(): void;
  /** Takes away everything that {@link apply} made. */
  remove(): void;
}

/** A kernel that only remembers, for tests and for `--dry-run`. */
export class MemoryKernel implements PortKernel {
  /** What is in force; undefined: nothing is. */
  rules: IngressRules | undefined;
  /** How often rules were put in force. */
  applied = 0;
  /** Thrown by the next calls, as a kernel that refuses. */
  failure: Error | undefined;

  apply(rules: IngressRules): void {
    if (this.failure !== undefined) throw this.failure;
    this.rules = rules;
    this.applied++;
  }

  load(rules: IngressRules): Promise<void> {
    return Promise.resolve().then(() => this.apply(rules));
  }

  cleanUp(): Promise<number | undefined> {
    return Promise.resolve(undefined);
  }

  /** Told as others' tables. */
  foreign: unknown;

  listForeignTables(): Promise<unknown> {
    return Promise.resolve(this.foreign);
  }

  /** Told as others' translations. */
  foreignNat: ForeignNat = { nft: undefined, saved: [] };

  listForeignNat(): Promise<ForeignNat> {
    return Promise.resolve(this.foreignNat);
  }

  /** Told as the number of the rules. */
  generation = 0;

  readGeneration(): number {
    return this.generation;
  }

  /** Told as whether the node forwards. */
  forwarding: Forwarding = { 4: true, 6: true };

  readForwarding(): Forwarding {
    return this.forwarding;
  }

  /** Told as what went through ports. */
  traffic: ReadonlyMap<string, PortTraffic> = new Map();

  readTraffic(): Promise<ReadonlyMap<string, PortTraffic>> {
    return Promise.resolve(this.traffic);
  }

  /** How often rules were kept from expiring. */
  renewed = 0;

  renew(): void {
    if (this.failure !== undefined) throw this.failure;
    this.renewed++;
  }

  remove(): void {
    this.rules = undefined;
  }
}
