import { withTable, writeObject } from './changes.ts';

/** A map or set of a table: its declaration and its elements by key. Elements of a set have no value. */
export interface NftCollection {
  readonly kind: 'map' | 'set';
  /** Lines such as `type inet_service : ipv4_addr` and `flags interval`. */
  readonly head: readonly string[];
  readonly elements: ReadonlyMap<string, string>;
}

/** A chain: attached to a hook if it has a base, otherwise the target of jumps. */
export interface NftChain {
  /** `type … hook … priority …`. */
  readonly base?: string;
  readonly rules: readonly string[];
}

/** One nftables table in nft's syntax, ready to be rendered or compared. */
export interface NftDocument {
  /** With its family: `inet egress-router-net1`. */
  readonly table: string;
  readonly comment: string;
  /** Stateful objects by kind and name, such as `ct timeout idle`, with the lines of their bodies. */
  readonly objects: ReadonlyMap<string, readonly string[]>;
  readonly collections: ReadonlyMap<string, NftCollection>;
  readonly chains: ReadonlyMap<string, NftChain>;
}

/**
 * Renders a whole table that must not exist yet. Deleting an existing table first would be safer, but it costs a
 * grace period of 10 ms or more in the kernel.
 */
export function writeTable(document: NftDocument): string {
  const blocks = [
    ...[...document.objects].map(([name, lines]) => writeBlock(name, lines)),
    ...[...document.collections].map(([name, { kind, head, elements }]) =>
      writeBlock(`${kind} ${name}`, elements.size === 0 ? head : [...head, `elements = ${writeElements(elements)}`]),
    ),
    ...[...document.chains].map(([name, { base, rules }]) =>
      writeBlock(`chain ${name}`, base === undefined ? rules : [`${base}; policy accept;`, ...rules]),
    ),
  ];
  // nft accepts a comment only in the command that creates the table.
  return `create table ${document.table} { comment "${document.comment}"; }\ntable ${document.table} {\n${blocks.join('')}}\n`;
}

function writeBlock(head: string, lines: readonly string[]): string {
  return `\t${head} {\n${lines.map((line) => `\t\t${line}\n`).join('')}\t}\n`;
}

function writeElements(elements: ReadonlyMap<string, string>): string {
  const written: string[] = [];
  for (const [key, value] of elements) written.push(value === '' ? key : `${key} : ${value}`);
  return `{ ${written.join(', ')} }`;
}

/** Renders the removal of a table that may not exist: adding it first avoids an error. */
export function removeTable(table: string): string {
  return `add table ${table}\ndelete table ${table}\n`;
}

/**
 * Returns the smallest input that changes a table from one state to another in one transaction. It does not name
 * unchanged elements and chains. Objects are added before the rules that refer to them, and deleted after those
 * rules.
 */
export function compareTables(from: NftDocument, to: NftDocument): string {
  const { table } = to;
  const newObjects = [...to.objects].filter(([name, lines]) => !isEqual(lines, from.objects.get(name)));
  const newCollections = [...to.collections].filter(([name]) => !from.collections.has(name));
  const newChains = [...to.chains].filter(([name]) => !from.chains.has(name));
  const changed = [...to.chains].filter(([name, { rules }]) => !isEqual(rules, from.chains.get(name)?.rules));
  const goneChains = [...from.chains.keys()].filter((name) => !to.chains.has(name));
  const lines = [
    ...newObjects.map(([name, body]) => writeObject(table, name, body)),
    ...newCollections.map(([name, { kind, head }]) => `add ${kind} ${table} ${name} { ${head.join('; ')}; }`),
    ...newChains.map(([name, { base }]) =>
      base === undefined ? `add chain ${table} ${name}` : `add chain ${table} ${name} { ${base}; policy accept; }`,
    ),
    ...changed.filter(([name]) => from.chains.has(name)).map(([name]) => `flush chain ${table} ${name}`),
    ...goneChains.map((name) => `flush chain ${table} ${name}`),
    ...changed.flatMap(([name, { rules }]) => rules.map((rule) => `add rule ${table} ${name} ${rule}`)),
    ...[...to.collections].flatMap(([name, { elements }]) =>
      compareElements(`${table} ${name}`, from.collections.get(name)?.elements, elements),
    ),
    ...[...from.collections].flatMap(([name, { elements }]) =>
      to.collections.has(name) ? [] : compareElements(`${table} ${name}`, elements, new Map()),
    ),
    ...goneChains.map((name) => `delete chain ${table} ${name}`),
    ...[...from.collections].flatMap(([name, { kind }]) =>
      to.collections.has(name) ? [] : [`delete ${kind} ${table} ${name}`],
    ),
    ...[...from.objects.keys()]
      .filter((name) => !to.objects.has(name))
      .map((name) => `delete ${withTable(table, name)}`),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function isEqual(lines: readonly string[], others: readonly string[] | undefined): boolean {
  return others !== undefined && lines.length === others.length && lines.every((line, index) => line === others[index]);
}

function compareElements(
  collection: string,
  from: ReadonlyMap<string, string> | undefined,
  to: ReadonlyMap<string, string>,
): string[] {
  const gone: string[] = [];
  const come = new Map<string, string>();
  for (const [key, value] of from ?? []) if (to.get(key) !== value) gone.push(key);
  for (const [key, value] of to) if (from?.get(key) !== value) come.set(key, value);
  return [
    ...(gone.length === 0 ? [] : [`delete element ${collection} { ${gone.join(', ')} }`]),
    ...(come.size === 0 ? [] : [`add element ${collection} ${writeElements(come)}`]),
  ];
}
