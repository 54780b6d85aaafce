import { encodeValue } from './encode.ts';
import { flagged, letters } from './letters.ts';
import type { Backend, HeaderEdits } from './model.ts';
import { checkToken, hopHeader, UnfitValue } from './quote.ts';

/**
 * Changes of headers with literal values as map entries, so that they change at run time. HAProxy's rules name their
 * header, so there are rules for each name that some backend of the loaded configuration uses: a new name needs a
 * reload. `SECTION` in `request-edits.map` lists the changes of a backend as `,set:name,remove:name,`, and
 * `SECTION|set:name` in `edit-values.map` has a value, URL-encoded.
 */

type Operation = 'set' | 'add' | 'more' | 'remove';

/** `more` adds a second line. */
const setCookie = 'set-cookie';

/** Returns the operations that a backend may have for a name, in the order of their effect. */
function listOperations(name: string): readonly Operation[] {
  // A comma may be part of a cookie, so its lines cannot be joined (RFC 9110 §5.3).
  return name === setCookie ? ['set', 'add', 'more', 'remove'] : ['set', 'add', 'remove'];
}

/** Headers that describe the connection or the body; changing them would confuse HAProxy and the server. */
const fixed = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  hopHeader.toLowerCase(),
]);

/** Returns the names of headers that a backend changes, in lower case. */
export function listEditedNames({ http }: Backend): readonly string[] {
  return [http?.requestEdits, http?.responseEdits].flatMap((edits) => listEdits(edits).map(({ name }) => name));
}

interface Edit {
  readonly operation: Operation;
  readonly name: string;
  readonly value?: string;
}

/**
 * Lists changes; of equal names, the first one counts, but Set-Cookie may be set once and added twice. Throws
 * {@link UnfitValue}.
 */
function listEdits(edits: HeaderEdits | undefined): readonly Edit[] {
  if (edits === undefined) return [];
  const all = [
    ...edits.set.map(({ name, value }): Edit => ({ operation: 'set', name, value })),
    ...edits.add.map(({ name, value }): Edit => ({ operation: 'add', name, value })),
    ...edits.remove.map((name): Edit => ({ operation: 'remove', name })),
  ];
  const listed = new Map<string, Edit>();
  for (const edit of all) {
    const name = checkToken('header', edit.name).toLowerCase();
    // Names are words of the configuration, where one begins a comment and the other a quotation.
    if (/[#']/.test(name)) throw new UnfitValue(`header ${edit.name}: "#" and "'" cannot be part of it`);
    if (fixed.has(name)) throw new UnfitValue(`header ${edit.name}: cannot be changed`);
    if (edit.value !== undefined && /[^\t -~\u0080-\u{10ffff}]/u.test(edit.value))
      throw new UnfitValue(`value of header ${edit.name}: contains a control character`);
    const isRepeated = edit.operation === 'add' && listed.has(`add ${name}`);
    const operation = isRepeated ? 'more' : edit.operation;
    const key = name === setCookie ? `${operation} ${name}` : name;
    if (!listed.has(key)) listed.set(key, { ...edit, operation, name });
  }
  return [...listed.values()];
}

/** Returns the list of changes, and their values by key. */
export function editEntries(
  section: string,
  edits: HeaderEdits | undefined,
  kind: 'request' | 'response',
): { readonly list?: string; readonly values: ReadonlyMap<string, string> } {
  const all = listEdits(edits);
  if (all.length === 0) return { values: new Map() };
  const values = all.flatMap(({ operation, name, value }): [string, string][] =>
    value === undefined ? [] : [[`${section}|${kind}|${operation}:${name}`, encodeValue(value.trim()) || '%20']],
  );
  return { list: `,${all.map(({ operation, name }) => `${operation}:${name}`).join(',')},`, values: new Map(values) };
}

/** Renders the rules for all names. `txn.section` is set; `when` is the condition of requests with changes. */
export function editRules(names: Iterable<string>, kind: 'request' | 'response', when: string): string {
  const rule = `http-${kind}`;
  const sorted = [...names].sort();
  if (sorted.length === 0) return '';
  const lines = sorted.flatMap((name) =>
    listOperations(name).map((operation) => {
      const isMeant = `if { var(txn.edits) -m sub ,${operation}:${name}, }`;
      if (operation === 'remove') return `  ${rule} del-header ${name} ${isMeant}`;
      const value = `%[var(txn.section),concat(|${kind}|${operation}:${name}),map_str(maps/edit-values.map),url_dec]`;
      return `  ${rule} ${operation === 'more' ? 'add' : operation}-header ${name} ${value} ${isMeant}`;
    }),
  );
  return `  ${rule} unset-var(txn.edits)
  ${rule} set-var(txn.edits) var(txn.section),map_str(maps/${kind}-edits.map) ${when}
  # Requests without changes do not pay for the names of others.
  ${rule} allow if !{ var(txn.edits) -m found } !${flagged(letters.headers)}${kind === 'request' ? ` !${flagged(letters.login)}` : ''}
${lines.join('\n')}\n`;
}
