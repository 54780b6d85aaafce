import { createHash } from 'node:crypto';
import { encodeValue } from './encode.ts';
import { checkPattern, longestSubject } from './pattern.ts';
import { UnfitValue } from './quote.ts';
import type { Condition, Rule } from './rule.ts';

/**
 * Conditions as a graph of map entries. A *state* inspects one dimension of a request (the method, a header, a query
 * parameter, the path for regular expressions, or a random number). Its entries lead to the next state or to a route:
 *
 * - `?KIND/ID/NAME` is a state as a value: what to inspect; `~KIND/ID/NAME` compares it with patterns;
 * - `STATE=VALUE` in `edges.map` is its successor for a value, which is URL-encoded so that no blank, quote or length can
 *   break the key; `STATE!` is the successor for every other value;
 * - `^ID;(?#NUMBER)(?=LENGTH)(?:PATTERN)$` in `patterns.map` is the successor for a pattern. The leading ID keeps a
 *   pattern from matching requests in other states. Entries are ordered by number, and the first match counts.
 *
 * The ID is a digest of the state's content, so a state never changes: a change adds states, switches the key of the
 * path in one step, and then removes the old ones. Equal states exist once.
 */

/** Maximum number of dimensions that a request passes. */
export const longestChain = 12;

/** Maximum number of entries of one state, and of new states of one path. */
export const mostBranches = 1024;

/** Maximum number of map entries of one host. */
const mostEntries = 32_768;

/** Maximum number of rules in the lists of all decisions of one host: time and memory grow with it. */
const mostListed = 300_000;

/** Maximum length of a value in a condition. */
export const longestValue = 4096;

/** Number of characters within which URL-encoded values of a state must differ: 4,095 less the state. */
const longestPrefix = 3700;

/** The conditions of a path are too complex. */
export class TooComplex extends UnfitValue {
  constructor(what: string) {
    super(`the conditions of this host and path ${what}`);
    this.name = 'TooComplex';
  }
}

/** A rule with its undecided conditions and its answer. */
export interface Candidate {
  /** Position in the order of precedence. */
  readonly index: number;
  readonly open: readonly Test[];
  readonly route: string;
}

/** A condition; regular expressions of paths are conditions, too. */
export type Test = Condition | { readonly on: 'path'; readonly type: 'regex'; readonly value: string };

/** Map entries of states. */
export interface GraphEntries {
  readonly edges: Map<string, string>;
  readonly patterns: Map<string, string>;
}

/** A route or a state as a map value. */
interface Decision {
  readonly value: string;
  /** Number of states that a request passes at most. */
  readonly height: number;
}

/** HAProxy looks up the method and the path like headers. No header has their names. */
const kinds = { method: 'h', header: 'h', param: 'q', path: 'h' } as const;
const names = { method: ':m', path: ':p' } as const;

/** Builds the states of one virtual host. */
export class DecisionGraph {
  readonly entries: GraphEntries = { edges: new Map(), patterns: new Map() };
  readonly #scope: string;
  readonly #otherwise: string;
  /** Finished decisions by list of candidates. */
  readonly #known = new Map<string, Decision>();
  readonly #ids = new Set<string>();
  #states = 0;
  #listed = 0;

  /**
   * @param scope unique among graphs; part of the IDs, so that no state belongs to two hosts
   * @param otherwise route of requests that no rule matches
   */
  constructor(scope: string, otherwise: string) {
    this.#scope = scope;
    this.#otherwise = otherwise;
  }

  /** Returns the value for a path with these candidates: a route, or a state. Throws {@link TooComplex}. */
  build(candidates: readonly Candidate[]): string {
    this.#states = 0;
    return this.#decide(candidates, longestChain).value;
  }

  /** Returns a state that distributes requests at random, or undefined without parts. */
  split(parts: readonly { readonly weight: number; readonly route: string }[]): string | undefined {
    const [most, ...others] = parts.toSorted((one, other) => other.weight - one.weight);
    if (most === undefined || others.length === 0) return most?.route;
    const sum = parts.reduce((total, { weight }) => total + weight, 0);
    const branches = new Map<string, Decision>();
    for (const { weight, route } of others) {
      const percent = Math.max(1, Math.round((100 * weight) / sum));
      for (let i = 0; i < percent; i++) branches.set(String(branches.size), { value: route, height: 0 });
    }
    return this.#addState('?r', '-', 'exact', branches, most.route);
  }

