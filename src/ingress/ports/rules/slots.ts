import { hashText, mixBits } from '../../../base/model/hash.ts';
import type { Balance, WeightedEndpoint } from '../model.ts';

/** Maximum number of slots per port: the smallest share is about a thousandth. */
const maximumSlots = 1024;
/** Minimum number of slots per endpoint of a `source` port. More slots distribute clients more evenly. */
const slotsPerEndpoint = 4;
/** Few sizes with large steps: another size moves most clients, so changes of endpoints should rarely change it. */
const sourceSizes = [64, 256, 1024] as const;

/** Content of a slot: an endpoint, or none, which rejects connections. */
export type Slot = WeightedEndpoint | undefined;

interface Candidate {
  /** Its name for sorting and hashing. */
  readonly name: string;
  readonly weight: number;
  readonly slot: Slot;
}

/**
 * Distributes endpoints over slots, of which the kernel selects one for each new connection. A `refused` share gets
 * slots like an endpoint of that weight.
 *
 * By weight, an endpoint gets its share of the slots: exactly if the weights reduce to at most 1024 slots, otherwise
 * by largest remainder. By source, the number of slots is a power of two, and weighted rendezvous hashing assigns
 * each slot to an endpoint: identically on every node, and a removed endpoint moves only its own clients.
 */
export function assignSlots(endpoints: readonly WeightedEndpoint[], balance: Balance, refused = 0): Slot[] {
  const usable = endpoints
    .filter(({ weight }) => weight > 0)
    .map((slot): Candidate => ({ name: `${slot.address.text} ${slot.port}`, weight: slot.weight, slot }))
    .sort((one, other) => compareText(one.name, other.name));
  if (usable.length === 0) return [];
  if (refused > 0) usable.push({ name: 'nobody', weight: refused, slot: undefined });
  return balance === 'source' ? assignBySource(usable) : assignByWeight(usable);
}

/** Returns the maximum number of slots of endpoints without distributing them, which a map must have room for. */
export function countSlotsAtMost(
  endpoints: readonly WeightedEndpoint[],
  balance: Balance,
  hasRefused: boolean,
): number {
  const usable = endpoints.filter(({ weight }) => weight > 0);
  const count = usable.length + (hasRefused ? 1 : 0);
  if (count <= 1) return count;
  if (balance === 'source') return sourceSizes.find((one) => one >= count * slotsPerEndpoint) ?? maximumSlots;
  const isEven = !hasRefused && usable.every(({ weight }) => weight === usable[0]?.weight);
  return isEven ? Math.min(count, maximumSlots) : maximumSlots;
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function assignByWeight(candidates: readonly Candidate[]): Slot[] {
  const divisor = candidates.map(({ weight }) => weight).reduce(greatestCommonDivisor);
  const shares = candidates.map(({ weight }) => weight / divisor);
  const total = shares.reduce((sum, share) => sum + share, 0);
  const counts = total <= maximumSlots ? shares : shareOut(shares, total);
  return candidates.flatMap(({ slot }, index) => Array.from({ length: counts[index] ?? 0 }, () => slot));
}

/** Returns whole numbers above zero, proportional to the shares, that add up to the total. */
function shareOut(shares: readonly number[], total: number): number[] {
  const exact = shares.map((share) => (share / total) * maximumSlots);
  const counts = exact.map((one) => Math.max(1, Math.floor(one)));
  const byRemainder = exact
    .map((one, index) => ({ index, remainder: one - Math.floor(one) }))
    .toSorted((one, other) => other.remainder - one.remainder);
  let left = maximumSlots - counts.reduce((sum, count) => sum + count, 0);
  for (const { index } of byRemainder) {
    if (left <= 0) break;
    counts[index] = (counts[index] ?? 0) + 1;
    left--;
  }
  return counts;
}

/**
 * Returns the same slots in an order that is fair at every moment: an endpoint with one n-th of the slots appears
 * about every n-th time. A kernel that takes slots in turn would otherwise send bursts to one endpoint.
 */
export function interleave(slots: readonly Slot[]): Slot[] {
  const counts = new Map<Slot, number>();
  for (const slot of slots) counts.set(slot, (counts.get(slot) ?? 0) + 1);
  // Each slot of an endpoint is in the middle of its section of the circle.
  return Array.from(counts)
    .flatMap(([slot, count], order) =>
      Array.from({ length: count }, (_, index) => ({ slot, order, place: (index + 0.5) / count })),
    )
    .sort((one, other) => one.place - other.place || one.order - other.order)
    .map(({ slot }) => slot);
}

function assignBySource(candidates: readonly Candidate[]): Slot[] {
  const [only, ...others] = candidates;
  if (only !== undefined && others.length === 0) return [only.slot];
  const size = sourceSizes.find((one) => one >= candidates.length * slotsPerEndpoint) ?? maximumSlots;
  const seeds = candidates.map(({ name }) => hashText(name));
  const isEven = candidates.every(({ weight }) => weight === candidates[0]?.weight);
  return Array.from({ length: size }, (_, slot) => {
    let best: Slot;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (const [index, candidate] of candidates.entries()) {
      // Weighted rendezvous hashing: an endpoint wins -w / ln(u) in proportion to its weight. With equal weights,
      // comparing u suffices.
      const uniform = (mixBits((seeds[index] ?? 0) ^ mixBits(slot)) + 0.5) / 2 ** 32;
      const score = isEven ? uniform : -candidate.weight / Math.log(uniform);
      if (score > bestScore) {
        best = candidate.slot;
        bestScore = score;
      }
    }
    return best;
  });
}

function greatestCommonDivisor(one: number, other: number): number {
  return other === 0 ? one : greatestCommonDivisor(other, one % other);
}
