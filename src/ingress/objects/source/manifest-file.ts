import { hash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { LineCounter, parseAllDocuments } from 'yaml';
import { formatProblem } from '../../../base/model/problem.ts';
import { escapeUnprintable } from '../../../base/model/text.ts';
import { isRecord } from '../../../base/read/shape.ts';
import { type ClusterObject, objectKey, type ReadingContext, readObject } from '../kinds.ts';

/** The objects of one file. */
export interface ManifestFile {
  /** Changes whenever the file changes. */
  readonly version: string;
  /** By kind, key and content, so that an unchanged object keeps its identity. */
  readonly objects: ReadonlyMap<string, ClusterObject>;
  /** Problems of invalid objects, one sentence each. */
  readonly problems: readonly string[];
  /** Objects and endpoints that are ignored, one sentence each. */
  readonly ignored: readonly string[];
}

/** Maximum size in bytes. 10,000 Routes with 100,000 endpoints have about 20 MB. */
const maxBytes = 256 * 1024 * 1024;

/** Maximum number of aliases per document, against memory exhaustion ("billion laughs"). */
const maxAliases = 100;

/**
 * Returns a value that changes with the file, without reading it, or undefined if it is not a file. Throws the error
 * of `stat`.
 */
export function versionOfFile(path: string): string | undefined {
  const stat = statSync(path);
  return stat.isFile() ? `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}` : undefined;
}

/**
 * Parses a file of manifests: JSON or YAML, any number of documents, lists expanded. Objects equal to those of
 * `before` are reused. An invalid object is skipped or keeps its previous state, and is a problem of the file. Throws
 * an Error with reason and position if the file may be incomplete, so that half a file is never treated as the whole.
 */
export function readManifestFile(
  path: string,
  before: ManifestFile | undefined,
  context: ReadingContext = {},
): ManifestFile {
  const version = versionOfFile(path) ?? '';
  if (statSync(path).size > maxBytes) throw new Error(`is larger than ${maxBytes} bytes`);
  const text = readFileSync(path, 'utf8');
  if (versionOfFile(path) !== version) throw new Error('changed while it was being read');
  const objects = new Map<string, ClusterObject>();
  const problems: string[] = [];
  const ignored: string[] = [];
  for (const document of path.endsWith('.json') ? [parseJson(text)] : parseYaml(text)) {
    for (const item of unfold(document)) {
      const added = addObject(objects, item, before, context);
      if (added?.problem !== undefined) problems.push(added.problem);
      if (added?.ignored !== undefined) ignored.push(added.ignored);
    }
  }
  for (const object of objects.values()) {
    const { leftOut } = object.kind === 'EndpointSlice' ? object.value : { leftOut: [] };
    if (leftOut.length > 0) ignored.push(`${nameOfObject(object)}: ignored endpoints ${leftOut.join(', ')}`);
  }
  return { version, objects, problems, ignored };
}

/** Adds an object. Returns the problem if it is invalid, or why it is ignored. */
function addObject(
  objects: Map<string, ClusterObject>,
  item: unknown,
  before: ManifestFile | undefined,
  context: ReadingContext,
): { readonly problem?: string; readonly ignored?: string } | undefined {
  const identity = hash('sha1', JSON.stringify(item));
  const known = before?.objects.get(identity);
  if (known !== undefined) {
    objects.set(identity, known);
    return undefined;
  }
  const reading = readObject(item, context);
  if (reading.outcome === 'object') objects.set(identity, reading.object);
  if (reading.outcome === 'other' && reading.problem !== undefined) {
    return { ignored: `${describe(item)}: ${escapeUnprintable(reading.problem)}` };
  }
  if (reading.outcome !== 'unreadable') return undefined;
  const last = before && findLast(item, before);
  if (last !== undefined) objects.set(last[0], last[1]);
  const [first] = reading.problems;
  const problem = first === undefined ? 'is invalid' : formatProblem(first);
  return { problem: `${describe(item)}: ${problem}${last === undefined ? '' : '; keeping its last valid state'}` };
}

/** Returns the last valid state of the object with this kind and name. */
function findLast(item: unknown, before: ManifestFile): readonly [identity: string, object: ClusterObject] | undefined {
  const { kind, metadata } = isRecord(item) ? item : {};
  const { namespace, name } = isRecord(metadata) ? metadata : {};
  return [...before.objects].find(
    ([, object]) =>
      object.kind === kind &&
      object.value.meta.name === name &&
      (object.value.meta.namespace === '' || object.value.meta.namespace === (namespace || 'default')),
  );
}

/** Describes an object of a file, for messages. */
function describe(item: unknown): string {
  const { kind, metadata } = isRecord(item) ? item : {};
  const name = isRecord(metadata) ? metadata.name : undefined;
  const words = [kind, name].filter((word) => typeof word === 'string').map((word) => `${word}`.slice(0, 80));
  return words.length === 0 ? 'an object without kind' : words.join(' ');
}

function parseJson(text: string): unknown {
  return text.trim() === '' ? undefined : JSON.parse(text);
}

function parseYaml(text: string): readonly unknown[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true });
  // For an empty text the parser returns a marker instead of documents.
  if (!Array.isArray(documents)) return [];
  return documents.map((document) => {
    const [error] = document.errors;
    if (error !== undefined) {
      throw new Error(`line ${lines.linePos(error.pos[0]).line}: ${error.message.split('\n')[0]}`);
    }
    return document.toJS({ maxAliasCount: maxAliases });
  });
}

/** Returns the items of a list (`v1` List, RouteList, …), or the document itself; nothing for an empty one. */
function unfold(document: unknown): readonly unknown[] {
  if (document === undefined || document === null) return [];
  if (!isRecord(document) || typeof document.kind !== 'string' || !document.kind.endsWith('List')) return [document];
  if (!Array.isArray(document.items)) throw new Error(`${describe(document)}: items must be a list`);
  const { apiVersion } = document;
  const kind = document.kind.slice(0, -'List'.length);
  // Items of a typed list do not contain their kind.
  return document.items.map((item) => (kind === '' || !isRecord(item) ? item : { apiVersion, kind, ...item }));
}

/** Returns the unique name of an object: `Route shop/web`. */
export function nameOfObject(object: ClusterObject): string {
  return `${object.kind} ${objectKey(object)}`;
}
