import { LineCounter, parseAllDocuments } from 'yaml';
import { isRecord } from '../read/shape.ts';

/** A document of a file. */
export interface WrittenDocument {
  readonly value: unknown;
  /** Returns the line of the value at a JSON path, counted from 1, or of its nearest existing parent. */
  readonly lineOf: (path: string) => number | undefined;
}

/** Documents of a file, or the reason why it cannot be parsed. */
export type WrittenFile =
  | { readonly ok: true; readonly documents: readonly WrittenDocument[] }
  | { readonly ok: false; readonly line: number; readonly reason: string };

/** Limits aliases in a document, which could fill the memory ("billion laughs"). */
const maxAliases = 100;

/** Parses YAML or JSON; expands Kubernetes lists into their items. */
export function readDocuments(text: string): WrittenFile {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true });
  const written: WrittenDocument[] = [];
  // For empty text, the parser returns a marker instead of documents.
  for (const document of Array.isArray(parsed) ? parsed : []) {
    const [error] = document.errors;
    if (error !== undefined) {
      const [message = ''] = error.message.split('\n');
      return { ok: false, line: lines.linePos(error.pos[0]).line, reason: message.replace(/:$/, '') };
    }
    const lineAt = (keys: readonly (string | number)[]): number | undefined => {
      for (let depth = keys.length; depth >= 0; depth--) {
        const node: unknown = depth === 0 ? document.contents : document.getIn(keys.slice(0, depth), true);
        const range = isRecord(node) && Array.isArray(node.range) ? node.range : undefined;
        if (typeof range?.[0] === 'number') return lines.linePos(range[0]).line;
      }
      return undefined;
    };
    let value: unknown;
    try {
      value = document.toJS({ maxAliasCount: maxAliases });
    } catch (error) {
      return { ok: false, line: lineAt([]) ?? 1, reason: error instanceof Error ? error.message : String(error) };
    }
    if (value !== null && value !== undefined) written.push(...unfold(value, lineAt));
  }
  return { ok: true, documents: written };
}

function unfold(value: unknown, lineAt: (keys: readonly (string | number)[]) => number | undefined): WrittenDocument[] {
  const listed =
    isRecord(value) && typeof value.kind === 'string' && value.kind.endsWith('List') ? value.kind : undefined;
  if (listed === undefined || !isRecord(value) || !Array.isArray(value.items))
    return [{ value, lineOf: (path) => lineAt(splitPath(path)) }];
  const { apiVersion } = value;
  const kind = listed.slice(0, -'List'.length);
  return value.items.map(
    (item: unknown, index): WrittenDocument => ({
      // Items of a typed list have no kind.
      value: kind === '' || !isRecord(item) ? item : { apiVersion, kind, ...item },
      lineOf: (path) => lineAt(['items', index, ...splitPath(path)]),
    }),
  );
}

/** Splits a path such as `spec.addresses[0].ip` into keys. */
function splitPath(path: string): (string | number)[] {
  return Array.from(path.matchAll(/\[(\d+)\]|([^.[\]]+)/g), ([, index, key]) =>
    index === undefined ? (key ?? '') : Number(index),
  );
}