  /** @param room number of further states that a request may pass */
  #decide(candidates: readonly Candidate[], room: number): Decision {
    const end = candidates.findIndex(({ open }) => open.length === 0);
    const list = end < 0 ? candidates : candidates.slice(0, end + 1);
    const first = list[0];
    if (first === undefined) return { value: this.#otherwise, height: 0 };
    const test = first.open[0];
    if (test === undefined) return { value: first.route, height: 0 };
    // Rules without conditions end a list, so that they do not count.
    this.#listed += list.length;
    if (this.#listed > mostListed) throw new TooComplex(`need more than ${mostListed} comparisons`);
    const key = list.map(({ index, open }) => `${index} ${open.map(dimensionOf).join(' ')}`).join('\n');
    const decision = this.#known.get(key) ?? this.#makeState(list, test, room);
    this.#known.set(key, decision);
    if (decision.height > room) throw new TooComplex(`test more than ${longestChain} headers, parameters and methods`);
    return decision;
  }

  #makeState(list: readonly Candidate[], test: Test, room: number): Decision {
    if (room === 0) throw new TooComplex(`test more than ${longestChain} headers, parameters and methods`);
    if (++this.#states > mostBranches) throw new TooComplex(`need more than ${mostBranches} decisions`);
    const dimension = dimensionOf(test);
    const branches =
      test.type === 'exact'
        ? this.#branchExact(list, dimension, room - 1)
        : this.#branchRegex(list, dimension, room - 1);
    if (branches.size > mostBranches) throw new TooComplex(`name more than ${mostBranches} values`);
    const others = this.#decide(without(list, dimension), room - 1);
    const height = 1 + Math.max(others.height, ...[...branches.values()].map((one) => one.height));
    const kind = `${test.type === 'exact' ? '?' : '~'}${kinds[test.on]}`;
    return { value: this.#addState(kind, nameOf(test), test.type, branches, others.value), height };
  }

  #addState(
    kind: string,
    name: string,
    type: Test['type'],
    branches: ReadonlyMap<string, Decision>,
    others: string,
  ): string {
    const content = [this.#scope, kind, name, [...branches].map(([value, next]) => [value, next.value]), others];
    const id = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 32);
    const state = `${kind}/${id}/${name}`;
    if (!this.#ids.has(id)) this.#addEntries(id, state, type, branches, others);
    return state;
  }

  #addEntries(
    id: string,
    state: string,
    type: Test['type'],
    branches: ReadonlyMap<string, Decision>,
    others: string,
  ): void {
    const { edges, patterns } = this.entries;
    this.#ids.add(id);
    edges.set(`${state}!`, others);
    for (const [value, next] of branches) {
      if (type === 'exact') edges.set(`${state}=${encodeValue(value)}`, next.value);
      else patterns.set(patternKey(id, patterns.size, value), next.value);
    }
    if (edges.size + patterns.size > mostEntries) throw new TooComplex(`need more than ${mostEntries} entries`);
  }

  /** Returns the successor for each value. A candidate without a condition on the dimension remains in all of them. */
  #branchExact(list: readonly Candidate[], dimension: string, room: number): Map<string, Decision> {
    const values = new Set(list.flatMap(({ open }) => valuesOf(open, dimension)));
    checkPrefixes(values);
    const others = without(list, dimension);
    const byValue = new Map<string, Candidate[]>();
    for (const candidate of list) {
      for (const value of valuesOf(candidate.open, dimension)) {
        const same = byValue.get(value);
        const rest = { ...candidate, open: candidate.open.filter((one) => dimensionOf(one) !== dimension) };
        if (same === undefined) byValue.set(value, [rest]);
        else same.push(rest);
      }
    }
    const next = new Map<string, Decision>();
    for (const value of values) {
      const all = [...(byValue.get(value) ?? []), ...others].sort((one, other) => one.index - other.index);
      next.set(value, this.#decide(all, room));
    }
    return next;
  }

  /** Returns the successor for each pattern, if no earlier pattern matches; later ones remain open. */
  #branchRegex(list: readonly Candidate[], dimension: string, room: number): Map<string, Decision> {
    const patterns = [...new Set(list.flatMap(({ open }) => valuesOf(open, dimension)))];
    const next = new Map<string, Decision>();
    const failed = new Set<string>();
    for (const pattern of patterns) {
      const rest = list.flatMap((candidate) => {
        const own = valuesOf(candidate.open, dimension)[0];
        if (own !== undefined && failed.has(own)) return [];
        if (own !== pattern) return [candidate];
        return [{ ...candidate, open: candidate.open.filter((one) => dimensionOf(one) !== dimension) }];
      });
      next.set(pattern, this.#decide(rest, room));
      failed.add(pattern);
    }
    return next;
  }
}

/** Returns the conditions of a rule as tests; of equal names, the first one counts. */
export function testsOf({ path, conditions }: Rule): readonly Test[] {
  const tests = new Map<string, Test>();
  if (path.type === 'regex') tests.set('path', { on: 'path', type: 'regex', value: checkPattern(path.value) });
  const names = new Set<string>();
  for (const condition of conditions) {
    const name = `${condition.on} ${nameOf(condition)}`;
    if (names.has(name)) continue;
    names.add(name);
    tests.set(name, checkCondition(condition));
  }
  // A fixed order lets rules with the same conditions share states.
  return [...tests.values()].sort((one, other) => (dimensionOf(one) < dimensionOf(other) ? -1 : 1));
}

function checkCondition(condition: Condition): Condition {
  const { on, value } = condition;
  if (value === '' || !value.isWellFormed()) throw new UnfitValue(`a ${on} condition has no valid value`);
  if (Buffer.byteLength(value) > longestValue)
    throw new UnfitValue(`value of a ${on} condition of ${value.length} characters: longer than ${longestValue}`);
  if (condition.type === 'regex') checkPattern(value);
  if (on === 'method') return condition;
  // A name is part of a state, and "|" separates the fields of a route: `a|b|c|!N` would set flags of the request.
  const pattern = on === 'header' ? /^[A-Za-z0-9!#$%&'*+.^_`~-]{1,256}$/ : /^[A-Za-z0-9!#$%'*+.^_`~-]{1,256}$/;
  if (!pattern.test(condition.name))
    throw new UnfitValue(`${on} ${JSON.stringify(condition.name.slice(0, 80))}: not a name that a condition can have`);
  return condition;
}

/** Returns the dimension of a test. Exact values and patterns of one header are two dimensions. */
function dimensionOf(test: Test): string {
  return `${kinds[test.on]}${test.type === 'exact' ? '=' : '~'}${nameOf(test)}`;
}

function nameOf(test: Test): string {
  if (test.on === 'method' || test.on === 'path') return names[test.on];
  return test.on === 'header' ? test.name.toLowerCase() : test.name;
}

function valuesOf(open: readonly Test[], dimension: string): readonly string[] {
  const test = open.find((one) => dimensionOf(one) === dimension);
  return test === undefined ? [] : [test.value];
}

/** Throws {@link UnfitValue} if HAProxy cannot distinguish two values: its tree counts bits in a signed 16-bit field. */
function checkPrefixes(values: ReadonlySet<string>): void {
  const known = new Set<string>();
  for (const value of values) {
    const encoded = encodeValue(value);
    if (encoded.length < longestPrefix) continue;
    const prefix = encoded.slice(0, longestPrefix);
    if (known.has(prefix)) throw new UnfitValue(`values of a condition differ only after ${longestPrefix} characters`);
    known.add(prefix);
  }
}

/** Returns the candidates without a condition on the dimension. */
function without(list: readonly Candidate[], dimension: string): readonly Candidate[] {
  return list.filter(({ open }) => open.every((one) => dimensionOf(one) !== dimension));
}

function patternKey(id: string, number: number, pattern: string): string {
  const order = `(?#${String(number).padStart(6, '0')})`;
  // HAProxy compares an absent header or parameter as an empty one, which no pattern may match.
  return `^${id};${order}(?=.{1,${longestSubject}}$)(?:${withoutBlanks(pattern)})$`;
}

/** Replaces blanks, which would end a key. */
export function withoutBlanks(pattern: string): string {
  return pattern.replaceAll(/\\[\s\S]| /g, (part) => (part.endsWith(' ') ? String.raw`\x20` : part));
}
