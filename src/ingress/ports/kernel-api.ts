import type { Family } from '../../base/model/address.ts';
import type { Forwarding, IngressRules } from './model.ts';
import type { PortTraffic } from './traffic.ts';

/** Translations of other programs, as printed by their tools. */
export interface ForeignNat {
  readonly nft: unknown;
  readonly saved: readonly { readonly family: Family; readonly text: string }[];
}

/** The kernel interface of the port data plane: applies open ports on the node. */
export interface PortKernel {
  /**
   * Applies exactly these rules: all of them or, if it throws, none of the change. Takes over the rules of an earlier
   * agent of the same name. Connections that the change does not affect continue; those of an existing endpoint
   * always do, even with weight 0.
   *
   * A port whose value is the same object as in the last call has not changed.
   */
  apply(rules: IngressRules): void;
  /** Like {@link apply}, for very many ports at the first time: other work of the process runs in between. */
  load(rules: IngressRules): Promise<void>;
  /**
   * Performs deferred work, such as deleting connections without an endpoint. Resolves to the milliseconds until the
   * next call, or undefined if it can wait for the next change.
   */
  cleanUp(): Promise<number | undefined>;
  /** Lets a running {@link cleanUp} resolve soon, with its work undone. */
  stopCleanUp(): void;
  /** Lists other programs' tables on the forward path, as `nft -j` does. Undefined if that fails. */
  listForeignTables(): Promise<unknown>;
  /**
   * Returns translations of other programs before routing: like {@link listForeignTables}, and the output of
   * `iptables-save -t nat`.
   */
  listForeignNat(): Promise<ForeignNat>;
  /** Returns a number that differs after every change of the node's rules, or undefined if the kernel has none. */
  readGeneration(): number | undefined;
  /** Returns whether the node forwards packets. */
  readForwarding(): Forwarding;
  /** Traffic of each port, by `tcp 13306`. Rejects with an Error if it is unavailable. */
  readTraffic(): Promise<ReadonlyMap<string, PortTraffic>>;
  /**
   * Keeps the rules active; without renewal, they expire after ten minutes. Until the first {@link apply}, it renews
   * the rules of an earlier agent. Throws if the rules are gone and must be applied again.
   */
  renew(): void;
  /** Forgets what was applied, because another agent may change it: the next {@link apply} starts from scratch. */
  forget(): void;
  /** Removes everything that {@link apply} created. */
  remove(): void;
}

/** A kernel that only stores the rules, for tests and for `--dry-run`. */
export class MemoryKernel implements PortKernel {
  /** The applied rules, if any. */
  rules: IngressRules | undefined;
  /** Number of applied changes. */
  applied = 0;
  /** Thrown by the next calls, to simulate a kernel that rejects changes. */
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

  stopCleanUp(): void {}

  /** Returned as tables of other programs. */
  foreign: unknown;

  listForeignTables(): Promise<unknown> {
    return Promise.resolve(this.foreign);
  }

  /** Returned as translations of other programs. */
  foreignNat: ForeignNat = { nft: undefined, saved: [] };

  listForeignNat(): Promise<ForeignNat> {
    return Promise.resolve(this.foreignNat);
  }

  /** Returned as the generation of the rules. */
  generation = 0;

  readGeneration(): number {
    return this.generation;
  }

  /** Returned as the forwarding state. */
  forwarding: Forwarding = { 4: true, 6: true };

  readForwarding(): Forwarding {
    return this.forwarding;
  }

  /** Returned as the traffic of ports. */
  traffic: ReadonlyMap<string, PortTraffic> = new Map();

  readTraffic(): Promise<ReadonlyMap<string, PortTraffic>> {
    return Promise.resolve(this.traffic);
  }

  /** How many times the rules were renewed. */
  renewed = 0;

  renew(): void {
    if (this.failure !== undefined) throw this.failure;
    this.renewed++;
  }

  forget(): void {}

  remove(): void {
    this.rules = undefined;
  }
}
