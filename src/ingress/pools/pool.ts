import {
  containsAddress,
  isLinkLocal,
  isUnusable,
  lastAddressOf,
  networkOf,
  type Prefix,
  parsePrefix,
} from '../../base/model/address.ts';
import {
  type AddressRange,
  addressRangeCure,
  countAddresses,
  formatRange,
  mergeRanges,
  parseAddressRange,
  rangeOf,
  subtractRanges,
  toAddress,
} from '../../base/model/address-range.ts';
import type { Parsed } from '../../base/model/problem.ts';
import { type LabelRequirement, readLabelSelector } from '../../base/read/label-selector.ts';
import { isLabelName, type Labels, type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord, readShape } from '../../base/read/shape.ts';
import { matchesLabels } from '../claims/label-selector.ts';
import { poolSpecSchema } from './schema.ts';

/** An IngressAddressPool: virtual addresses for the router, Gateways and Services. */
export interface AddressPool {
  readonly meta: ObjectMeta;
  /** Addresses and ranges, sorted and without overlaps. {@link rangesOf} has them as numbers. */
  readonly addresses: readonly string[];
  /** Interface that carries the addresses. Absent: the one with an address of `subnet`, or of the address's network. */
  readonly interface?: string;
  readonly subnet?: Prefix;
  /** Namespaces that may use the addresses. Absent: all of them. */
  readonly namespaces?: { readonly names: ReadonlySet<string>; readonly selector?: readonly LabelRequirement[] };
  /** Nodes that may hold the addresses. Absent: all ingress nodes. */
  readonly nodes?: readonly LabelRequirement[];
}

/** Maximum number of addresses in a pool: the agent compares each of them with those in use. */
export const maxPoolAddresses = 65_536;

/** Maximum number of entries in `spec.addresses`. */
export const maxPoolEntries = 256;

/** Parses an IngressAddressPool. */
export function parseAddressPool(input: unknown): Parsed<AddressPool> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems, 'cluster');
  const written = isRecord(input) ? input.spec : undefined;
  const spec = readShape(poolSpecSchema, written, 'spec', problems);
  const subnet = readSubnet(spec?.subnet, problems);
  const ranges = readRanges(spec?.addresses, subnet, problems);
  const link = spec?.interface || undefined;
  if (link !== undefined && !/^[^\s/:]{1,15}$/.test(link)) {
    problems.add(
      'spec.interface',
      link,
      'must be the name of an interface: at most 15 characters without blanks, "/" and ":"',
    );
  }
  if (link !== undefined && spec?.subnet) {
    problems.add('spec.subnet', spec.subnet, 'must be absent with spec.interface, because both select the interface');
  }
  const namespaces = readNamespaces(written, spec?.namespaces?.names, problems);
  const nodes = readSelector(isRecord(written) ? written.nodeSelector : undefined, 'spec.nodeSelector', problems);
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    addresses: ranges.map(formatRange),
    ...(link !== undefined && { interface: link }),
    ...(subnet !== undefined && { subnet }),
    ...(namespaces !== undefined && { namespaces }),
    ...(nodes !== undefined && { nodes }),
  }));
}

const knownRanges = new WeakMap<AddressPool, readonly AddressRange[]>();

/** Returns the addresses of a pool as ranges. Always returns the same list for a pool. */
export function rangesOf(pool: AddressPool): readonly AddressRange[] {
  const known = knownRanges.get(pool);
  if (known !== undefined) return known;
  const ranges = pool.addresses.flatMap((text) => parseAddressRange(text) ?? []);
  knownRanges.set(pool, ranges);
  return ranges;
}

/** Whether objects of a namespace may use the addresses of a pool. `labels` is undefined if it does not exist. */
export function admitsNamespace({ namespaces }: AddressPool, namespace: string, labels: Labels | undefined): boolean {
  if (namespaces === undefined || namespaces.names.has(namespace)) return true;
  return namespaces.selector !== undefined && labels !== undefined && matchesLabels(namespaces.selector, labels);
}

