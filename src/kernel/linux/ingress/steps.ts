import type { IngressPort } from '../../../model/ingress.ts';
import type { NftElement } from '../../../rules/nftables/element.ts';

/** Ports, endpoints of them and elements that are worked on at a time, so that nothing else waits for long. */
const slice = { ports: 2000, endpoints: 20_000, elements: 10_000 } as const;

/** Elements that the map of targets has room for, for each port. */
export const roomOfPort = 32;

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
