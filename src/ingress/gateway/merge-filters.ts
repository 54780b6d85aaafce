import type { Filters, HeaderEdits, HeaderValue } from '../intent/match.ts';
import { type FilterFault, findSkipped } from './filters.ts';

/**
 * Returns the filters for the requests of one backend: those of the rule, and then the backend's own.
 *
 * @param at place of the backend's filters, for messages
 */
export function mergeFilters(rule: Filters, own: Filters, at: string): Filters | FilterFault {
  const clash = (what: string): FilterFault => ({
    reason: 'IncompatibleFilters',
    fault: `${at}: ${what} of the rule and of a backend exclude each other`,
  });
  const rewrites = ({ rewriteHost, rewritePath, redirect }: Filters): boolean =>
    (rewriteHost ?? rewritePath ?? redirect) !== undefined;
  if (rewrites(rule) && rewrites(own)) return clash('URLRewrite and RequestRedirect');
  const skipped = findSkipped({ ...rule, ...own });
  if (skipped !== undefined) return clash(`RequestRedirect and ${skipped}`);
  const requestEdits = joinEdits(rule.requestEdits, own.requestEdits);
  const responseEdits = joinEdits(own.responseEdits, rule.responseEdits);
  const mirrors = [...(rule.mirrors ?? []), ...(own.mirrors ?? [])];
  return {
    ...rule,
    ...own,
    ...(requestEdits !== undefined && { requestEdits }),
    ...(responseEdits !== undefined && { responseEdits }),
    ...(mirrors.length > 0 && { mirrors }),
  };
}

/** Returns edits with the effect of two, one after the other. */
function joinEdits(first: HeaderEdits | undefined, second: HeaderEdits | undefined): HeaderEdits | undefined {
  if (first === undefined || second === undefined) return second ?? first;
  const { set, add, remove } = second;
  const lower = (name: string): string => name.toLowerCase();
  const replaced = new Set([...set.map(({ name }) => lower(name)), ...remove.map(lower)]);
  const isKept = (name: string): boolean => !replaced.has(lower(name));
  let changed: HeaderEdits = {
    set: [...first.set.filter(({ name }) => isKept(name)), ...set],
    add: first.add.filter(({ name }) => isKept(name)),
    remove: [...first.remove.filter(isKept), ...remove],
  };
  for (const one of add) changed = addValue(changed, one);
  return changed;
}

/** Appends a value. */
function addValue({ set, add, remove }: HeaderEdits, one: HeaderValue): HeaderEdits {
  const lower = one.name.toLowerCase();
  const isSame = (name: string): boolean => name.toLowerCase() === lower;
  const separator = separators.get(lower) ?? ', ';
  const extend = (list: readonly HeaderValue[]): readonly HeaderValue[] =>
    list.map((known) => (isSame(known.name) ? { ...known, value: `${known.value}${separator}${one.value}` } : known));
  if (remove.some(isSame)) return { set: [...set, one], add, remove: remove.filter((name) => !isSame(name)) };
  // Each cookie needs a line of its own.
  if (lower === 'set-cookie') return { set, add: [...add, one], remove };
  if (set.some(({ name }) => isSame(name))) return { set: extend(set), add, remove };
  if (add.some(({ name }) => isSame(name))) return { set, add: extend(add), remove };
  return { set, add: [...add, one], remove };
}

/** What joins two values of a header in one line. Others are lists, joined with commas (RFC 9110 §5.3). */
const separators: ReadonlyMap<string, string> = new Map([['cookie', '; ']]);
