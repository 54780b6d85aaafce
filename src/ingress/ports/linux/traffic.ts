import { execa } from 'execa';
import { findTool } from '../../../base/linux/rule-tools.ts';
import { protocols } from '../../../base/model/redirect.ts';
import { atSuffix, families } from '../rules/families.ts';
import { trafficSets } from '../rules/state-table.ts';
import type { PortTraffic } from '../traffic.ts';

/** Timeout in milliseconds, and maximum output of a program in bytes. */
const limits = { timeout: 10_000, maxBuffer: 64 * 1024 * 1024 } as const;

/** One counter of an element in nft's JSON. */
interface Counted {
  readonly key: string;
  readonly packets: number;
  readonly bytes: number;
}

/**
 * Reads the traffic of each port, by `tcp 13306`. Rejects with an Error if nft cannot list it.
 *
 * @param tables names of the table of ports and of the table of counters
 */
export async function readTraffic(tables: {
  readonly ports: string;
  readonly state: string;
  /** Whether they serve ports at single addresses. */
  readonly hasPlaces: boolean;
}): Promise<ReadonlyMap<string, PortTraffic>> {
  const nft = findTool('nft');
  if (nft === undefined) throw new Error('Cannot read counters: nft is not installed');
  const read = async (table: string, set: string): Promise<readonly Counted[]> =>
    parseElements((await execa(nft, ['-j', 'list', 'set', 'inet', table, set], limits)).stdout);
  const traffic = new Map<string, { -readonly [Key in keyof PortTraffic]: number }>();
  const of = (key: string) => {
    const known = traffic.get(key) ?? {
      connections: 0,
      received: 0,
      sent: 0,
      refusedByLimit: 0,
      refusedByList: 0,
      unserved: 0,
    };
    traffic.set(key, known);
    return known;
  };
  // Ports at single addresses have sets of their own, whose keys contain the address.
  const readAll = async (table: string, set: string, hasOwn: boolean): Promise<readonly Counted[]> => {
    const own = tables.hasPlaces && hasOwn ? families.map((family) => `${set}${family}${atSuffix}`) : [];
    return (await Promise.all([set, ...own].map((name) => read(table, name)))).flat();
  };
  const [connections, received, sent, limited] = await Promise.all(
    trafficSets.map((set) => readAll(tables.state, set, set !== 'limited')),
  );
  const [unlisted, unserved] = await Promise.all(
    ['unlisted', 'unserved'].map((set) => readAll(tables.ports, set, set === 'unserved')),
  );
  for (const { key, packets } of connections ?? []) of(key).connections += packets;
  for (const { key, bytes } of received ?? []) of(key).received += bytes;
  for (const { key, bytes } of sent ?? []) of(key).sent += bytes;
  for (const { key, packets } of limited ?? []) of(key).refusedByLimit += packets;
  for (const { key, packets } of unlisted ?? []) of(key).refusedByList += packets;
  for (const { key, packets } of unserved ?? []) of(key).unserved += packets;
  return traffic;
}

/** Parses elements such as `{"elem":{"val":{"concat":["tcp",80]},"counter":{…}}}`, with protocols by name or number. */
function parseElements(text: string): readonly Counted[] {
  const { nftables } = JSON.parse(text) as {
    readonly nftables: readonly { readonly set?: { readonly elem?: unknown } }[];
  };
  const elements = nftables.flatMap(({ set }) => (Array.isArray(set?.elem) ? (set.elem as readonly unknown[]) : []));
  return elements.flatMap((one): readonly Counted[] => {
    const { elem } = one as {
      readonly elem?: { readonly val?: { readonly concat?: readonly unknown[] }; readonly counter?: Counted };
    };
    const [protocol, port, address] = elem?.val?.concat ?? [];
    const name = protocols.find((known) => known === protocol);
    if (name === undefined || typeof port !== 'number' || elem?.counter === undefined) return [];
    const { packets, bytes } = elem.counter;
    const at = typeof address === 'string' ? ` ${address}` : '';
    return [{ key: `${name} ${port}${at}`, packets, bytes }];
  });
}
