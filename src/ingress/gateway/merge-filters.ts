import type { Filters, HeaderEdits, HeaderValue } from '../intent/match.ts';
import type { FilterFault } from './filters.ts';

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

/** Appends a value. A name has one edit, so values are joined (RFC 9110 §5.3). */
function addValue({ set, add, remove }: HeaderEdits, one: HeaderValue): HeaderEdits {
  const isSame = (name: string): boolean => name.toLowerCase() === one.name.toLowerCase();
  const extend = (list: readonly HeaderValue[]): readonly HeaderValue[] =>
    list.map((known) => (isSame(known.name) ? { ...known, value: `${known.value}, ${one.value}` } : known));
  if (remove.some(isSame)) return { set: [...set, one], add, remove: remove.filter((name) => !isSame(name)) };
  if (set.some(({ name }) => isSame(name))) return { set: extend(set), add, remove };
  if (add.some(({ name }) => isSame(name))) return { set, add: extend(add), remove };
  return { set, add: [...add, one], remove };
}
