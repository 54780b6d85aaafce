import type { NftElement } from '../../../base/rules/nftables/element.ts';
import type { IngressPort } from '../model.ts';
import { countSlotsAtMost } from '../rules/slots.ts';

/** Ports, endpoints and elements that are processed at once, so that other work does not wait for long. */
const slice = { ports: 2000, endpoints: 20_000, elements: 10_000 } as const;

/** Returns the number of elements that maps of targets need room for: these ports, and as many again. */
export function estimateRoom(ports: readonly IngressPort[]): number {
  let sum = 0;
  for (const { endpoints, balance, refused } of ports) {
    sum += countSlotsAtMost(endpoints, balance, refused !== undefined);
    // Larger values make no difference.
    if (sum >= mostRoom) break;
  }
  return Math.min(2 * sum, mostRoom);
}

/** A larger map would cost memory before it is needed, and is created on demand. */
const mostRoom = 4_000_000;

/** Returns the end of the next slice of ports, which contains at least one. */
export function endOfSlice(ports: readonly IngressPort[], start: number): number {
  let endpoints = 0;
  let end = start;
  while (end < ports.length && end - start < slice.ports && endpoints < slice.endpoints) {
    endpoints += ports[end]?.endpoints.length ?? 0;
    end++;
  }
  return end;
}

/** Yields the removed elements (undefined) first, then the added ones, in parts. */
export function* cutIntoParts(elements: Iterable<NftElement>): Generator<readonly NftElement[] | undefined> {
  yield undefined;
  let part: NftElement[] = [];
  for (const element of elements) {
    part.push(element);
    if (part.length < slice.elements) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}
