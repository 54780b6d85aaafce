import type { Family } from '../model/address.ts';
import { isRecord } from '../read/shape.ts';
import type { Condition, ForeignChain, ForeignHook, ForeignRule, ForeignTable, OwnRules, Verdict } from './chain.ts';
import { type Field, fieldIs, unknown } from './conditions.ts';

const families: Readonly<Record<string, readonly Family[]>> = { ip: [4], ip6: [6], inet: [4, 6] };
const hooks: readonly ForeignHook[] = ['prerouting', 'input', 'forward', 'output', 'postrouting'];
/** Tables that iptables-nft creates. They are read from the listing of iptables instead. */
const managed = new Set(['filter', 'nat', 'mangle', 'raw', 'security']);
const ownPrefix = 'egress-router-';

const metaFields: Readonly<Record<string, Field>> = {
  iifname: 'incoming',
  oifname: 'outgoing',
  iif: 'incoming',
  oif: 'outgoing',
  l4proto: 'protocol',
};
const payloadFields: Readonly<Record<string, Field>> = {
  saddr: 'source',
  daddr: 'destination',
  sport: 'sourcePort',
  dport: 'destinationPort',
  protocol: 'protocol',
  nexthdr: 'protocol',
};

interface MutableChain {
  readonly head: Omit<ForeignChain, 'rules'>;
  readonly rules: ForeignRule[];
}

interface MutableTable {
  readonly title: string;
  readonly families: readonly Family[];
  readonly chains: Map<string, MutableChain>;
  readonly order?: number;
}

/** Parses the output of `nft -j list ruleset`. Of our own tables it returns only the owner. */
export function readNftables(listing: unknown): { tables: ForeignTable[]; ours: OwnRules[] } {
  const items = isRecord(listing) && Array.isArray(listing.nftables) ? listing.nftables : [];
  const tables = new Map<string, MutableTable>();
  const ours: OwnRules[] = [];
  const named = readNamedElements(items);
  for (const item of items) {
    if (!isRecord(item)) continue;
    if (isRecord(item.table)) addTable(item.table, tables, ours);
    if (isRecord(item.chain)) {
      const { family, table, name, hook, policy, type, prio } = item.chain;
      const known = hooks.find((one) => one === hook);
      tables.get(`${word(family)} ${word(table)}`)?.chains.set(word(name), {
        head: {
          name: word(name),
          policy: policy === 'drop' ? 'drop' : 'accept',
          ...(known !== undefined && { hook: known }),
          ...(type === 'nat' && { isNat: true as const }),
          ...(typeof prio === 'number' && { priority: prio }),
        },
        rules: [],
      });
    }
    if (isRecord(item.rule)) {
      const { family, table, chain, expr } = item.rule;
      const known = tables.get(`${word(family)} ${word(table)}`)?.chains.get(word(chain));
      if (known === undefined || !Array.isArray(expr)) continue;
      const elementsOf = (name: string) => named.get(`${word(family)} ${word(table)} ${name}`);
      known.rules.push(readRule(expr, elementsOf));
    }
  }
  return {
    tables: Array.from(tables.values(), ({ title, families: served, chains, order }) => ({
      title,
      ...(order !== undefined && { order }),
      families: served,
      tool: 'nft' as const,
      chains: Array.from(chains.values(), ({ head, rules }) => ({ ...head, rules })),
    })),
    ours,
  };
}

/** Returns the handles of the tables in a listing, such as `ip nat`. Tables that were created later have higher ones. */
export function readTableHandles(listing: unknown): ReadonlyMap<string, number> {
  const items = isRecord(listing) && Array.isArray(listing.nftables) ? listing.nftables : [];
  const handles = new Map<string, number>();
  for (const item of items) {
    const { family, name, handle } = isRecord(item) && isRecord(item.table) ? item.table : {};
    if (typeof handle === 'number') handles.set(`${word(family)} ${word(name)}`, handle);
  }
  return handles;
}

