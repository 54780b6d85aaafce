import type { Family } from '../model/address.ts';
import { isRecord } from '../read/shape.ts';
import type { Condition, ForeignChain, ForeignHook, ForeignRule, ForeignTable, OwnRules, Verdict } from './chain.ts';
import { type Field, fieldIs, unknown } from './conditions.ts';

const families: Readonly<Record<string, readonly Family[]>> = { ip: [4], ip6: [6], inet: [4, 6] };
const hooks: readonly ForeignHook[] = ['prerouting', 'input', 'forward', 'output', 'postrouting'];
/** Tables with these names are iptables-nft's, and read from its own listing. */
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

/** Reads what `nft -j list ruleset` printed; of tables of ours only whose they are. */
export function readNftables(listing: unknown): { tables: ForeignTable[]; ours: OwnRules[] } {
  const items = isRecord(listing) && Array.isArray(listing.nftables) ? listing.nftables : [];
  const tables = new Map<string, { title: string; families: readonly Family[]; chains: Map<string, MutableChain> }>();
  const ours: OwnRules[] = [];
  for (const item of items) {
    if (!isRecord(item)) continue;
    if (isRecord(item.table)) addTable(item.table, tables, ours);
    if (isRecord(item.chain)) {
      const { family, table, name, hook, policy } = item.chain;
      const known = hooks.find((one) => one === hook);
      tables.get(`${word(family)} ${word(table)}`)?.chains.set(word(name), {
        head: {
          name: word(name),
          policy: policy === 'drop' ? 'drop' : 'accept',
          ...(known !== undefined && { hook: known }),
        },
        rules: [],
      });
    }
    if (isRecord(item.rule)) {
      const { family, table, chain, expr } = item.rule;
      const known = tables.get(`${word(family)} ${word(table)}`)?.chains.get(word(chain));
      if (known !== undefined && Array.isArray(expr)) known.rules.push(readRule(expr));
    }
  }
  return {
    tables: Array.from(tables.values(), ({ title, families: served, chains }) => ({
      title,
      families: served,
      tool: 'nft' as const,
      chains: Array.from(chains.values(), ({ head, rules }) => ({ ...head, rules })),
    })),
    ours,
  };
}

function addTable(
  { family, name, comment }: Record<string, unknown>,
  tables: Map<string, { title: string; families: readonly Family[]; chains: Map<string, MutableChain> }>,
  ours: OwnRules[],
): void {
  const served = families[word(family)];
  const title = word(name);
  if (served === undefined) return;
  if (title.startsWith(ownPrefix) && family === 'inet') {
    const owner = /^egress-router (\S+)$/.exec(word(comment))?.[1];
    ours.push({ backend: 'nftables', name: title.slice(ownPrefix.length), ...(owner !== undefined && { owner }) });
    return;
  }
  if (family !== 'inet' && managed.has(title)) return;
  tables.set(`${word(family)} ${title}`, {
    title: `table ${word(family)} ${title}`,
    families: served,
    chains: new Map(),
  });
}

function readRule(expressions: readonly unknown[]): ForeignRule {
  const conditions: Condition[] = [];
  let verdict: Verdict = { kind: 'none' };
  for (const expression of expressions) {
    if (!isRecord(expression)) continue;
    if (isRecord(expression.match)) conditions.push(readMatch(expression.match));
    else if ('limit' in expression || 'xt' in expression || 'fib' in expression) conditions.push(unknown);
    else verdict = readVerdict(expression) ?? verdict;
  }
  return { text: describeVerdict(verdict), conditions, verdict };
}

function readVerdict(expression: Record<string, unknown>): Verdict | undefined {
  if ('accept' in expression) return { kind: 'accept' };
  if ('drop' in expression || 'reject' in expression) return { kind: 'drop' };
  if ('return' in expression) return { kind: 'return' };
  if ('dnat' in expression || 'redirect' in expression) return { kind: 'accept', translates: true };
  if (['snat', 'masquerade', 'queue'].some((word) => word in expression)) return { kind: 'accept' };
  for (const kind of ['jump', 'goto'] as const) {
    const target = expression[kind];
    if (isRecord(target)) return { kind, chain: word(target.target) };
  }
  return isRecord(expression.vmap) ? readVerdictMap(expression.vmap) : undefined;
}

function readVerdictMap({ key, data }: Record<string, unknown>): Verdict {
  const field = fieldOf(key);
  const entries = isRecord(data) && Array.isArray(data.set) ? data.set : undefined;
  return {
    kind: 'depends',
    choose: (probe) => {
      if (field === undefined || entries === undefined) return undefined;
      for (const entry of entries) {
        if (!Array.isArray(entry) || !isRecord(entry[1])) return undefined;
        const answer = fieldIs(field, valuesOf(entry[0]))(probe);
        if (answer === undefined) return undefined;
        if (answer) return readVerdict(entry[1]) ?? { kind: 'none' };
      }
      return { kind: 'none' };
    },
  };
}

function readMatch({ op, left, right }: Record<string, unknown>): Condition {
  const family = isRecord(left) && isRecord(left.meta) && left.meta.key === 'nfproto' ? word(right) : undefined;
  if (family !== undefined) return (probe) => (family === `ipv${probe.family}`) !== (op === '!=');
  const field = fieldOf(left);
  if (field === undefined || (op !== '==' && op !== '!=' && op !== 'in')) return unknown;
  const values = valuesOf(right);
  if (values.length === 0 || values.some((value) => value.startsWith('@'))) return unknown;
  return andFamily(left, fieldIs(field, values, op === '!='));
}

/** `ip saddr` is false of IPv6, not unknown. */
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

/** A text or number of nft's document; empty for anything else. */
function word(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? `${value}` : '';
}
