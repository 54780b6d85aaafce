import { formatDestination } from '../../../base/model/format.ts';
import type { Redirect } from '../../../base/model/redirect.ts';
import { differenceStarts, ruleOfDifference } from '../../model/rule-difference.ts';
import { type Finding, recreate } from '../finding.ts';
import { redirectKey } from '../flows.ts';
import { isRedirectLine, readInstalledRedirects } from '../installed.ts';
import type { Observation } from '../observation.ts';

/** How many findings of one kind are listed; the rest are counted. */
const named = 5;

/** Compares the installed rules with the desired ones; redirects are shown in the form of their configuration. */
export function findRuleProblems(observation: Observation): Finding[] {
  const { rules, ruleDifferences, state, resolved, desired } = observation;
  // Without a record of the router, the desired rules are unknown.
  if (state.router === undefined) return [];
  if (rules.length === 0 && ruleDifferences.length > 0) {
    return [
      {
        code: 'rules-gone',
        what: `all of the router's rules are gone (${state.backend}), so it redirects and filters nothing`,
        cure: `${recreate}, and find out what flushes ${state.backend === 'nftables' ? 'the nftables ruleset' : 'iptables'} in the pod`,
      },
    ];
  }
  const wanted = resolved.spec.redirects.redirects.filter(({ target, protocol }) =>
    desired.program.tables.some((one) => one.family === target.family && one.protocol === protocol),
  );
  const others = ruleDifferences.filter((line) => !isRedirectLine(ruleOfDifference(line)));
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
    else if (formatDestination(there) !== words)
      changed.push(`"${words}" is installed as "${formatDestination(there)}"`);
  }
  const foreign = installed.filter((one) => !known.has(redirectKey(one))).map(formatDestination);
  return [
    ...summarise(
      missing,
      'redirect-missing',
      (list) => `the rule for ${list} is missing, so connections to its port are refused`,
      true,
    ),
    ...summarise(
      changed,
      'redirect-changed',
      (list) => `an installed redirect differs from its configuration: ${list}`,
      false,
    ),
    ...summarise(foreign, 'redirect-foreign', (list) => `an installed redirect is not configured: ${list}`, true),
  ];
}

/** Returns a finding for each item up to the limit, and one for the rest. */
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
  [differenceStarts.missing, 'rule-missing'],
  [differenceStarts.foreign, 'rule-foreign'],
  [differenceStarts.order, 'rule-order'],
] as const;

function describeOthers(differences: readonly string[]): Finding[] {
  return kinds.flatMap(([start, code]): Finding[] => {
    const lines = differences.filter((line) => line.startsWith(start));
    const cure = cureOf(code);
    const [first = ''] = lines;
    // Many differences of one kind have one cause, which the first one shows.
    if (lines.length > named) {
      return [{ code, what: `${lines.length} of the router's rules differ, the first one: ${first}`, cure }];
    }
    return lines.map((line) => ({ code, what: `the router's rules differ: ${line}`, cure }));
  });
}

function cureOf(code: 'rule-missing' | 'rule-foreign' | 'rule-order'): string {
  const what = { 'rule-missing': 'removes', 'rule-foreign': 'adds', 'rule-order': 'moves' }[code];
  return `${recreate}, and find out what ${what} rules in the pod`;
}