function addTable(
  { family, name, comment, handle }: Record<string, unknown>,
  tables: Map<string, MutableTable>,
  ours: OwnRules[],
): void {
  const served = families[word(family)];
  const title = word(name);
  if (served === undefined) return;
  if (title.startsWith(ownPrefix) && family === 'inet') {
    const owner = /^egress-router (\S+)$/.exec(word(comment))?.[1];
    ours.push({
      backend: 'nftables',
      name: title.slice(ownPrefix.length),
      ...(owner !== undefined && { owner }),
      ...(typeof handle === 'number' && { order: handle }),
    });
    return;
  }
  if (family !== 'inet' && managed.has(title)) return;
  tables.set(`${word(family)} ${title}`, {
    title: `table ${word(family)} ${title}`,
    families: served,
    chains: new Map(),
    ...(typeof handle === 'number' && { order: handle }),
  });
}

/** Returns the elements of a named set or map, or undefined if the listing does not contain them. */
type ElementsOf = (name: string) => readonly unknown[] | undefined;

/** Returns the elements of every named set and map of a listing by family, table and name. */
function readNamedElements(items: readonly unknown[]): ReadonlyMap<string, readonly unknown[]> {
  const named = new Map<string, readonly unknown[]>();
  for (const item of items) {
    const one = isRecord(item) ? (item.set ?? item.map) : undefined;
    if (!isRecord(one)) continue;
    named.set(`${word(one.family)} ${word(one.table)} ${word(one.name)}`, Array.isArray(one.elem) ? one.elem : []);
  }
  return named;
}

/** Returns the elements of `{ … }` or `@name`, or undefined if they are unknown. */
function elementsIn(value: unknown, elementsOf: ElementsOf): readonly unknown[] | undefined {
  if (isRecord(value) && Array.isArray(value.set)) return value.set;
  return typeof value === 'string' && value.startsWith('@') ? elementsOf(value.slice(1)) : undefined;
}

/** Statements that name a rule better than its verdict does. */
const actions = ['dnat', 'redirect', 'snat', 'masquerade', 'notrack', 'tproxy', 'queue'] as const;

/** Statements that change nothing on which the router depends. */
const harmless = new Set([
  'counter',
  'log',
  'set',
  'map',
  'meter',
  'last',
  'secmark',
  'comment',
  'ct helper',
  'ct timeout',
  'ct expectation',
  'flow',
]);

/** Statements that match or not by a value that only the kernel has. */
const limits = ['limit', 'quota', 'ct count', 'fib', 'synproxy'] as const;

/** Statements that {@link readVerdict} understands. */
const verdicts = new Set(
  'accept drop reject return continue dnat redirect snat masquerade tproxy notrack jump goto vmap'.split(' '),
);

function readRule(expressions: readonly unknown[], elementsOf: ElementsOf): ForeignRule {
  const conditions: Condition[] = [];
  const ports: string[] = [];
  let verdict: Verdict = { kind: 'none' };
  let action: string | undefined;
  let isOpaque = false;
  for (const expression of expressions) {
    if (!isRecord(expression)) continue;
    action = actions.find((one) => one in expression) ?? action;
    if (isRecord(expression.match)) {
      const { op, left, right } = expression.match;
      conditions.push(readMatch(expression.match, elementsOf));
      const keys = elementsIn(right, elementsOf) ?? [right];
      ports.push(...(op === '!=' && portsOf(left, keys).length > 0 ? ['1-65535'] : portsOf(left, keys)));
      continue;
    }
    if (limits.some((one) => one in expression)) {
      conditions.push(unknown);
      continue;
    }
    const kinds = Object.keys(expression);
    if ('xt' in expression) {
      conditions.push(unknown);
      if (!isRecord(expression.xt) || expression.xt.type !== 'match') isOpaque = true;
      continue;
    }
    // Changed fields of a packet translate it as well; marks and priorities do not.
    const { key: mangled } = isRecord(expression.mangle) ? expression.mangle : {};
    const isHarmless = (kind: string): boolean =>
      harmless.has(kind) || verdicts.has(kind) || (kind === 'mangle' && !(isRecord(mangled) && 'payload' in mangled));
    if (!kinds.every(isHarmless)) isOpaque = true;
    verdict = readVerdict(expression, elementsOf) ?? verdict;
    for (const { key, data } of mapsOf(expression)) {
      const keys = elementsIn(data, elementsOf)?.map(keyOf);
      // If the map does not contain the key, the kernel stops evaluating the rule.
      if (!('vmap' in expression)) conditions.push(keys === undefined ? unknown : isKey(key, keys));
      ports.push(...portsOf(key, keys ?? []));
    }
  }
  return {
    text: action ?? (isOpaque && verdict.kind === 'none' ? listStatements(expressions) : describeVerdict(verdict)),
    conditions,
    verdict,
    ...(ports.length > 0 && { ports }),
    ...(action === 'notrack' && { untracks: true as const }),
    ...(isOpaque && { isOpaque: true as const }),
  };
}

