import { parsePort } from '../../base/read/parse-port.ts';

/** Ports from one to another, inclusive, 1–65535. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Expected format of a list of ports, for messages. */
export const portRangesCure = 'must be ports and ranges separated by commas, such as "1024-29999,31000"';

/** Parses ports and ranges separated by commas. An empty text means none. Returns undefined for anything else. */
export function parsePortRanges(text: string): readonly PortRange[] | undefined {
  const ranges: PortRange[] = [];
  for (const word of text.split(',').map((part) => part.trim())) {
    if (word === '' && text.trim() === '') continue;
    const [first = '', last = first, ...rest] = word.split('-');
    const [from, to] = [parsePort(first), parsePort(last)];
    if (from === undefined || to === undefined || from > to || rest.length > 0) return undefined;
    ranges.push({ from, to });
  }
  return ranges;
}

/** Returns whether one of the ranges contains the port. */
export function includesPort(ranges: readonly PortRange[], port: number): boolean {
  return ranges.some(({ from, to }) => from <= port && port <= to);
}

/** Formats ranges: `1024-29999, 31000`, or `none`. */
export function formatPortRanges(ranges: readonly PortRange[]): string {
  if (ranges.length === 0) return 'none';
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
}