/** Returns whether a node may hold the addresses of a pool; `labels` is undefined if the node is unknown. */
export function admitsNode({ nodes }: AddressPool, labels: Labels | undefined): boolean {
  return nodes === undefined || (labels !== undefined && matchesLabels(nodes, labels));
}

function readSubnet(text: string | undefined, problems: ProblemList): Prefix | undefined {
  if (text === undefined || text === '') return undefined;
  const prefix = parsePrefix(text);
  const isNetwork = prefix !== undefined && networkOf(prefix).address.text === prefix.address.text;
  if (isNetwork && prefix.length > 0) return prefix;
  problems.add('spec.subnet', text, 'must be a network without host bits, such as "192.0.2.0/24"');
  return undefined;
}

function readRanges(
  written: readonly (string | undefined)[] | undefined,
  subnet: Prefix | undefined,
  problems: ProblemList,
): readonly AddressRange[] {
  // The schema has already reported a missing list.
  if (written === undefined) return [];
  if (written.length === 0) problems.add('spec.addresses', written, addressRangeCure);
  if (written.length > maxPoolEntries) {
    problems.add('spec.addresses', written.length, `must have at most ${maxPoolEntries} entries`);
  }
  const ranges: AddressRange[] = [];
  for (const [index, text] of written.slice(0, maxPoolEntries).entries()) {
    if (text === undefined) continue;
    const path = `spec.addresses[${index}]`;
    const range = parseAddressRange(text);
    if (range === undefined) {
      problems.add(path, text, addressRangeCure);
      continue;
    }
    const ends = [range.first, range.last].map((number) => toAddress(range.family, number));
    if (countAddresses(range) > maxPoolAddresses) {
      problems.add(path, text, `must have at most ${maxPoolAddresses} addresses; write a smaller range`);
    } else if (ends.some((end) => isUnusable(end) || isLinkLocal(end))) {
      problems.add(path, text, 'must be unicast addresses that other networks can reach, such as "192.0.2.10"');
    } else if (subnet !== undefined && !ends.every((end) => containsAddress(subnet, end))) {
      problems.add(path, text, 'must be inside spec.subnet');
    } else ranges.push(range);
  }
  const merged = mergeRanges(ranges);
  const total = merged.reduce((sum, range) => sum + countAddresses(range), 0n);
  if (total > maxPoolAddresses) {
    problems.add('spec.addresses', Number(total), `must have at most ${maxPoolAddresses} addresses in total`);
  }
  return subnet === undefined || subnet.address.family === 6 || subnet.length > 30
    ? merged
    : // No host can have the first and last address (RFC 1122 §3.2.1.3).
      subtractRanges(merged, [rangeOf(networkOf(subnet).address), rangeOf(lastAddressOf(subnet))]);
}

function readNamespaces(
  written: unknown,
  names: readonly (string | undefined)[] | undefined,
  problems: ProblemList,
): AddressPool['namespaces'] {
  const namespaces = isRecord(written) ? written.namespaces : undefined;
  if (!isRecord(namespaces)) return undefined;
  for (const [index, name] of (names ?? []).entries()) {
    if (name !== undefined && !isLabelName(name)) {
      problems.add(`spec.namespaces.names[${index}]`, name, 'must be the name of a namespace');
    }
  }
  const selector = readSelector(namespaces.selector, 'spec.namespaces.selector', problems);
  // An object with neither admits no namespace: a forgotten value must not open the pool to every namespace.
  return { names: new Set((names ?? []).flatMap((name) => name ?? [])), ...(selector !== undefined && { selector }) };
}

function readSelector(written: unknown, path: string, problems: ProblemList): readonly LabelRequirement[] | undefined {
  if (written === undefined || written === null) return undefined;
  const selector = readLabelSelector(written);
  if (selector === undefined && isRecord(written)) {
    problems.add(path, written, 'must be a label selector with matchLabels or matchExpressions');
  }
  return selector;
}