/** Names the statements of a rule. */
function listStatements(expressions: readonly unknown[]): string {
  return expressions.flatMap((one) => (isRecord(one) ? Object.keys(one) : [])).join(' ');
}

/** Returns the maps that an expression looks up, such as `dnat to tcp dport map { … }` or `vmap @name`. */
function mapsOf(value: unknown): { readonly key: unknown; readonly data: unknown }[] {
  if (Array.isArray(value)) return value.flatMap(mapsOf);
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    (name === 'map' || name === 'vmap') && isRecord(inner) ? [{ key: inner.key, data: inner.data }] : mapsOf(inner),
  );
}

/** Returns the key of a map element without its comment and timeout. */
function keyOf(element: unknown): unknown {
  const key = Array.isArray(element) ? element[0] : element;
  return isRecord(key) && isRecord(key.elem) ? key.elem.val : key;
}

/** Returns the destination ports among the keys of a match or a map. */
function portsOf(left: unknown, keys: readonly unknown[]): string[] {
  const parts = isRecord(left) && Array.isArray(left.concat) ? left.concat : undefined;
  if (parts === undefined) return fieldOf(left) === 'destinationPort' ? keys.map(keyOf).flatMap(valuesOf) : [];
  const at = parts.findIndex((part) => fieldOf(part) === 'destinationPort');
  if (at < 0) return [];
  return keys.map(keyOf).flatMap((key) => (isRecord(key) && Array.isArray(key.concat) ? valuesOf(key.concat[at]) : []));
}

/** Returns a condition: the value of an expression is one of these keys. */
function isKey(left: unknown, keys: readonly unknown[]): Condition {
  const parts = isRecord(left) && Array.isArray(left.concat) ? left.concat : [left];
  const choices = keys.map((key) => {
    const values = parts.length > 1 && isRecord(key) && Array.isArray(key.concat) ? key.concat : [key];
    return parts.map((part, index) => compareField(part, valuesOf(values[index]), false));
  });
  return (probe) => {
    let mayBe = false;
    for (const choice of choices) {
      const answers = choice.map((condition) => condition(probe));
      if (answers.every((answer) => answer === true)) return true;
      if (!answers.includes(false)) mayBe = true;
    }
    return mayBe ? undefined : false;
  };
}

function readVerdict(expression: Record<string, unknown>, elementsOf: ElementsOf): Verdict | undefined {
  if ('accept' in expression) return { kind: 'accept' };
  if ('drop' in expression || 'reject' in expression) return { kind: 'drop' };
  if ('return' in expression) return { kind: 'return' };
  if ('dnat' in expression || 'redirect' in expression || 'tproxy' in expression)
    return { kind: 'accept', translates: true };
  if ('snat' in expression || 'masquerade' in expression) return { kind: 'accept', translatesSource: true };
  for (const kind of ['jump', 'goto'] as const) {
    const target = expression[kind];
    if (isRecord(target)) return { kind, chain: word(target.target) };
  }
  return isRecord(expression.vmap) ? readVerdictMap(expression.vmap, elementsOf) : undefined;
}

