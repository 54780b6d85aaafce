import { writeTime } from '../../base/kubernetes/conditions.ts';
import { parseAddress } from '../../base/model/address.ts';
import { escapeUnprintable } from '../../base/model/text.ts';
import { isRecord } from '../../base/read/shape.ts';
import { parseDnsName } from './dns-name.ts';

/** State of a DNS name of a router, as its node daemon reports it. */
export interface NameReport {
  readonly name: string;
  /** Addresses that the router uses, at most {@link nameLimits}.addresses. */
  readonly addresses: readonly string[];
  /** Number of further addresses. Absent: none. */
  readonly moreAddresses?: number;
  /** When the TTL of the answer ends, RFC 3339 in UTC. Absent without an answer. */
  readonly expires?: string;
  /** When the addresses last changed, RFC 3339 in UTC. Absent if the name never had any. */
  readonly changed?: string;
  /** Why there is no current answer, or why some of its addresses are not used. */
  readonly error?: string;
}

/**
 * Limits of the report of one pod: names, addresses of a name, characters of an error, and characters of all. All
 * annotations of a pod may have 256 KiB.
 */
export const nameLimits = { names: 64, addresses: 16, error: 300, text: 32_768 } as const;

/** The largest number of addresses of a name: 64 per family. */
const mostAddresses = 128;

/** Reports by interface. */
export type NameReports = ReadonlyMap<string, readonly NameReport[]>;

/** Returns text for the annotation of a pod. Names that exceed the limits are left out, those without an error first. */
export function writeNameReports(reports: NameReports): string {
  let left: number = nameLimits.names;
  let characters: number = nameLimits.text;
  const kept = new Set<NameReport>();
  const all = [...reports.values()].flat();
  for (const report of [...all.filter(({ error }) => error !== undefined), ...all]) {
    if (kept.has(report)) continue;
    const size = JSON.stringify(report).length + 64;
    if (left === 0 || characters < size) break;
    left--;
    characters -= size;
    kept.add(report);
  }
  const byLink = Array.from(reports, ([link, own]) => [link, own.filter((one) => kept.has(one))] as const);
  return JSON.stringify(Object.fromEntries(byLink.filter(([, own]) => own.length > 0)));
}

/** Returns a report within the limits. */
export function limitReport(report: NameReport): NameReport {
  const { addresses, moreAddresses = 0, error } = report;
  const more = moreAddresses + Math.max(0, addresses.length - nameLimits.addresses);
  return {
    ...report,
    addresses: addresses.slice(0, nameLimits.addresses),
    ...(more > 0 && { moreAddresses: more }),
    ...(error !== undefined && { error: cut(error) }),
  };
}

/**
 * Parses the annotation of a pod, which anyone who can patch the pod can forge: unknown fields, invalid names, addresses
 * and times, and everything beyond the limits are dropped.
 */
export function readNameReports(text: unknown): NameReports {
  if (typeof text !== 'string' || text.length > 2 * nameLimits.text) return new Map();
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return new Map();
  }
  if (!isRecord(document)) return new Map();
  return new Map(
    Object.entries(document).map(([link, list]) => {
      const own = (Array.isArray(list) ? list : []).slice(0, nameLimits.names).flatMap((one) => readReport(one) ?? []);
      return [link, [...new Map(own.map((report) => [report.name, report])).values()]];
    }),
  );
}

function readReport(input: unknown): NameReport | undefined {
  if (!isRecord(input) || typeof input.name !== 'string' || parseDnsName(input.name) !== input.name) return undefined;
  const { name, moreAddresses, error } = input;
  const listed = Array.isArray(input.addresses) ? input.addresses.slice(0, nameLimits.addresses) : [];
  const addresses = listed.flatMap((one: unknown) => (typeof one === 'string' && parseAddress(one)?.text) || []);
  const [expires, changed] = [readTime(input.expires), readTime(input.changed)];
  const hasMore = Number.isInteger(moreAddresses) && Number(moreAddresses) > 0 && Number(moreAddresses) < mostAddresses;
  return {
    name,
    addresses,
    ...(hasMore && { moreAddresses: Number(moreAddresses) }),
    ...(expires !== undefined && { expires }),
    ...(changed !== undefined && { changed }),
    ...(typeof error === 'string' && error !== '' && { error: cut(error) }),
  };
}

/** An API server rejects a whole status with a time in another form. */
function readTime(value: unknown): string | undefined {
  if (typeof value !== 'string' || !/^[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value)) return undefined;
  const milliseconds = Date.parse(value);
  return Number.isNaN(milliseconds) || writeTime(new Date(milliseconds)) !== value ? undefined : value;
}

function cut(error: string): string {
  return escapeUnprintable(error.slice(0, nameLimits.error)).slice(0, nameLimits.error);
}
