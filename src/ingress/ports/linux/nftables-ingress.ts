import { readUnfilteredBridges, type UnfilteredBridges } from '../../../base/linux/bridges.ts';
import { KernelError } from '../../../base/linux/kernel-error.ts';
import { ElementSocket } from '../../../base/linux/netlink/nftables.ts';
import { NetlinkError } from '../../../base/linux/netlink/socket.ts';
import { readRuleGeneration } from '../../../base/linux/rule-generation.ts';
import { runNft } from '../../../base/linux/run-nft.ts';
import { formatRange } from '../../../base/model/address-range.ts';
import { removeTable } from '../../../base/rules/nftables/document.ts';
import type { NftElement } from '../../../base/rules/nftables/element.ts';
import type { Forwarding, IngressPort, IngressRules } from '../model.ts';
import { families } from '../rules/families.ts';
import {
  extendTable,
  hasPlaced,
  hasPlaces,
  hasVirtual,
  ingressTableName,
  renewTable,
  replacePlaces,
  type Side,
  sides,
} from '../rules/frame.ts';
import { type ListedTable, StateTable, stateTableName } from '../rules/state-table.ts';
import { IngressTable } from '../rules/table.ts';
import type { PortTraffic } from '../traffic.ts';
import { ConntrackCleanup } from './conntrack-cleanup.ts';
import { listForeignNatTables, listForeignTables, type SavedRules, saveForeignNat } from './foreign-rules.ts';
import { readForwarding } from './forwarding.ts';
import { parseListedTable } from './listed-table.ts';
import { cutIntoParts, endOfSlice, estimateRoom } from './steps.ts';
import { readTraffic } from './traffic.ts';

/** Settings of the open ports. */
export interface NftablesIngressSettings {
  /** Name of the agent, part of the table's name. */
  readonly name: string;
  /** Milliseconds that an established connection to a removed endpoint may continue. */
  readonly drainTime: number;
  /** Whether clients that are removed from an allow-list lose their connections. */
  readonly isStrict?: boolean;
}

interface Installed {
  readonly table: IngressTable;
  readonly side: Side;
  readonly addresses: IngressRules['addresses'];
  /** Addresses in the tables with ports of their own. */
  readonly virtual: IngressRules['virtual'];
  readonly placed: IngressRules['placed'];
  readonly ports: readonly IngressPort[];
  readonly state: StateTable;
}

/**
 * The open ports of this node in the kernel: one nftables table. An update changes only what differs, in one
 * transaction. A new agent of the same name takes over the table of its predecessor without a gap and without
 * affecting connections, which live in connection tracking.
 *
 * Works in the network namespace of its first use.
 */
export class NftablesIngress {
  readonly #settings: NftablesIngressSettings;
  #installed: Installed | undefined;
  #elements: ElementSocket | undefined;
  #conntrack: ConntrackCleanup | undefined;
  /** Elements of the bridge sets in the active table, in nft's syntax. */
  #bridges = '';
  #bridgesReadAt = Number.NEGATIVE_INFINITY;

  constructor(settings: NftablesIngressSettings) {
    this.#settings = settings;
  }

  /** Applies the rules. Throws {@link KernelError}; the previous rules then stay active. */
  apply(rules: IngressRules): void {
    const installed = this.#installed;
    // The stored state is ahead of the kernel until the kernel confirms: after a failure the next call starts from
    // scratch.
    this.#installed = undefined;
    if (installed === undefined || !hasSameFrame(installed, rules)) {
      this.#installed = this.#install(rules, installed?.side);
    } else {
      this.#replacePlaces(installed, rules);
      const { structure, gone, come, isEmpty, isTooLarge } = installed.table.update(rules.ports);
      if (isTooLarge) {
        this.#installed = this.#install(rules, installed.side);
        return;
      }
      const limits = installed.state.update(rules.ports);
      if (structure + limits.structure !== '') runNft(['-f', '-'], structure + limits.structure);
      // Limits are installed before the port that they apply to.
      this.#change(stateTableName(this.#settings.name), limits.gone, limits.come);
      if (!isEmpty) this.#change(ingressTableName(this.#settings.name, installed.side), gone, come);
      this.#installed = { ...installed, virtual: rules.virtual, placed: rules.placed, ports: rules.ports };
      this.#updateBridges();
    }
  }

