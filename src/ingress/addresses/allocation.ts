import { hash } from 'node:crypto';

/**
 * How well a node can hold addresses: 2 serves; 1 serves, but gets no addresses while another node can (it is
 * drained, or its agent is silent); 0 does not serve.
 */
export type Level = 0 | 1 | 2;

/** An address and the nodes that may hold it. */
export interface Eligibility {
  readonly address: string;
  /** Absent: every node. */
  readonly eligibleNodes?: readonly string[] | undefined;
}

/** Inputs of the allocation. Members that hear each other have equal values. */
export interface Allocation {
  readonly addresses: readonly Eligibility[];
  /** Nodes that are alive, by name. */
  readonly levels: ReadonlyMap<string, Level>;
  /** Holders, or the nodes to which addresses are moving. */
  readonly holders: ReadonlyMap<string, string>;
}

/** Addresses that the same nodes may hold. The limit per node applies within each such group. */
interface Group {
  readonly addresses: readonly string[];
  /** Nodes with the highest level among the living, excluding level 0. */
  readonly nodes: readonly string[];
  readonly loads: ReadonlyMap<string, number>;
}

/**
 * Assigns a node to each address that no node holds: rendezvous hashing (SHA-256) over the nodes of the highest
 * level, with at most ceil(addresses ÷ nodes) addresses each, including those they hold. An address is absent if no
 * node can hold it.
 */
export function allocate(allocation: Allocation): Map<string, string> {
  const chosen = new Map<string, string>();
  for (const group of groupsOf(allocation)) {
    if (group.nodes.length === 0) continue;
    const limit = Math.ceil(group.addresses.length / group.nodes.length);
    const loads = new Map(group.loads);
    const loadOf = (node: string): number => loads.get(node) ?? 0;
    for (const address of group.addresses) {
      if (allocation.holders.has(address)) continue;
      const ranked = rankNodes(address, group.nodes);
      // Holders may exceed the limit until they have moved their surplus, so for a moment no node may be below it.
      const least = Math.min(...ranked.map(loadOf));
      const node = ranked.find((one) => loadOf(one) < limit) ?? ranked.find((one) => loadOf(one) === least);
      if (node === undefined) continue;
      chosen.set(address, node);
      loads.set(node, loadOf(node) + 1);
    }
  }
  return chosen;
}

/** Returns the node that gets an address if its holder leaves. */
export function findSuccessor(allocation: Allocation, address: string): string | undefined {
  const holder = allocation.holders.get(address);
  const holders = new Map(allocation.holders);
  holders.delete(address);
  const levels = new Map(allocation.levels);
  if (holder !== undefined) levels.delete(holder);
  return allocate({ ...allocation, holders, levels }).get(address);
}

/**
 * Returns the address that a holder moves to a node with at least two fewer, so that a returning node gets its share
 * back. Only the holder with the most addresses moves one; of several, the first by name.
 *
 * @param stable nodes that have been ready for long enough to get a share
 */
export function planShare(
  allocation: Allocation,
  self: string,
  stable: ReadonlySet<string>,
): { readonly address: string; readonly to: string } | undefined {
  for (const group of groupsOf(allocation)) {
    const loadOf = (node: string): number => group.loads.get(node) ?? 0;
    const most = Math.max(0, ...group.nodes.map(loadOf));
    const [giver] = group.nodes.filter((node) => loadOf(node) === most).sort();
    if (giver !== self) continue;
    const poor = group.nodes.filter((node) => stable.has(node) && loadOf(node) <= most - 2);
    const least = Math.min(...poor.map(loadOf));
    const [to] = poor.filter((node) => loadOf(node) === least).sort();
    if (to === undefined) continue;
    const own = group.addresses.filter((address) => allocation.holders.get(address) === self);
    const [address] = own.sort((one, other) => Buffer.compare(weigh(other, to), weigh(one, to)));
    if (address !== undefined) return { address, to };
  }
  return undefined;
}

/** Returns the nodes in the order in which they get an address. */
export function rankNodes(address: string, nodes: readonly string[]): string[] {
  return nodes
    .map((node) => ({ node, weight: weigh(address, node) }))
    .sort((one, other) => Buffer.compare(other.weight, one.weight))
    .map(({ node }) => node);
}

const weights = new Map<string, Buffer>();

/** Caches weights, because they are compared many times per second. */
function weigh(address: string, node: string): Buffer {
  const key = `${node}#${address}`;
  let weight = weights.get(key);
  if (weight === undefined) {
    if (weights.size > 20_000) weights.clear();
    weight = hash('sha256', key, 'buffer');
    weights.set(key, weight);
  }
  return weight;
}

function groupsOf({ addresses, levels, holders }: Allocation): Group[] {
  const byNodes = new Map<string, { addresses: string[]; eligible: readonly string[] | undefined }>();
  for (const { address, eligibleNodes } of addresses) {
    const key = eligibleNodes === undefined ? '*' : [...eligibleNodes].sort().join(' ');
    const group = byNodes.get(key) ?? { addresses: [], eligible: eligibleNodes };
    group.addresses.push(address);
    byNodes.set(key, group);
  }
  return [...byNodes.values()].map((group) => {
    const possible = [...levels].filter(([node]) => group.eligible?.includes(node) ?? true);
    const highest = Math.max(1, ...possible.map(([, level]) => level));
    const loads = new Map<string, number>();
    for (const address of group.addresses) {
      const holder = holders.get(address);
      if (holder !== undefined) loads.set(holder, (loads.get(holder) ?? 0) + 1);
    }
    const nodes = possible.filter(([, level]) => level === highest).map(([node]) => node);
    return { addresses: group.addresses.sort(), nodes: nodes.sort(), loads };
  });
}
