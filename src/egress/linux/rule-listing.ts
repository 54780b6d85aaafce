import { KernelError } from '../../base/linux/kernel-error.ts';
import { nftFamily } from '../../base/linux/netlink/nft-socket.ts';
import { hasTable, type NftTables } from '../../base/linux/netlink/nft-tables.ts';
import { reasonOf } from '../../base/linux/reason.ts';
import { findTool, runTool, runTransaction } from '../../base/linux/rule-tools.ts';
import type { Family } from '../../base/model/address.ts';
import type { RuleProgram } from '../../base/model/rules.ts';
import { compareIptables } from '../../base/rules/iptables/difference.ts';
import { ownerOfSaved, readSavedRules, removeSavedRules, type SavedRules } from '../../base/rules/iptables/saved.ts';
import { compareNftables } from '../../base/rules/nftables/difference.ts';
import { removeTable } from '../../base/rules/nftables/document.ts';
import { compareElements } from '../../base/rules/nftables/elements.ts';
import { readListedTable } from '../../base/rules/nftables/listed.ts';
import { tableName, tableNameOf } from '../../base/rules/nftables/render.ts';
import type { RuleBackend, RuleTransaction } from '../../base/rules/transaction.ts';
import type { Operation } from '../model/operation.ts';
import { differenceStarts } from '../model/rule-difference.ts';
import { listGuardRemovals } from './guard.ts';
import { hasLegacyTables, listChainRemovals } from './iptables-chains.ts';
import { writeProgram } from './program-table.ts';

/** Returns a backend's scripts that change one program into another. */
function comparePrograms(
  backend: RuleBackend,
  from: RuleProgram | undefined,
  to: RuleProgram | undefined,
  unsure: boolean,
): RuleTransaction {
  return backend === 'nftables' ? compareNftables(from, to, unsure) : compareIptables(from, to, unsure);
}

/**
 * Changes the rules from one program to another. If a later script of a first program fails, the earlier ones are
 * undone. `unsure` means that either of the two programs is installed. `tables` changes elements without starting a
 * process. Throws {@link KernelError}.
 */
export function changeRules(
  backend: RuleBackend,
  from: RuleProgram | undefined,
  to: RuleProgram | undefined,
  unsure = false,
  tables?: NftTables,
): void {
  if (tables !== undefined && backend === 'nftables' && !unsure && to !== undefined) {
    if (from === undefined ? makeTable(tables, to) : changeElements(tables, from, to)) return;
  }
  try {
    runTransaction(comparePrograms(backend, from, to, unsure));
  } catch (error) {
    const program = to ?? from;
    if (backend === 'nftables' && from === undefined && to !== undefined && isTaken(error, to)) {
      // Removes the rules that a previous owner left under our name without a state file.
      runTransaction({
        scripts: [{ tool: 'nft', input: removeTable(tableName(to.name)) }, ...compareNftables(undefined, to).scripts],
      });
      return;
    }
    // nft is atomic; iptables is atomic per table only. Rules that existed before are not opened.
    if (backend === 'iptables' && program !== undefined) takeBack(program, from);
    throw error;
  }
}

/**
 * Creates a program's table over netlink, and replaces one that another owner left under its name. Returns false if
 * the kernel or this code does not support it; nft then reports best what is missing.
 */
function makeTable(tables: NftTables, program: RuleProgram): boolean {
  const messages = writeProgram(program);
  if (messages === undefined) return false;
  try {
    return tables.replace(nftFamily.inet, tableNameOf(program.name), messages);
  } catch (cause) {
    throw new KernelError('refused', `Cannot create ${tableName(program.name)}: ${reasonOf(cause)}`, { cause });
  }
}

/**
 * Changes only redirects, over netlink, because nft would read the whole table first. Returns false if more has
 * changed.
 */
function changeElements(tables: NftTables, from: RuleProgram, to: RuleProgram): boolean {
  const change = compareElements(from, to);
  if (change === undefined) return false;
  try {
    tables.changeElements(tableNameOf(to.name), change.gone, change.come);
    return true;
  } catch (cause) {
    throw new KernelError('refused', `Cannot change ${tableName(to.name)}: ${reasonOf(cause)}`, { cause });
  }
}

/**
 * Returns whether nft failed because the program's table exists. nft does not report the reason in a machine-readable
 * form.
 */