  /** Returns the traffic of each port, by `tcp 13306`. Rejects with an Error if it cannot be read. */
  async readTraffic(): Promise<ReadonlyMap<string, PortTraffic>> {
    const { name } = this.#settings;
    if (this.#installed === undefined) return new Map();
    const ports = ingressTableName(name, this.#installed.side);
    return readTraffic({ ports, state: stateTableName(name), hasPlaces: hasPlaces(this.#installed) });
  }

  /**
   * Performs deferred work: deletes connections without an endpoint, and tidies the table. Returns the milliseconds
   * until the next call, or undefined if it can wait for the next change. Rejects with {@link KernelError}; the next
   * {@link apply} then rebuilds the table if necessary.
   */
  async cleanUp(): Promise<number | undefined> {
    const { ports, table, virtual } = this.#installed ?? {};
    if (ports === undefined || table === undefined) return undefined;
    try {
      this.#conntrack ??= new ConntrackCleanup(this.#settings);
      this.#tidy(table);
      this.#updateBridges();
      return await this.#conntrack.run(ports, virtual);
    } catch (error) {
      // A socket in the middle of a reply cannot be used again.
      this.#conntrack?.close();
      this.#conntrack = undefined;
      throw asKernelError('delete connections without an endpoint', error);
    }
  }

  stopCleanUp(): void {
    this.#conntrack?.stop();
  }

  /** Lists other programs' tables on the forward path, as `nft -j` does. Undefined if that fails. */
  listForeignTables(): Promise<unknown> {
    return listForeignTables();
  }

  /** Returns whether the node forwards packets. */
  readForwarding(): Forwarding {
    return readForwarding();
  }

  readGeneration(): number | undefined {
    return readRuleGeneration();
  }

  /**
   * Returns translations of other programs before routing: tables of nftables in the format of `nft -j`, and rules of
   * iptables.
   */
  async listForeignNat(): Promise<{ readonly nft: unknown; readonly saved: readonly SavedRules[] }> {
    return { nft: await listForeignNatTables(), saved: await saveForeignNat() };
  }

  /**
   * Renews the rules for ten more minutes: the applied ones, or those of an earlier agent until new ones are applied.
   * Throws {@link KernelError} if the applied rules are gone.
   */
  renew(): void {
    const state = `inet ${stateTableName(this.#settings.name)}`;
    const installed = this.#installed;
    if (installed !== undefined) {
      // The next change restores rules that another program removed.
      this.#installed = undefined;
      runNft(['-f', '-'], renewTable(this.#nameOf(installed.side)) + renewTable(state));
      this.#installed = installed;
      return;
    }
    for (const table of [...sides.map((side) => this.#nameOf(side)), state]) {
      try {
        runNft(['-f', '-'], extendTable(table));
      } catch {
        // The table does not exist or has expired. Stale rules stay inactive.
      }
    }
  }

  /** Removes everything, including the rules of earlier agents. Throws {@link KernelError}. */
  remove(): void {
    const tables = [...sides.map((side) => this.#nameOf(side)), `inet ${stateTableName(this.#settings.name)}`];
    runNft(['-f', '-'], tables.map(removeTable).join(''));
    this.forget();
  }

  /** Forgets what was applied, because another agent may change it. */
  forget(): void {
    this.#installed = undefined;
    this.#elements?.close();
    this.#conntrack?.close();
    this.#elements = undefined;
    this.#conntrack = undefined;
  }

  /** Pools of virtual addresses, and requests for own addresses of nodes, change rarely, so this starts `nft`. */
  #replacePlaces({ side, virtual, placed }: Installed, rules: IngressRules): void {
    const isSame = virtual === rules.virtual || writeRanges(virtual) === writeRanges(rules.virtual);
    if (isSame && isSameList(placed, rules.placed)) return;
    const state = `inet ${stateTableName(this.#settings.name)}`;
    runNft(['-f', '-'], replacePlaces(this.#nameOf(side), rules) + replacePlaces(state, rules));
  }

  #tidy(table: IngressTable): void {
    const installed = this.#installed;
    this.#installed = undefined;
    const tidied = table.tidy();
    if (tidied !== '') runNft(['-f', '-'], tidied);
    this.#installed = installed;
  }

  #nameOf(side: Side): string {
    return `inet ${ingressTableName(this.#settings.name, side)}`;
  }

  /**
   * Like {@link apply}, for very many ports if none are known to be applied: the table is filled in slices, so that
   * other work of the process runs in between. Rejects with {@link KernelError}.
   */
  async load(rules: IngressRules): Promise<void> {
    const known = this.#installed?.side;
    // With a known state, the cost depends only on the change.
    if (this.#installed !== undefined && hasSameFrame(this.#installed, rules)) return this.apply(rules);
    this.#installed = undefined;
    const steps = this.#installInSteps(rules, known);
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done === true) {
        this.#installed = step.value;
        return;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #install(rules: IngressRules, known: Side | undefined): Installed {
    const steps = this.#installInSteps(rules, known);
    for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value;
  }

  /**
   * Fills a table next to the active one, if any, and replaces it. The replacement is one transaction; filling is
   * not, because a transaction with very many ports would take very long.
   */
  *#installInSteps(rules: IngressRules, known: Side | undefined): Generator<void, Installed> {
    const before = known ?? this.#findSide();
    const side = before === 'a' ? 'b' : 'a';
    const table = new IngressTable(rules, side, estimateRoom(rules.ports));
    const old = before === undefined ? '' : removeTable(this.#nameOf(before));
    runNft(['-f', '-'], removeTable(this.#nameOf(side)) + table.writeFrame());
    let state: StateTable;
    try {
      for (let end = 0; end < rules.ports.length; ) {
        end = endOfSlice(rules.ports, end);
        const { structure, gone, come } = table.update(rules.ports.slice(0, end));
        if (structure !== '') runNft(['-f', '-'], structure);
        for (const part of cutIntoParts(come)) {
          this.#change(ingressTableName(this.#settings.name, side), part === undefined ? gone : [], part ?? []);
          yield;
        }
      }
      // Limits are active before the ports that they apply to.
      state = this.#installState(rules);
      const bridges = this.#writeBridges();
      runNft(['-f', '-'], fillBridges(this.#nameOf(side), bridges) + table.writeBases() + old);
      this.#bridges = JSON.stringify(bridges);
    } catch (error) {
      runNft(['-f', '-'], removeTable(this.#nameOf(side)));
      throw error;
    }
    const { addresses, virtual, placed, ports } = rules;
    return { table, side, addresses, virtual, placed, ports, state };
  }

  /** Takes over the table of counters and limits, or creates it if none is compatible. */
  #installState(rules: IngressRules): StateTable {
    const name = stateTableName(this.#settings.name);
    const known = new StateTable(rules);
    const listed = this.#listTable(name);
    try {
      runNft(['-f', '-'], known.install(rules.ports, listed));
      return known;
    } catch (error) {
      // The table of another release may be incompatible; then limits and counters start again.
      if (listed === undefined) throw error;
      const state = new StateTable(rules);
      runNft(['-f', '-'], removeTable(`inet ${name}`) + state.install(rules.ports, undefined));
      return state;
    }
  }

  #listTable(name: string): ListedTable | undefined {
    const tables = runNft(['list', 'chains', 'inet']);
    if (!tables.includes(`table inet ${name} {`)) return undefined;
    return parseListedTable(runNft(['-t', 'list', 'table', 'inet', name]));
  }

  #writeBridges(): UnfilteredBridges {
    this.#bridgesReadAt = performance.now();
    return readUnfilteredBridges();
  }

  /** Updates the set of bridges at most once per second: a node gets its first bridge with its first pod. */
  #updateBridges(): void {
    const installed = this.#installed;
    if (installed === undefined || performance.now() - this.#bridgesReadAt < 1000) return;
    const bridges = this.#writeBridges();
    const text = JSON.stringify(bridges);
    if (text === this.#bridges) return;
    const table = this.#nameOf(installed.side);
    const flushes = families.map((family) => `flush set ${table} bridged${family}\n`).join('');
    runNft(['-f', '-'], flushes + fillBridges(table, bridges));
    this.#bridges = text;
  }

  /** Returns the active table of an earlier agent with this name. */
  #findSide(): Side | undefined {
    // Lists only chains: for a list of tables nft reads all their elements, which takes many seconds.
    const tables = runNft(['list', 'chains', 'inet']).split(/^(?=table )/m);
    // A table that was being filled when its agent was killed has no base chain yet.
    return sides.find((side) =>
      tables.some((text) => text.startsWith(`table ${this.#nameOf(side)} {`) && text.includes(' hook ')),
    );
  }

  #change(table: string, gone: Iterable<NftElement>, come: Iterable<NftElement>): void {
    try {
      this.#elements ??= new ElementSocket();
      this.#elements.change(table, gone, come);
    } catch (error) {
      throw asKernelError('change the open ports', error);
    }
  }
}

function asKernelError(action: string, error: unknown): KernelError {
  if (error instanceof KernelError) return error;
  const kind = error instanceof NetlinkError ? 'refused' : 'io';
  return new KernelError(kind, `Cannot ${action}: ${(error as Error).message}`, { cause: error });
}

/** Returns whether tables need no other rules than for ports: the same addresses, and the same rules about addresses. */
function hasSameFrame(one: Pick<Installed, 'addresses' | 'virtual' | 'placed'>, other: IngressRules): boolean {
  const hasSamePlaces = hasVirtual(one) === hasVirtual(other) && hasPlaced(one) === hasPlaced(other);
  return hasSamePlaces && isSameList(one.addresses, other.addresses);
}

function writeRanges(virtual: IngressRules['virtual']): string | undefined {
  return virtual?.map(formatRange).join();
}

function isSameList(one: IngressRules['addresses'], other: IngressRules['addresses']): boolean {
  const write = (list: IngressRules['addresses']): string | undefined => list?.map(({ text }) => text).join(' ');
  return write(one) === write(other);
}

/** Renders the bridges for `nft -f -`. */
function fillBridges(table: string, bridges: UnfilteredBridges): string {
  return families
    .filter((family) => bridges[family].length > 0)
    .map((family) => {
      const elements = bridges[family].map((name) => `"${name}" . "${name}"`);
      return `add element ${table} bridged${family} { ${elements.join(', ')} }\n`;
    })
    .join('');
}
