import { LineCounter, parseAllDocuments } from 'yaml';
import { isRecord } from '../read/shape.ts';

/** One document of a file, as it was written. */
export interface WrittenDocument {
  readonly value: unknown;
  /** The line where the value of a JSON path stands, counted from 1; where it is missing, that of its nearest parent. */
  readonly lineOf: (path: string) => number | undefined;
}

/** The documents of a file, or why it cannot be read. */
export type WrittenFile =
  | { readonly ok: true; readonly documents: readonly WrittenDocument[] }
  | { readonly ok: false; readonly line: number; readonly reason: string };

/** More aliases than this in one document are an attempt to fill the memory ("billion laughs"). */
const maxAliases = 100;

/** Reads YAML, of which JSON is a part; lists of Kubernetes are unfolded. */
export function readDocuments(text: string): WrittenFile {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true });
  const written: WrittenDocument[] = [];
  // Of an empty text the parser returns no documents, but a mark of that.
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
      // Items of a typed list do not say their kind.
      value: kind === '' || !isRecord(item) ? item : { apiVersion, kind, ...item },
      lineOf: (path) => lineAt(['items', index, ...splitPath(path)]),
    }),
  );
}

/** `spec.addresses[0].ip` as its keys. */
function splitPath(path: string): (string | number)[] {
  return Array.from(path.matchAll(/\[(\d+)\]|([^.[\]]+)/g), ([, index, key]) =>
    index === undefined ? (key ?? '') : Number(index),
  );
}
