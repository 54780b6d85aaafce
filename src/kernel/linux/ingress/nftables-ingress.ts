import type { IngressPort, IngressRules } from '../../../model/ingress.ts';
import type { Protocol } from '../../../model/redirect.ts';
import { compileFrame, ingressMark } from '../../../rules/ingress/compile.ts';
import { selectStale } from '../../../rules/ingress/stale.ts';
import { IngressTable } from '../../../rules/ingress/table.ts';
import { removeTable, writeTable } from '../../../rules/nftables/document.ts';
import { forgetConnection, protocolNumbers, withConntrack } from '../connections.ts';
import { type Connection, listConnections } from '../netlink/conntrack.ts';
import { runTool } from '../rule-tools.ts';

/**
 * The open ports of this node, in the kernel: one nftables table that an update changes by what
 * changed, in one transaction. A new one of the same name takes over what an earlier left, with no
 * moment in between, and disturbs no connection: those live in connection tracking.
 */
export class NftablesIngress {
  readonly #name: string;
  #installed: { readonly table: IngressTable; readonly addresses: IngressRules['addresses'] } | undefined;

  /** `name` is the agent's: part of the table's name. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Puts the rules in force. Throws {@link KernelError}; then those before are still in force. */
  apply(rules: IngressRules): void {
    const installed = this.#installed;
    // What is kept runs ahead of the kernel until nft has said yes: a failure makes the next call start anew.
    this.#installed = undefined;
    if (installed === undefined || !isSameList(installed.addresses, rules.addresses)) {
      const table = new IngressTable(rules);
      const frame = compileFrame(rules);
      const { input } = table.update(rules.ports);
      runTool('nft', ['-f', '-'], removeTable(frame.table) + writeTable(frame) + input);
      this.#installed = { table, addresses: rules.addresses };
      forgetStale(undefined, rules.ports);
      return;
    }
    const { input, before, after } = installed.table.update(rules.ports);
    if (input !== '') runTool('nft', ['-f', '-'], input);
    this.#installed = installed;
    if (before.length + after.length > 0) forgetStale(before, after);
  }

  /** Takes everything away, also what an earlier one left. Throws {@link KernelError}. */
  remove(): void {
    runTool('nft', ['-f', '-'], removeTable(compileFrame({ name: this.#name, ports: [] }).table));
    this.#installed = undefined;
  }
}

function isSameList(one: IngressRules['addresses'], other: IngressRules['addresses']): boolean {
  const write = (list: IngressRules['addresses']): string | undefined => list?.map(({ text }) => text).join(' ');
  return write(one) === write(other);
}

const protocolsByNumber = new Map<number, Protocol>(
  Object.entries(protocolNumbers).map(([name, number]) => [number, name as Protocol]),
);

/** Forgets the connections that a change of these ports leaves without a way; `from` is unknown after a start. */
function forgetStale(from: readonly IngressPort[] | undefined, to: readonly IngressPort[]): void {
  const isStale = selectStale(from, to);
  withConntrack((conntrack) => {
    const ours = listConnections(conntrack, { value: ingressMark, mask: ingressMark });
    // Datagrams that came before their port had an endpoint carry no mark.
    const opened = opensDatagrams(from, to) ? listConnections(conntrack).filter((one) => !one.translated) : [];
    for (const connection of [...ours, ...opened]) {
      const protocol = protocolsByNumber.get(connection.protocol);
      if (protocol !== undefined && isStale(describeConnection(protocol, connection)))
        forgetConnection(conntrack, connection);
    }
  });
}

function describeConnection(protocol: Protocol, connection: Connection): Parameters<ReturnType<typeof selectStale>>[0] {
  const { address, port } = connection.answeredBy;
  return {
    protocol,
    port: connection.destinationPort,
    established: connection.assured,
    ...(connection.translated ? { endpoint: `${address.text} ${port}` } : {}),
  };
}

function opensDatagrams(from: readonly IngressPort[] | undefined, to: readonly IngressPort[]): boolean {
  const served = (ports: readonly IngressPort[] | undefined): string[] =>
    (ports ?? [])
      .filter(({ protocol, endpoints }) => protocol !== 'tcp' && endpoints.length > 0)
      .map(({ protocol, port }) => `${protocol} ${port}`);
  const before = new Set(served(from));
  return served(to).some((one) => !before.has(one));
}
