/** A chain of the tree: the ports of one range, or the ranges below it. */
export type PortNode<Value> =
  | { readonly kind: 'leaf'; readonly name: string; readonly ports: readonly (readonly [number, Value])[] }
  | {
      readonly kind: 'branch';
      readonly name: string;
      readonly children: readonly { readonly from: number; readonly to: number; readonly node: PortNode<Value> }[];
    };

/** Maximum number of comparisons per packet in one chain. */
const leafSize = 16;
const portBits = 16;
const bitsPerLevel = 4;

/**
 * Arranges ports as a tree of chains for a backend that can only compare one rule after another. Every level decides
 * four bits of the port, so 65,535 redirects cost a packet at most 64 comparisons. Each chain covers a fixed range: a
 * changed redirect changes one chain and keeps the names of all others.
 *
 * @param name prefix of each chain's name; the leading digits of its range follow
 * @param ports in ascending order
 */
export function buildPortTree<Value>(name: string, ports: readonly (readonly [number, Value])[]): PortNode<Value> {
  return buildNode(name, ports, 0, 0);
}

function buildNode<Value>(
  root: string,
  ports: readonly (readonly [number, Value])[],
  start: number,
  depth: number,
): PortNode<Value> {
  const digits = start
    .toString(16)
    .padStart(portBits / bitsPerLevel, '0')
    .slice(0, depth);
  const name = `${root}${digits}`;
  if (ports.length <= leafSize) return { kind: 'leaf', name, ports };
  const size = 2 ** (portBits - bitsPerLevel * (depth + 1));
  const children = [];
  for (let from = start, index = 0; index < ports.length; from += size) {
    const first = index;
    while (index < ports.length && (ports[index]?.[0] ?? 0) < from + size) index++;
    if (index === first) continue;
    const node = buildNode(root, ports.slice(first, index), from, depth + 1);
    children.push({ from, to: from + size - 1, node });
  }
  return { kind: 'branch', name, children };
}
