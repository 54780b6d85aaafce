import { withTable, writeObject } from './changes.ts';

/** A map or set of a table: its declaration, and its elements by key; a set's elements have no value. */
export interface NftCollection {
  readonly kind: 'map' | 'set';
  /** Lines such as `type inet_service : ipv4_addr` and `flags interval`. */
  readonly head: readonly string[];
  readonly elements: ReadonlyMap<string, string>;
}

/** A chain: at a hook if it has a base, else to be gone to. */
export interface NftChain {
  /** `type … hook … priority …`. */
  readonly base?: string;
  readonly rules: readonly string[];
}

/** One table of nftables in nft's own words, ready to be written or compared. */
export interface NftDocument {
  /** With its family: `inet egress-router-net1`. */
  readonly table: string;
  readonly comment: string;
  /** Stateful objects by kind and name, such as `ct timeout idle`, with what stands between their braces. */
  readonly objects: ReadonlyMap<string, readonly string[]>;
  readonly collections: ReadonlyMap<string, NftCollection>;
  readonly chains: ReadonlyMap<string, NftChain>;
}

/**
 * A whole table, which must not be there yet. Deleting one first would make it sure, but costs the
 * kernel a grace period of ten milliseconds and more.
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
  // A comment is taken only of what makes a table.
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

/** Removes a table that may not be there: adding it first makes that no error. */
export function removeTable(table: string): string {
  return `add table ${table}\ndelete table ${table}\n`;
}

/**
 * The smallest input that leads from one state of a table to another in one transaction: elements
 * and chains that did not change are not named. Names come before what refers to them, and go after.
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
