import type { NftChain, NftDocument } from '../../../../../src/base/rules/nftables/document.ts';
import { type NftElement, writeKey, writeValue } from '../../../../../src/base/rules/nftables/element.ts';
import type { IngressRules } from '../../../../../src/ingress/ports/model.ts';
import { compileBases, compileFrame } from '../../../../../src/ingress/ports/rules/frame.ts';
import { layOutPort, listOwnElements, listPlaces, listShared } from '../../../../../src/ingress/ports/rules/layout.ts';
import { needsTurns } from '../../../../../src/ingress/ports/rules/table.ts';

/**
 * Lays an ingress node's ports out as one nftables table, whole, to be read: the way it is listed
 * when it is in force. Limits and counters are in a table of their own.
 *
 * On a packet's way: allow-lists and refusals (filter, before NAT); limits and timeouts; the endpoint (NAT);
 * the node's own address as source where the endpoint could not answer otherwise.
 */
export function compileIngress(rules: IngressRules): NftDocument {
  const frame = compileFrame(rules, 'a');
  const chains = new Map<string, NftChain>(frame.chains);
  const collections = new Map(
    Array.from(frame.collections, ([name, one]) => [name, { ...one, elements: new Map(one.elements) }]),
  );
  const put = (element: NftElement): void => {
    collections.get(element.collection)?.elements.set(writeKey(element), writeValue(element));
  };
  for (const port of rules.ports) {
    const layout = layOutPort(port, { name: rules.name, hasTurns: needsTurns(port) });
    for (const [, thing] of [...listShared(layout), ...listPlaces(port.endpoints)]) {
      if (thing.kind === 'element') put(thing.element);
      else if (thing.kind === 'chain') chains.set(thing.name, thing.chain);
      else if (!collections.has(thing.name))
        collections.set(thing.name, { ...thing.collection, elements: new Map(thing.collection.elements) });
    }
    for (const element of listOwnElements(layout)) put(element);
  }
  return { ...frame, collections, chains: new Map([...chains, ...compileBases(rules)]) };
}
