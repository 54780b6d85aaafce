import { formatDestination } from '../../../base/model/format.ts';
import type { Redirect } from '../../../base/model/redirect.ts';
import { type Finding, recreate } from '../finding.ts';
import { redirectKey } from '../flows.ts';
import { isRedirectLine, readInstalledRedirects } from '../installed.ts';
import type { Observation } from '../observation.ts';

/** So many of one kind are named; the rest are counted. */
const named = 5;

/** How the rules in the kernel differ from what they should be, redirects in the words of their configuration. */
export function findRuleProblems(observation: Observation): Finding[] {
  const { rules, ruleDifferences, state, resolved, desired } = observation;
  // Nothing is known of how they should be.
  if (state.router === undefined) return [];
  if (rules.length === 0 && ruleDifferences.length > 0) {
    return [
      {
        code: 'rules-gone',
        what: `all rules of the router are gone (${state.backend}): it redirects nothing, and its door is open`,
        cure: `${recreate}, and find out who flushes ${state.backend === 'nftables' ? 'the nftables ruleset' : 'iptables'} in the pod`,
      },
    ];
  }
  const wanted = resolved.spec.redirects.redirects.filter(({ target, protocol }) =>
    desired.program.tables.some((one) => one.family === target.family && one.protocol === protocol),
  );
  const others = ruleDifferences.filter((line) => !isRedirectLine(ruleOf(line)));
  return [...compareRedirects(wanted, readInstalledRedirects(rules)), ...describeOthers(others)];
}

function compareRedirects(wanted: readonly Redirect[], installed: readonly Redirect[]): Finding[] {
  const present = new Map(installed.map((one) => [redirectKey(one), one]));
  const known = new Set(wanted.map(redirectKey));
  const missing: string[] = [];
  const changed: string[] = [];
  for (const redirect of wanted) {
    const there = present.get(redirectKey(redirect));
    const words = formatDestination(redirect);
    if (there === undefined) missing.push(words);
    else if (formatDestination(there) !== words) changed.push(`"${words}" is "${formatDestination(there)}"`);
  }
  const foreign = installed.filter((one) => !known.has(redirectKey(one))).map(formatDestination);
  return [
    ...summarise(missing, 'redirect-missing', (list) => `the rule is missing for ${list}: its port is refused`, true),
    ...summarise(changed, 'redirect-changed', (list) => `a redirect leads elsewhere than configured: ${list}`, false),
    ...summarise(
      foreign,
      'redirect-foreign',
      (list) => `somebody added a redirect that is not configured: ${list}`,
      true,
    ),
  ];
}

/** One finding each, up to a limit; behind it one for the rest. */
function summarise(
  items: readonly string[],
  code: Finding['code'],
  say: (list: string) => string,
  quote: boolean,
): Finding[] {
  const findings = items.slice(0, named).map(
    (item): Finding => ({
      code,
      what: say(quote ? `"${item}"` : item),
      cure: recreate,
    }),
  );
  if (items.length > named) findings.push({ code, what: `${say(`${items.length - named} more`)}`, cure: recreate });
  return findings;
}

const kinds = [
  ['rule is missing: ', 'rule-missing'],
  ['rule does not belong: ', 'rule-foreign'],
  ['rules are out of order', 'rule-order'],
] as const;

function describeOthers(differences: readonly string[]): Finding[] {
  return kinds.flatMap(([start, code]): Finding[] => {
    const lines = differences.filter((line) => line.startsWith(start));
    const cure = cureOf(code);
    const [first = ''] = lines;
    // So many have one cause, which the first of them shows as well as all.
    if (lines.length > named) {
      return [{ code, what: `among the router's rules, ${lines.length} like this: ${first}`, cure }];
    }
    return lines.map((line) => ({ code, what: `among the router's rules, ${line}`, cure }));
  });
}

function cureOf(code: 'rule-missing' | 'rule-foreign' | 'rule-order'): string {
  const what = { 'rule-missing': 'removes', 'rule-foreign': 'adds', 'rule-order': 'moves' }[code];
  return `${recreate}, and find out who ${what} rules in the pod`;
}

/** The rule that a line about a difference speaks of. */
function ruleOf(line: string): string {
  return line.replace(/^rule (?:is missing|does not belong): /, '');
}
