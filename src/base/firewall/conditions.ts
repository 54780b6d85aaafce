import { containsAddress, parseAddress, parsePrefix } from '../model/address.ts';
import type { Condition, Probe } from './chain.ts';

/** Fields of a packet that rules compare. */
export type Field =
  | 'incoming'
  | 'outgoing'
  | 'protocol'
  | 'source'
  | 'destination'
  | 'sourcePort'
  | 'destinationPort'
  | 'state';

/** A condition that cannot be decided from a listing. */
export const unknown: Condition = () => undefined;

/**
 * Returns a condition that compares a field with values: names (a final `+` or `*` matches any suffix), ports,
 * ranges, prefixes.
 */
export function fieldIs(field: Field, values: readonly string[], negated = false): Condition {
  return (probe) => {
    const seen = probe[field];
    if (seen === undefined) return undefined;
    const answers = values.map((value) =>
      value.toLowerCase() === 'dnat' ? probe.isRedirected : compare(field, seen, value),
    );
    if (answers.includes(true)) return !negated;
    return answers.includes(undefined) ? undefined : negated;
  };
}

function compare(field: Field, seen: NonNullable<Probe[Field]>, value: string): boolean | undefined {
  if (typeof seen === 'object') {
    const prefix = parsePrefix(value);
    if (prefix !== undefined) return containsAddress(prefix, seen);
    const address = parseAddress(value);
    return address === undefined ? undefined : address.text === seen.text;
  }
  if (typeof seen === 'number') {
    const range = /^(\d+)(?:[-:](\d+))?$/.exec(value);
    return range === null ? undefined : seen >= Number(range[1]) && seen <= Number(range[2] ?? range[1]);
  }
  if (field === 'incoming' || field === 'outgoing') {
    return /[+*]$/.test(value) ? seen.startsWith(value.slice(0, -1)) : seen === value;
  }
  // Rules may name a protocol by number.
  return /^\d+$/.test(value) ? undefined : value === 'all' || seen === value.toLowerCase();
}
