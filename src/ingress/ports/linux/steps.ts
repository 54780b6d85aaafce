import type { NftElement } from '../../../base/rules/nftables/element.ts';
import type { IngressPort } from '../model.ts';
import { countSlotsAtMost } from '../rules/slots.ts';

/** Ports, endpoints of them and elements that are worked on at a time, so that nothing else waits for long. */
const slice = { ports: 2000, endpoints: 20_000, elements: 10_000 } as const;

/** Elements that maps of targets must have room for to take all these ports, and as many again. */
export function estimateRoom(ports: readonly IngressPort[]): number {
  let sum = 0;
  for (const { endpoints, balance, refused } of ports) {
    sum += countSlotsAtMost(endpoints, balance, refused !== undefined);
    // Beyond that it makes no difference.
    if (sum >= mostRoom) break;
  }
  return Math.min(2 * sum, mostRoom);
}

/** A map of more than this would cost its memory before it is needed; a larger one is made when it is. */
const mostRoom = 4_000_000;

/** The end of the next slice of ports, at least one. */
export function endOfSlice(ports: readonly IngressPort[], start: number): number {
  let endpoints = 0;
  let end = start;
  while (end < ports.length && end - start < slice.ports && endpoints < slice.endpoints) {
    endpoints += ports[end]?.endpoints.length ?? 0;
    end++;
  }
  return end;
}

/** First what goes (undefined), then what comes, part by part. */
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
