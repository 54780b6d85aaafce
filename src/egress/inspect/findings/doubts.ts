import type { ForeignRule, ForeignTable } from '../../../base/firewall/chain.ts';
import type { Possibility } from '../../../base/firewall/walk.ts';
import { inNamespace } from '../finding.ts';
import type { Observation } from '../observation.ts';
import { showRules } from './foreign.ts';

/** Maximum number of rules that are named. */
const mostNamed = 20;

interface Doubt {
  readonly table: ForeignTable;
  readonly chain: string;
  readonly rule: ForeignRule;
  readonly isOnNode: boolean;
  /** Whether it may drop packets. Others may change them. */
  readonly drops: boolean;
  readonly what: Set<string>;
}

/** Collects rules of other programs that may change the router's connections. */
export class Doubts {
  readonly #doubts = new Map<string, Doubt>();

  add(table: ForeignTable, { chain, rule, verdict }: Possibility, what: string, isOnNode: boolean): void {
    const key = `${isOnNode} ${table.title} ${chain} ${rule.text}`;
    const known = this.#doubts.get(key) ?? {
      table,
      chain,
      rule,
      isOnNode,
      drops: verdict?.kind === 'drop',
      what: new Set<string>(),
    };
    known.what.add(what);
    this.#doubts.set(key, known);
  }

  /** Returns one sentence for each rule. */
  list({ netns }: Observation): string[] {
    const all = [...this.#doubts.values()];
    const lines = all.slice(0, mostNamed).map(({ table, chain, rule, isOnNode, drops, what }) => {
      const [first = ''] = what;
      const rest = what.size > 1 ? ` and ${what.size - 1} more` : '';
      const command = showRules(table);
      const cure = isOnNode ? `run "${command}" on the node` : inNamespace(netns, command);
      const why = rule.isOpaque === true ? 'its effect' : 'whether it applies';
      return (
        `a rule of another program ${isOnNode ? 'on the node' : 'in the pod'} may ${drops ? 'drop' : 'change'} connections (${first}${rest}), ` +
        `because ${why} cannot be read from the listing: ${table.title}, chain ${chain}, "${rule.text}"; to list the rules, ${cure}`
      );
    });
    const more = all.length - lines.length;
    return more === 0 ? lines : [...lines, `${more} more rules of other programs may change or drop connections`];
  }
}
