/** Maximum number of addresses in `status.addresses` of a Gateway. */
export const maxGatewayAddresses = 16;

/**
 * Returns the addresses of all ingress nodes without duplicates: the first address of every node, then the second of
 * every node, so that a limited list contains addresses of as many nodes as possible. Nodes are sorted by name, so
 * that all agents agree.
 */
export function mergeNodeAddresses(nodes: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const lists = [...nodes].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, addresses]) => addresses);
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  const merged = new Set<string>();
  for (let index = 0; index < longest; index++) {
    for (const list of lists) {
      const address = list[index];
      if (address !== undefined) merged.add(address);
    }
  }
  return [...merged];
}
