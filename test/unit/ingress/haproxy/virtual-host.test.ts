import assert from 'node:assert/strict';
import fc from 'fast-check';
import { longestChain, TooComplex } from '../../../../src/ingress/haproxy/decision-graph.ts';
import { encodeValue } from '../../../../src/ingress/haproxy/encode.ts';
import { mark } from '../../../../src/ingress/haproxy/paths.ts';
import type { Condition, Rule } from '../../../../src/ingress/haproxy/rule.ts';
import { compileHost, type HostEntries } from '../../../../src/ingress/haproxy/virtual-host.ts';

interface Request {
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, string>>;
}

const key = '10.0.0.1:80|shop.test';
const routeOf = (backend: string) => backend;

/** Follows the entries as HAProxy's rules do. */
function follow({ paths, edges, patterns }: HostEntries, request: Request): string {
  const subject = `${key}${request.path}/${mark}`;
  const longest = [...paths.keys()].filter((one) => subject.startsWith(one)).sort((a, b) => b.length - a.length)[0];
  let value = longest === undefined ? 'answer_404' : (paths.get(longest) ?? '');
  for (let step = 0; /^[?~]/.test(value); step++) {
    assert.ok(step < longestChain, 'the chain is too long for the rules of HAProxy');
    const [kind = '', id = '', name = ''] = value.split('/');
    const headers = { ':m': request.method, ':p': request.path, ...request.headers };
    const seen = (kind.endsWith('q') ? request.params[name] : new Map(Object.entries(headers)).get(name)) ?? '';
    const sorted = [...patterns].sort(([one], [other]) => (one < other ? -1 : 1));
    const next = kind.startsWith('?')
      ? edges.get(`${value}=${encodeValue(seen)}`)
      : sorted.find(([pattern]) => new RegExp(pattern.replace(/\(\?#\d+\)/, '')).test(`${id};${seen}`))?.[1];
    value = next ?? edges.get(`${value}!`) ?? 'broken';
  }
  return value;
}

/** The first rule in order that matches. */
function evaluate(rules: readonly Rule[], request: Request): string {
  const found = rules.find(
    ({ path, conditions }) => fitsPath(path, request.path) && conditions.every((one) => holds(one, request)),
  );
  return found?.target.kind === 'backend' ? found.target.backend : 'answer_404';
}

function fitsPath({ type, value }: Rule['path'], path: string): boolean {
  if (type === 'exact') return path === value;
  if (type === 'regex') return new RegExp(`^(?:${value})$`).test(path);
  const prefix = value.replace(/\/+$/, '');
  return path === prefix || path.startsWith(`${prefix}/`);
}

function holds(condition: Condition, { method, headers, params }: Request): boolean {
  if (condition.on === 'method') return method === condition.value;
  const seen = condition.on === 'header' ? headers[condition.name.toLowerCase()] : params[condition.name];
  if (seen === undefined) return false;
  return condition.type === 'exact' ? seen === condition.value : new RegExp(`^(?:${condition.value})$`).test(seen);
}

/** Exact paths first, then regular expressions, then prefixes by length, as the planner sorts them. */
function sort(rules: readonly Rule[]): readonly Rule[] {
  const rank = { exact: 0, regex: 1, prefix: 2 };
  return rules.toSorted(
    ({ path: one }, { path: other }) =>
      rank[one.type] - rank[other.type] ||
      other.value.replace(/\/+$/, '').length - one.value.replace(/\/+$/, '').length,
  );
}

const values = fc.constantFrom('a', 'b c', 'ä"\\;', '%41', 'x'.repeat(300));
const paths = fc
  .array(fc.constantFrom('a', 'b', 'ab', 'a|b', "';"), { maxLength: 3 })
  .map((parts) => `/${parts.join('/')}`);
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({
    on: fc.constant('method' as const),
    type: fc.constant('exact' as const),
    value: fc.constantFrom('GET', 'PUT'),
  }),
  fc.record({
    on: fc.constantFrom('header' as const, 'param' as const),
    name: fc.constantFrom('x-one', 'x-two', 'three'),
    type: fc.constant('exact' as const),
    value: values,
  }),
  fc.record({
    on: fc.constantFrom('header' as const, 'param' as const),
    name: fc.constantFrom('x-one', 'three'),
    type: fc.constant('regex' as const),
    value: fc.constantFrom('[ab].*', 'x+', 'a|b c', '.*'),
  }),
);
const rule = fc.record({
  path: fc.oneof(
    fc.record({
      type: fc.constantFrom('exact' as const, 'prefix' as const),
      value: fc.oneof(
        paths,
        paths.map((one) => `${one}/`),
      ),
    }),
    fc.record({ type: fc.constant('regex' as const), value: fc.constantFrom('/a.*', '/.*b', '/[^/]+') }),
  ),
  conditions: fc.uniqueArray(condition, {
    maxLength: 3,
    selector: (one) => (one.on === 'method' ? '' : `${one.on} ${one.name}`),
  }),
});
const request: fc.Arbitrary<Request> = fc.record({
  path: fc.oneof(
    paths,
    paths.map((one) => `${one}/`),
  ),
  method: fc.constantFrom('GET', 'PUT', 'POST'),
  headers: fc.dictionary(fc.constantFrom('x-one', 'x-two', 'three'), values),
  params: fc.dictionary(fc.constantFrom('x-one', 'x-two', 'three'), values),
});

function makeRules(count: number, make: (index: number) => Omit<Rule, 'target'>): Rule[] {
  return Array.from({ length: count }, (_, index) => ({
    ...make(index),
    target: { kind: 'backend', backend: `be${index}` },
  }));
}

function compileUnlessComplex(rules: readonly Rule[]): HostEntries | undefined {
  try {
    return compileHost({ key, listener: 'g/l', rules }, routeOf);
  } catch (error) {
    if (error instanceof TooComplex) return undefined;
    throw error;
  }
}

describe('compileHost', () => {
  it('decides as the first matching rule does', () => {
    let compiled = 0;
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 7 }),
        fc.array(request, { minLength: 1, maxLength: 20 }),
        (some, requests) => {
          const rules = sort(
            some.map((one, index) => ({ ...one, target: { kind: 'backend', backend: `be${index}` } })),
          );
          const entries = compileUnlessComplex(rules);
          if (entries === undefined) return;
          compiled++;
          for (const one of requests) assert.equal(follow(entries, one), evaluate(rules, one));
        },
      ),
      { numRuns: 1000 },
    );
    assert.ok(compiled > 800, `only ${compiled} of 1000 sets of rules compile`);
  });

  it('uses the route itself for a path without conditions', () => {
    const entries = compileHost(
      { key, listener: 'g/l', rules: makeRules(1, () => ({ path: { type: 'prefix', value: '/' }, conditions: [] })) },
      routeOf,
    );
    assert.deepEqual([[...entries.paths], entries.edges.size], [[[`${key}/`, 'be0']], 0]);
  });

  it('needs states in proportion to the rules, not to the combinations of their values', () => {
    const names = ['one', 'two', 'three', 'four'];
    const rules = makeRules(40, (index) => ({
      path: { type: 'prefix', value: '/' },
      conditions: [{ on: 'header', name: names[index % 4] ?? '', type: 'exact', value: `v${index}` }],
    }));
    const { edges } = compileHost({ key, listener: 'g/l', rules }, routeOf);
    assert.ok(edges.size < 15_000, `${edges.size} entries`);
  });

  it('rejects values that HAProxy cannot distinguish', () => {
    const make = (length: number, ...ends: readonly string[]) =>
      makeRules(ends.length, (index) => ({
        path: { type: 'prefix', value: '/' },
        conditions: [{ on: 'header', name: 'x', type: 'exact', value: `${'ä'.repeat(length)}${ends[index]}` }],
      }));
    const compile = (rules: readonly Rule[]) => compileHost({ key, listener: 'g/l', rules }, routeOf);
    compile(make(616, 'a', 'b'));
    compile(make(617, 'a'));
    assert.throws(() => compile(make(617, 'a', 'b')), /differ only after 3700 characters/);
  });

  it('rejects conditions that need too many decisions', () => {
    const wide = makeRules(2000, (index) => ({
      path: { type: 'prefix', value: '/' },
      conditions: [{ on: 'header', name: 'x', type: 'exact', value: `v${index}` }],
    }));
    const deep = makeRules(1, () => ({
      path: { type: 'prefix', value: '/' },
      conditions: Array.from({ length: 16 }, (_, index) => ({
        on: 'header',
        name: `x${index}`,
        type: 'exact',
        value: 'v',
      })),
    }));
    const many = makeRules(60, (index) => ({
      path: { type: 'prefix', value: '/' },
      conditions: [0, 1, 2].map((part) => ({
        on: 'header',
        name: `x${(index * 7 + part * 3) % 11}`,
        type: 'exact',
        value: `v${index % 5}`,
      })),
    }));
    for (const rules of [wide, deep, many])
      assert.throws(() => compileHost({ key, listener: 'g/l', rules }, routeOf), TooComplex);
  });

  it('rejects many rules whose conditions must be compared again for every path', () => {
    const conditional = makeRules(2700, (index) => ({
      path: { type: 'prefix', value: '/' },
      conditions: [index % 9, (index + 1 + (Math.trunc(index / 9) % 8)) % 9].map((header) => ({
        on: 'header',
        name: `x${header}`,
        type: 'exact',
        value: 'v',
      })),
    }));
    const plain = makeRules(20, (index) => ({ path: { type: 'prefix', value: `/${index}` }, conditions: [] }));
    // In an order that leaves all conditions to decide for every path.
    const rules = [...conditional, ...plain];
    assert.throws(() => compileHost({ key, listener: 'g/l', rules }, routeOf), /comparisons/);
  });

  for (const on of ['header', 'param'] as const) {
    it(`rejects the name of a ${on} that would be read as fields of a route`, () => {
      const rules = makeRules(1, () => ({
        path: { type: 'prefix', value: '/' },
        conditions: [{ on, name: 'a|b|c|!N', type: 'exact', value: 'v' }],
      }));
      assert.throws(
        () => compileHost({ key, listener: 'g/l', rules }, routeOf),
        /not a name that a condition can have/,
      );
    });
  }

  it('gives states of another host other names', () => {
    const rules = makeRules(1, () => ({
      path: { type: 'prefix', value: '/' },
      conditions: [{ on: 'method', type: 'exact', value: 'GET' }],
    }));
    const [one, other] = [key, '10.0.0.1:80|*.test'].map((name) =>
      compileHost({ key: name, listener: 'g/l', rules }, routeOf),
    );
    assert.deepEqual(
      [...(one?.edges.keys() ?? [])].filter((name) => other?.edges.has(name)),
      [],
    );
  });
});
