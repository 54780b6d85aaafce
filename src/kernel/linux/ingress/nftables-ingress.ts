import type { IngressPort, IngressRules } from '../../../model/ingress.ts';
import { ingressTableName, type Side, sides } from '../../../rules/ingress/frame.ts';
import { IngressTable } from '../../../rules/ingress/table.ts';
import { removeTable } from '../../../rules/nftables/document.ts';
import type { NftElement } from '../../../rules/nftables/element.ts';
import { KernelError } from '../../port.ts';
import { ElementSocket } from '../netlink/nftables.ts';
import { NetlinkError } from '../netlink/socket.ts';
import { runTool } from '../rule-tools.ts';
import { ConntrackCleanup } from './conntrack-cleanup.ts';
import { listForeignTables } from './foreign-rules.ts';

/** How the open ports are kept. */
export interface NftablesIngressSettings {
  /** The agent's name: part of the table's name. */
  readonly name: string;
  /** Milliseconds that an established connection may go on when its endpoint is gone. */
  readonly drainTime: number;
}

interface Installed {
  readonly table: IngressTable;
  readonly side: Side;
  readonly addresses: IngressRules['addresses'];
  readonly ports: readonly IngressPort[];
}

/**
 * The open ports of this node, in the kernel: one nftables table that an update changes by what
 * changed, in one transaction. A new one of the same name takes over what an earlier left, with no
 * moment in between, and disturbs no connection: those live in connection tracking.
 *
 * Works in the network namespace in which it is first used.
 */
export class NftablesIngress {
  readonly #settings: NftablesIngressSettings;
  #installed: Installed | undefined;
  #elements: ElementSocket | undefined;
  #conntrack: ConntrackCleanup | undefined;

  constructor(settings: NftablesIngressSettings) {
    this.#settings = settings;
  }

  /** Puts the rules in force. Throws {@link KernelError}; then those before are still in force. */
  apply(rules: IngressRules): void {
    const installed = this.#installed;
    // What is kept runs ahead of the kernel until that has said yes: a failure makes the next call start anew.
    this.#installed = undefined;
    if (installed === undefined || !isSameList(installed.addresses, rules.addresses)) {
      this.#installed = this.#install(rules, installed?.side);
    } else {
      const { structure, gone, come, isEmpty, isTooLarge } = installed.table.update(rules.ports);
      if (isTooLarge) {
        this.#installed = this.#install(rules, installed.side);
        return;
      }
      if (structure !== '') runTool('nft', ['-f', '-'], structure);
      if (!isEmpty) this.#change(installed.side, gone, come);
      this.#installed = { ...installed, ports: rules.ports };
    }
  }

  /**
   * Does what need not be done at once: forgets connections that have no way any more, and tidies the
   * table. Returns the milliseconds after which it wants to be called again;
   * undefined where it need not before the next change. Rejects with {@link KernelError}; the
   * next {@link apply} then rebuilds the table if need be.
   */
  async cleanUp(): Promise<number | undefined> {
    const { ports, table } = this.#installed ?? {};
    if (ports === undefined || table === undefined) return undefined;
    try {
      this.#conntrack ??= new ConntrackCleanup(this.#settings.drainTime);
      this.#tidy(table);
      return await this.#conntrack.run(ports);
    } catch (error) {
      // A socket in the middle of an answer is of no use any more.
      this.#conntrack?.close();
      this.#conntrack = undefined;
      throw asKernelError('forget connections that have no endpoint', error);
    }
  }

  /** What `nft -j` lists of others' tables that forwarded packets pass; undefined where that cannot be told. */
  listForeignTables(): Promise<unknown> {
    return listForeignTables();
  }

  /** Takes everything away, also what an earlier one left. Throws {@link KernelError}. */
  remove(): void {
    runTool('nft', ['-f', '-'], sides.map((side) => removeTable(this.#nameOf(side))).join(''));
    this.#installed = undefined;
    this.#elements?.close();
    this.#conntrack?.close();
    this.#elements = undefined;
    this.#conntrack = undefined;
  }

  #tidy(table: IngressTable): void {
    const installed = this.#installed;
    this.#installed = undefined;
    const tidied = table.tidy();
    if (tidied !== '') runTool('nft', ['-f', '-'], tidied);
    this.#installed = installed;
  }

  #nameOf(side: Side): string {
    return `inet ${ingressTableName(this.#settings.name, side)}`;
  }

  /**
   * Fills a table beside the one in force, if any, and puts it in its place. Filling is not one
   * transaction, since that of very many ports would be very long; taking the place is.
   */
  #install(rules: IngressRules, known: Side | undefined): Installed {
    const before = known ?? this.#findSide();
    const side = before === 'a' ? 'b' : 'a';
    const table = new IngressTable(rules, side);
    const { structure, come } = table.update(rules.ports);
    const old = before === undefined ? '' : removeTable(this.#nameOf(before));
    runTool('nft', ['-f', '-'], removeTable(this.#nameOf(side)) + table.writeFrame() + structure);
    try {
      this.#change(side, [], come);
      runTool('nft', ['-f', '-'], table.writeBases() + old);
    } catch (error) {
      runTool('nft', ['-f', '-'], removeTable(this.#nameOf(side)));
      throw error;
    }
    return { table, side, addresses: rules.addresses, ports: rules.ports };
  }

  /** Which table an earlier agent of the name left in force. */
  #findSide(): Side | undefined {
    // Chains alone: to list tables, nft reads all their elements, which takes it many seconds.
    const tables = runTool('nft', ['list', 'chains', 'inet']).split(/^(?=table )/m);
    // One that was being filled when its agent died has no base chain yet.
    return sides.find((side) =>
      tables.some((text) => text.startsWith(`table ${this.#nameOf(side)} {`) && text.includes(' hook ')),
    );
  }

  #change(side: Side, gone: Iterable<NftElement>, come: Iterable<NftElement>): void {
    try {
      this.#elements ??= new ElementSocket();
      this.#elements.change(ingressTableName(this.#settings.name, side), gone, come);
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

function isSameList(one: IngressRules['addresses'], other: IngressRules['addresses']): boolean {
  const write = (list: IngressRules['addresses']): string | undefined => list?.map(({ text }) => text).join(' ');
  return write(one) === write(other);
}