function isTaken(error: unknown, program: RuleProgram): boolean {
  return isRefused(error) && hasTable(nftFamily.inet, tableNameOf(program.name));
}

function isRefused(error: unknown): boolean {
  return error instanceof KernelError && error.kind === 'refused';
}

function takeBack(program: RuleProgram, from: RuleProgram | undefined): void {
  try {
    if (from === undefined) removeIptables(program.name, program.owner);
    else runTransaction(compareIptables(program, from, true));
  } catch {
    // The first failure is reported; DEL tries again.
  }
}

/**
 * Removes the rules under a name if they belong to the owner, and a link's guard. Missing rules are not an error. A
 * backend that is not installed has no rules. Everything in nf_tables is removed in one transaction. Throws {@link
 * KernelError}, {@link NetlinkError}.
 */
export function removeRules({ backends, name, owner, guardOf }: RuleRemoval, tables: NftTables): void {
  const chains = backends.includes('iptables') ? listChainRemovals(name, owner) : [];
  if (backends.includes('iptables') && chains.length === 0 && hasLegacyTables()) removeLegacy(backends, name, owner);
  tables.commit([
    ...chains,
    ...(backends.includes('nftables') ? tables.listRemovals([nftFamily.inet], tableNameOf(name), owner) : []),
    ...(guardOf === undefined ? [] : listGuardRemovals(tables, guardOf, owner)),
  ]);
}

type RuleRemoval = Extract<Operation, { do: 'remove-rules' }>;

/**
 * Removes rules with the tools of iptables-legacy, the only way to reach them. Without a state file the rules may be
 * missing.
 */
function removeLegacy(backends: readonly RuleBackend[], name: string, owner: string): void {
  if (backends.length === 1 || findTool('iptables-save') !== undefined) removeIptables(name, owner);
}

function removeIptables(name: string, owner: string): void {
  for (const family of [4, 6] as const) {
    const saved = saveIptables(family, name);
    const found = ownerOfSaved(saved);
    // Chains without a hook remain after an interrupted removal.
    if (saved.tables.length === 0 || (found !== undefined && found !== owner)) continue;
    runTool(familyTool('restore', family), ['--noflush', '-w', '10'], removeSavedRules(saved));
  }
}

function saveIptables(family: Family, name: string): SavedRules {
  // A node without ip6tables cannot have our IPv6 rules.
  if (findTool(familyTool('save', family)) === undefined) return { tables: [] };
  return readSavedRules(runTool(familyTool('save', family), []), name);
}

function familyTool(verb: 'save' | 'restore', family: Family): string {
  return `${family === 4 ? 'iptables' : 'ip6tables'}-${verb}`;
}

/** Returns the rules under a name from the backend's own listing, one per line in a stable order. */
export function listRules(backend: RuleBackend, program: RuleProgram): string[] {
  if (backend === 'iptables') {
    return program.families.flatMap((family) =>
      saveIptables(family, program.name).tables.flatMap(({ table, hooks, rules }) =>
        [...hooks, ...rules].map((rule) => `${family === 4 ? 'iptables' : 'ip6tables'} -t ${table} ${rule}`),
      ),
    );
  }
  try {
    return readListedTable(runTool('nft', ['-s', 'list', 'table', ...tableName(program.name).split(' ')]));
  } catch (error) {
    if (isRefused(error) && !hasTable(nftFamily.inet, tableNameOf(program.name))) return [];
    throw error;
  }
}

/** Describes missing and additional rules of a listing. A changed rule appears as both. */
export function describeDifferences(expected: readonly string[], actual: readonly string[]): string[] {
  const missing = without(expected, actual).map((rule) => `${differenceStarts.missing}${rule}`);
  const foreign = without(actual, expected).map((rule) => `${differenceStarts.foreign}${rule}`);
  if (missing.length + foreign.length > 0) return [...missing, ...foreign];
  const moved = expected.findIndex((rule, index) => rule !== actual[index]);
  return moved < 0 ? [] : [`${differenceStarts.order}${actual[moved]}`];
}

function without(lines: readonly string[], others: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of others) counts.set(line, (counts.get(line) ?? 0) + 1);
  return lines.filter((line) => {
    const count = counts.get(line) ?? 0;
    counts.set(line, count - 1);
    return count <= 0;
  });
}
