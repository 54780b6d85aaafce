import * as z from 'zod/mini';
import { type Address, type Prefix, parseAddress, parsePrefix } from '../../base/model/address.ts';
import type { Parsed } from '../../base/model/problem.ts';
import { presentText } from '../../base/read/choice.ts';
import { lazily } from '../../base/read/lazily.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord, type Readable, readShape } from '../../base/read/shape.ts';
import { text } from '../../base/read/text.ts';

/** Result of the ADD of all plugins in the chain (CNI spec 1.1.0 §5). */
export interface PreviousResult {
  readonly interfaces: readonly PreviousInterface[];
  readonly ips: readonly PreviousAddress[];
  readonly routes: readonly PreviousRoute[];
  /** The original document; a chained plugin must pass on keys that it does not know. */
  readonly written: Readonly<Record<string, unknown>>;
}

/** An interface in the result. */
export interface PreviousInterface {
  readonly name: string;
  readonly mac?: string;
  /** Bytes. */
  readonly mtu?: number;
  /** Path of the network namespace; absent for an interface of the node. */
  readonly sandbox?: string;
}

/** An address in the result. */
export interface PreviousAddress {
  readonly address: Prefix;
  readonly gateway?: Address;
  /** Index into `interfaces`. */
  readonly interface?: number;
}

/** A route in the result. */
export interface PreviousRoute {
  readonly destination: Prefix;
  readonly gateway?: Address;
}

const listCure = 'must be a list of objects';

const getPreviousResultSchema = lazily(() => {
  const word = text('must be a string');
  const wholeNumber = z.number('must be a whole number').check(z.int('must be a whole number'));
  return z.object(
    {
      interfaces: z.nullish(
        z.array(
          z.object(
            { name: word, mac: z.nullish(word), mtu: z.nullish(wholeNumber), sandbox: z.nullish(word) },
            listCure,
          ),
          listCure,
        ),
      ),
      ips: z.nullish(
        z.array(
          z.object({ address: word, gateway: z.nullish(word), interface: z.nullish(wholeNumber) }, listCure),
          listCure,
        ),
      ),
      routes: z.nullish(z.array(z.object({ dst: word, gw: z.nullish(word) }, listCure), listCure)),
    },
    'must be a CNI result',
  );
});

type Written = Readable<z.output<ReturnType<typeof getPreviousResultSchema>>>;

/**
 * Parses `prevResult` of a network configuration, versions 0.3.0 to 1.1.0, which do not differ in the keys
 * used here. Undefined if there is none. Normalizes the IPv6 default route, which Multus writes as `::0/0`.
 */
export function parsePreviousResult(configuration: unknown): Parsed<PreviousResult | undefined> {
  const written = isRecord(configuration) ? (configuration.prevResult ?? undefined) : undefined;
  if (written === undefined) return { ok: true, value: undefined };
  const problems = new ProblemList();
  const result = readShape(getPreviousResultSchema(), written, 'prevResult', problems) ?? {};
  const ips = readEach(result.ips, 'prevResult.ips', (ip, path) => readIp(ip, path, problems));
  const routes = readEach(result.routes, 'prevResult.routes', (route, path) => readRoute(route, path, problems));
  const interfaces = readEach(result.interfaces, 'prevResult.interfaces', readInterface);
  return problems.finish(() => ({ interfaces, ips, routes, written: isRecord(written) ? written : {} }));
}

function readEach<Item, T>(
  items: readonly (Item | undefined)[] | undefined,
  path: string,
  readItem: (item: Item, path: string) => T | undefined,
): T[] {
  return (items ?? []).flatMap((item, index) => {
    const value = item === undefined ? undefined : readItem(item, `${path}[${index}]`);
    return value === undefined ? [] : [value];
  });
}

function readInterface(item: NonNullable<NonNullable<Written['interfaces']>[number]>): PreviousInterface | undefined {
  const { name, mac, mtu, sandbox } = item;
  if (name === undefined) return undefined;
  return {
    name,
    // The kernel's MAC addresses, to which it is compared, are lower case.
    ...(presentText(mac) !== undefined && mac !== undefined && { mac: mac.toLowerCase() }),
    ...(mtu !== undefined && { mtu }),
    ...(sandbox !== undefined && sandbox !== '' && { sandbox }),
  };
}

function readIp(
  item: NonNullable<NonNullable<Written['ips']>[number]>,
  path: string,
  problems: ProblemList,
): PreviousAddress | undefined {
  const address = readPrefix(item.address, `${path}.address`, problems);
  const gateway = readOptionalAddress(item.gateway, `${path}.gateway`, problems);
  if (address === undefined) return undefined;
  return {
    address,
    ...(gateway !== undefined && { gateway }),
    ...(item.interface !== undefined && { interface: item.interface }),
  };
}

function readRoute(
  item: NonNullable<NonNullable<Written['routes']>[number]>,
  path: string,
  problems: ProblemList,
): PreviousRoute | undefined {
  const destination = readPrefix(item.dst, `${path}.dst`, problems);
  const gateway = readOptionalAddress(item.gw, `${path}.gw`, problems);
  return destination && { destination, ...(gateway !== undefined && { gateway }) };
}

function readPrefix(written: string | undefined, path: string, problems: ProblemList): Prefix | undefined {
  if (written === undefined) return undefined;
  const prefix = parsePrefix(written);
  if (prefix === undefined) problems.add(path, written, 'must be an address with prefix length');
  return prefix;
}

function readOptionalAddress(written: string | undefined, path: string, problems: ProblemList): Address | undefined {
  const present = presentText(written);
  if (present === undefined) return undefined;
  const address = parseAddress(present);
  if (address === undefined) problems.add(path, written, 'must be an IPv4 or IPv6 address');
  return address;
}
