import { UnfitValue } from '../haproxy/quote.ts';
import type { Rule, VirtualHost } from '../haproxy/rule.ts';
import { checkHostRules } from '../haproxy/virtual-host.ts';
import type { SiteListener } from '../intent/listener.ts';
import type { SiteRequest } from '../intent/site-request.ts';
import type { Place } from './gateway-places.ts';
import type { RankedRule } from './gateway-rules.ts';
import { byPrecedence } from './gateway-rules.ts';

/** Rules of the requests for one name of a listener, in order of precedence. */
export interface NameRules {
  readonly rules: readonly Rule[];
  /** Requests that are rejected because their conditions are too complex in combination with those of older ones. */
  readonly complex: ReadonlySet<SiteRequest>;
}

/** Maximum number of rules that a name inherits from wildcards above it; requests for others get 404. */
const mostInherited = 256;

/** Returns whether a pattern covers all names of another one. */
export function covers(pattern: string, other: string): boolean {
  if (pattern === '*' || pattern === other) return true;
  return pattern.startsWith('*.') && other.endsWith(pattern.slice(1));
}

/** Compares patterns: hosts first, then longer wildcards. */
export function bySpecificity(one: string, other: string): number {
  const isHost = (pattern: string) => (pattern.startsWith('*') ? 0 : 1);
  return isHost(other) - isHost(one) || other.length - one.length;
}

/** Sorts the rules of requests for one name. If they are too complex, rejects the youngest with conditions. */
export function sortRules(rules: readonly RankedRule[]): NameRules {
  const sorted = rules.toSorted(byPrecedence);
  const complex = new Set<SiteRequest>();
  const young = [...new Set(sorted.filter(hasConditions).map(({ request }) => request))].sort(
    (one, other) => other.owner.meta.created - one.owner.meta.created,
  );
  for (let some = 1; ; some *= 2) {
    const left = sorted.filter(({ request }) => !complex.has(request)).map(({ rule }) => rule);
    if (young.length === 0 || compiles(left)) return { rules: left, complex };
    for (const request of young.splice(0, some)) complex.add(request);
  }
}

function hasConditions({ rule: { path, conditions } }: RankedRule): boolean {
  return path.type === 'regex' || conditions.length > 0;
}

function compiles(rules: readonly Rule[]): boolean {
  return findUnfit(rules) === undefined;
}

/** Returns the reason why rules cannot be served, or undefined. */
export function findUnfit(rules: readonly Rule[]): string | undefined {
  try {
    checkHostRules({ key: '80@*|*', listener: 'x', rules });
    return undefined;
  } catch (error) {
    if (error instanceof UnfitValue) return error.message;
    throw error;
  }
}

/**
 * Returns the virtual host of a name at a place: the rules of the most specific listener for the name, and within it
 * the rules of the name itself, then those of wildcards above it.
 *
 * @param rulesOf the rules of a listener by pattern
 * @param innerOf the inner frontend that verifies the client certificates of a listener
 */
export function makeHost(
  place: Place,
  pattern: string,
  rulesOf: (listener: SiteListener) => ReadonlyMap<string, NameRules>,
  innerOf: (listener: SiteListener) => number | undefined = () => undefined,
): VirtualHost | undefined {
  const listener = findOwner(place, pattern);
  if (listener === undefined) return undefined;
  const own = rulesOf(listener);
  const parts: (readonly Rule[])[] = [];
  let inherited = 0;
  for (const name of listAbove(pattern).filter((one) => own.has(one))) {
    const { rules } = own.get(name) as NameRules;
    if (parts.length > 0) inherited += rules.length;
    if (inherited > mostInherited) break;
    parts.push(rules);
    if (rules.some(isTotal)) break;
  }
  while (parts.length > 1 && !compiles(parts.flat())) parts.pop();
  const [first = []] = parts;
  const inner = innerOf(listener);
  return {
    key: `${place.name}|${pattern}`,
    listener: listener.id,
    ...(inner !== undefined && { inner }),
    rules: parts.length > 1 ? parts.flat() : first,
  };
}

/** Returns the most specific listener of a place that covers a name. */
export function findOwner({ listeners }: Place, pattern: string): SiteListener | undefined {
  const owner = listAbove(pattern).find((name) => listeners.has(name));
  return owner === undefined ? undefined : listeners.get(owner);
}

/** Returns a name and the wildcards above it, most specific first. */
export function listAbove(pattern: string): readonly string[] {
  const names = [pattern];
  let rest = pattern.startsWith('*.') ? pattern.slice(2) : pattern;
  while (rest.includes('.')) {
    rest = rest.slice(rest.indexOf('.') + 1);
    names.push(`*.${rest}`);
  }
  if (pattern !== '*') names.push('*');
  return names;
}

/** Returns whether no request reaches a later rule. */
function isTotal({ path, conditions }: Rule): boolean {
  return path.type === 'prefix' && /^\/*$/.test(path.value) && conditions.length === 0;
}
