import type { Family } from '../model/address.ts';
import type { Condition, ForeignChain, ForeignHook, ForeignRule, ForeignTable, OwnRules, Verdict } from './chain.ts';
import { type Field, fieldIs, unknown } from './conditions.ts';

const hooks: Readonly<Record<string, ForeignHook>> = {
  PREROUTING: 'prerouting',
  INPUT: 'input',
  FORWARD: 'forward',
  OUTPUT: 'output',
  POSTROUTING: 'postrouting',
};

const fields: Readonly<Record<string, Field>> = {
  '-i': 'incoming',
  '-o': 'outgoing',
  '-p': 'protocol',
  '-s': 'source',
  '-d': 'destination',
  '--sport': 'sourcePort',
  '--dport': 'destinationPort',
  '--sports': 'sourcePort',
  '--dports': 'destinationPort',
  '--ctstate': 'state',
  '--state': 'state',
};

/** Targets after which the packet continues with the next rule. */
const passing = new Set([
  'LOG',
  'NFLOG',
  'MARK',
  'CONNMARK',
  'TCPMSS',
  'TRACE',
  'CT',
  'NOTRACK',
  'CONNSECMARK',
  'SECMARK',
]);
/** Further targets that change nothing on which the router depends. */
const harmless = new Set(
  'AUDIT CHECKSUM CLASSIFY DSCP ECN HL IDLETIMER LED RATEEST SET TEE TOS TTL ULOG HMARK'.split(' '),
);
/** Targets that translate the packet and end the chain. */
const translating = new Set(['DNAT', 'SNAT', 'MASQUERADE', 'REDIRECT', 'NETMAP', 'TPROXY']);

/** Splits a saved rule into words. A text in double quotes is one word. */
function splitWords(line: string): string[] {
  return Array.from(line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g), ([, quoted, word]) => quoted ?? word ?? '');
}

/**
 * Parses the output of `iptables-save` or `ip6tables-save`. Our own chains are kept only as markers of their
 * position.
 */
export function readIptables(
  saved: string,
  family: Family,
  tool: string,
): { tables: ForeignTable[]; ours: OwnRules[] } {
  const tables: ForeignTable[] = [];
  const ours = new Map<string, OwnRules>();
  for (const section of saved.split(/^\*/m).slice(1)) {
    const [table = '', ...lines] = section.split('\n');
    const chains = new Map<string, { policy: 'accept' | 'drop'; rules: ForeignRule[] }>();
    for (const line of lines) {
      const head = /^:(\S+) (\S+)/.exec(line);
      if (head !== null) chains.set(head[1] ?? '', { policy: head[2] === 'DROP' ? 'drop' : 'accept', rules: [] });
      if (!line.startsWith('-A ')) continue;
      const words = splitWords(line);
      const own = /^ER-(.+)-(?:FORWARD|INPUT|PRE|OUTPUT|POST)$/.exec(words.at(-1) ?? '')?.[1];
      const owner = /--comment "egress-router ([^"]+)"/.exec(line)?.[1];
      if (own !== undefined && !line.startsWith('-A ER-')) {
        ours.set(own, { backend: 'iptables', name: own, ...(owner !== undefined && { owner }) });
      }
      if (!line.startsWith('-A ER-')) chains.get(words[1] ?? '')?.rules.push(readRule(line, words.slice(2)));
    }
    tables.push({
      title: `${tool} -t ${table.trim()}`,
      families: [family],
      tool: 'iptables',
      chains: Array.from(chains, ([name, { policy, rules }]): ForeignChain => {
        const hook = hooks[name];
        const known = rules.map((rule) => markOpaque(rule, chains));
        if (hook === undefined) return { name, policy, rules: known };
        return { name, policy, rules: known, hook, ...placeOf(table.trim(), hook) };
      }),
    });
  }
  return { tables, ours: [...ours.values()] };
}

/** A target that is neither known nor a chain of the table is an extension, whose effect the listing does not tell. */
function markOpaque(rule: ForeignRule, chains: ReadonlyMap<string, unknown>): ForeignRule {
  const { verdict } = rule;
  if (!('chain' in verdict) || chains.has(verdict.chain) || verdict.chain.startsWith('ER-')) return rule;
  return { ...rule, verdict: { kind: 'none' }, isOpaque: true };
}

const priorities: Readonly<Record<string, number>> = { raw: -300, mangle: -150, filter: 0, security: 50 };

/** Returns type and priority of a built-in chain (`linux/netfilter_ipv4.h`). */
function placeOf(table: string, hook: ForeignHook): Pick<ForeignChain, 'isNat' | 'priority'> {
  if (table === 'nat') return { isNat: true, priority: hook === 'prerouting' || hook === 'output' ? -100 : 100 };
  const priority = priorities[table];
  return priority === undefined ? {} : { priority };
}

function readRule(text: string, words: readonly string[]): ForeignRule {
  const conditions: Condition[] = [];
  const ports: string[] = [];
  let verdict: Verdict = { kind: 'none' };
  let negated = false;
  let untracks = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    const next = words[at + 1] ?? '';
    const field = fields[word];
    if (word === '!') negated = true;
    else if (field !== undefined) {
      conditions.push(fieldIs(field, next.split(','), negated));
      if (field === 'destinationPort') ports.push(...(negated ? ['1-65535'] : next.split(',')));
      negated = false;
      at++;
    } else if (word === '--dst-type' && next === 'LOCAL') {
      const isOther = negated;
      conditions.push(({ isLocal }) => (isLocal === undefined ? undefined : isLocal !== isOther));
      negated = false;
      at++;
    } else if (word === '-m' || word === '--comment') at++;
    else if (word === '-j' || word === '-g') {
      verdict = readTarget(word, next);
      untracks = next === 'NOTRACK' || (next === 'CT' && words.includes('--notrack', at));
      // The remaining words are options of the target.
      break;
    } else if (word.startsWith('-')) {
      conditions.push(unknown);
      negated = false;
    }
  }
  return { text, conditions, verdict, ...(ports.length > 0 && { ports }), ...(untracks && { untracks }) };
}

function readTarget(word: string, target: string): Verdict {
  if (['DNAT', 'REDIRECT', 'NETMAP', 'TPROXY'].includes(target)) return { kind: 'accept', translates: true };
  if (translating.has(target)) return { kind: 'accept', translatesSource: true };
  if (target === 'ACCEPT') return { kind: 'accept' };
  if (target === 'DROP' || target === 'REJECT') return { kind: 'drop' };
  if (target === 'RETURN') return { kind: 'return' };
  if (passing.has(target) || harmless.has(target)) return { kind: 'none' };
  return { kind: word === '-g' ? 'goto' : 'jump', chain: target };
}
