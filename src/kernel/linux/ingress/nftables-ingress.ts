import type { IngressRules } from '../../../model/ingress.ts';
import type { Protocol } from '../../../model/redirect.ts';
import { compileIngress, ingressMark } from '../../../rules/ingress/compile.ts';
import { selectStale } from '../../../rules/ingress/stale.ts';
import { compareDocuments } from '../../../rules/nftables/difference.ts';
import { type NftDocument, removeTable } from '../../../rules/nftables/document.ts';
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
  #installed: { readonly rules: IngressRules; readonly document: NftDocument } | undefined;

  /** `name` is the agent's: part of the table's name. */
  constructor(name: string) {
    this.#name = name;
  }

  /** Puts the rules in force. Throws {@link KernelError}; then those before are still in force. */
  apply(rules: IngressRules): void {
    const document = compileIngress(rules);
    const before = this.#installed;
    const input =
      before === undefined
        ? removeTable(document.table) + compareDocuments(undefined, document)
        : compareDocuments(before.document, document);
    if (input !== '') runTool('nft', ['-f', '-'], input);
    this.#installed = { rules, document };
    forgetStale(before?.rules, rules);
  }

  /** Takes everything away, also what an earlier one left. Throws {@link KernelError}. */
  remove(): void {
    runTool('nft', ['-f', '-'], removeTable(compileIngress({ name: this.#name, ports: [] }).table));
    this.#installed = undefined;
  }
}

const protocolsByNumber = new Map<number, Protocol>(
  Object.entries(protocolNumbers).map(([name, number]) => [number, name as Protocol]),
);

/** Forgets the connections that an update leaves without a way. */
function forgetStale(from: IngressRules | undefined, to: IngressRules): void {
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

function opensDatagrams(from: IngressRules | undefined, to: IngressRules): boolean {
  const served = (rules: IngressRules | undefined): string[] =>
    (rules?.ports ?? [])
      .filter(({ protocol, endpoints }) => protocol !== 'tcp' && endpoints.length > 0)
      .map(({ protocol, port }) => `${protocol} ${port}`);
  const before = new Set(served(from));
  return served(to).some((one) => !before.has(one));
}