function readVerdictMap({ key, data }: Record<string, unknown>, elementsOf: ElementsOf): Verdict {
  const entries = elementsIn(data, elementsOf)?.flatMap((entry) => {
    if (!Array.isArray(entry) || !isRecord(entry[1])) return [];
    const verdict = readVerdict(entry[1], elementsOf) ?? { kind: 'none' as const };
    return [{ holds: isKey(key, [keyOf(entry)]), verdict }];
  });
  return {
    kind: 'depends',
    choose: (probe) => {
      if (entries === undefined) return undefined;
      for (const { holds, verdict } of entries) {
        const answer = holds(probe);
        if (answer === undefined) return undefined;
        if (answer) return verdict;
      }
      return { kind: 'none' };
    },
    choices: entries?.map(({ holds, verdict }) => ({ condition: holds, verdict })) ?? [],
  };
}

function readMatch({ op, left, right }: Record<string, unknown>, elementsOf: ElementsOf): Condition {
  const family = isRecord(left) && isRecord(left.meta) && left.meta.key === 'nfproto' ? word(right) : undefined;
  if (family !== undefined) return (probe) => (family === `ipv${probe.family}`) !== (op === '!=');
  const fib = isRecord(left) && isRecord(left.fib) ? left.fib : {};
  if (fib.result === 'type' && [fib.flags].flat().map(word).join() === 'daddr' && right === 'local') {
    return ({ isLocal }) => (isLocal === undefined ? undefined : isLocal !== (op === '!='));
  }
  if (op !== '==' && op !== '!=' && op !== 'in') return unknown;
  const elements = typeof right === 'string' && right.startsWith('@') ? elementsIn(right, elementsOf) : undefined;
  if (isRecord(left) && Array.isArray(left.concat)) {
    const keys = elements ?? elementsIn(right, elementsOf) ?? [right];
    const holds = isKey(left, keys.map(keyOf));
    return (probe) => {
      const answer = holds(probe);
      return answer === undefined ? undefined : answer !== (op === '!=');
    };
  }
  if (elements?.length === 0) return () => op === '!=';
  return compareField(left, (elements ?? [right]).map(keyOf).flatMap(valuesOf), op === '!=');
}

function compareField(left: unknown, values: readonly string[], negated: boolean): Condition {
  const field = fieldOf(left);
  if (field === undefined || values.length === 0 || values.some((value) => value.startsWith('@'))) return unknown;
  return andFamily(left, fieldIs(field, values, negated));
}

/** `ip saddr` does not match IPv6 packets: the answer is false, not unknown. */
function andFamily(left: unknown, condition: Condition): Condition {
  const protocol = isRecord(left) && isRecord(left.payload) ? left.payload.protocol : undefined;
  if (protocol === 'ip') return (probe) => probe.family === 4 && condition(probe);
  if (protocol === 'ip6') return (probe) => probe.family === 6 && condition(probe);
  if (protocol === 'tcp' || protocol === 'udp' || protocol === 'sctp') {
    return (probe) => probe.protocol === protocol && condition(probe);
  }
  return condition;
}

function fieldOf(left: unknown): Field | undefined {
  if (!isRecord(left)) return undefined;
  if (isRecord(left.meta)) return metaFields[word(left.meta.key)];
  if (isRecord(left.ct)) return left.ct.key === 'state' || left.ct.key === 'status' ? 'state' : undefined;
  return isRecord(left.payload) ? payloadFields[word(left.payload.field)] : undefined;
}

function valuesOf(right: unknown): string[] {
  if (typeof right === 'string' || typeof right === 'number') return [`${right}`];
  if (Array.isArray(right)) return right.flatMap(valuesOf);
  if (!isRecord(right)) return [];
  if (Array.isArray(right.set)) return right.set.flatMap(valuesOf);
  if (Array.isArray(right.range)) return [right.range.map(word).join('-')];
  if (isRecord(right.prefix)) return [`${word(right.prefix.addr)}/${word(right.prefix.len)}`];
  return [];
}

function describeVerdict(verdict: Verdict): string {
  return 'chain' in verdict ? `${verdict.kind} ${verdict.chain}` : verdict.kind;
}

/** Returns a string or number of nft's JSON as text, and an empty string for anything else. */
function word(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? `${value}` : '';
}
