import { chainPrefix, type IptablesTable, iptablesTables } from './lower.ts';

/** Our part of the output of `iptables-save`, by table. */
export interface SavedRules {
  readonly tables: readonly SavedTable[];
}

/** Our part of one table. */
export interface SavedTable {
  readonly table: IptablesTable;
  readonly chains: readonly string[];
  /** Rules of built-in chains that jump to our chains, as saved: `-A FORWARD …`. */
  readonly hooks: readonly string[];
  /** Rules in our chains, as saved. */
  readonly rules: readonly string[];
}

/** Extracts the chains of a program from the output of `iptables-save`. */
export function readSavedRules(saved: string, program: string): SavedRules {
  const ours = `${chainPrefix}${program}-`;
  const tables: SavedTable[] = [];
  for (const section of saved.split(/^\*/m).slice(1)) {
    const lines = section.split('\n');
    const table = iptablesTables.find((name) => name === lines[0]);
    if (table === undefined) continue;
    const chains = lines.filter((line) => line.startsWith(`:${ours}`)).map((line) => line.slice(1, line.indexOf(' ')));
    const rules = lines.filter((line) => line.startsWith(`-A ${ours}`));
    const hooks = lines.filter(
      (line) =>
        line.startsWith('-A ') &&
        !line.startsWith(`-A ${ours}`) &&
        new RegExp(`-[jg] ${escapePattern(ours)}\\S+$`).test(line),
    );
    if (chains.length > 0) tables.push({ table, chains, hooks, rules });
  }
  return { tables };
}

/** Returns the owner named in the hook comments, or undefined if nothing of this program is installed. */
export function ownerOfSaved(saved: SavedRules): string | undefined {
  for (const { hooks } of saved.tables) {
    for (const hook of hooks) {
      const owner = /--comment "egress-router ([^"]+)"/.exec(hook)?.[1];
      if (owner !== undefined) return owner;
    }
  }
  return undefined;
}

/**
 * Returns the `iptables-restore --noflush` input that removes exactly the saved rules, or an empty string if there
 * are none.
 */
export function removeSavedRules(saved: SavedRules): string {
  return saved.tables
    .toSorted((one, other) => iptablesTables.indexOf(other.table) - iptablesTables.indexOf(one.table))
    .map(({ table, chains, hooks }) => {
      const lines = [
        ...chains.map((chain) => `:${chain} - [0:0]`),
        ...hooks.map((hook) => hook.replace(/^-A/, '-D')),
        ...chains.map((chain) => `-X ${chain}`),
      ];
      return `*${table}\n${lines.join('\n')}\nCOMMIT\n`;
    })
    .join('');
}

function escapePattern(text: string): string {
  return text.replaceAll(/[.-]/g, '\\$&');
}
