import { parsePort } from '../../base/read/parse-port.ts';

/** Ports from one to another, both included, 1–65535. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** What a list of ports must look like, for messages. */
export const portRangesCure = 'must be ports and ranges separated by commas, such as "1024-29999,31000"';

/** Reads ports and ranges separated by commas; empty: none. Undefined for anything else. */
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

/** Whether any of the ranges has the port. */
export function includesPort(ranges: readonly PortRange[], port: number): boolean {
  return ranges.some(({ from, to }) => from <= port && port <= to);
}

/** As people write them: `1024-29999, 31000`; `none` without any. */
export function formatPortRanges(ranges: readonly PortRange[]): string {
  if (ranges.length === 0) return 'none';
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
}
