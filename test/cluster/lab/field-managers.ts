/** A JSON object as trees of it are compared here. */
type Tree = { [key: string]: unknown };

/** A field that another manager sets otherwise. */
export interface FieldConflict {
  readonly manager: string;
  readonly field: string;
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Every field with its value, by path; a list is one field. */
function* listFields(tree: Tree, path: readonly string[] = []): Generator<[field: string, value: unknown]> {
  for (const [key, value] of Object.entries(tree)) {
    const here = [...path, key];
    if (isTree(value)) yield* listFields(value, here);
    else yield [here.join('\0'), value];
  }
}

function getField(tree: Tree, field: string): unknown {
  return field.split('\0').reduce<unknown>((value, key) => (isTree(value) ? value[key] : undefined), tree);
}

function setField(tree: Tree, field: string, value: unknown): void {
  const path = field.split('\0');
  const last = path.pop() ?? '';
  let place = tree;
  for (const key of path) {
    if (!isTree(place[key])) place[key] = {};
    place = place[key] as Tree;
  }
  if (value === undefined) delete place[last];
  else place[last] = value;
}

/**
 * Who set which field of an object: what server-side apply goes by (Kubernetes, "Server-Side Apply").
 * Lists are atomic here.
 */
export class FieldManagers {
  readonly #owners = new Map<string, string>();

  /** Applies an object for a manager; returns the conflicts, and then changes nothing. */
  apply(current: Tree, wanted: Tree, manager: string): readonly FieldConflict[] {
    const fields = new Map(listFields(wanted));
    const conflicts: FieldConflict[] = [];
    for (const [field, value] of fields) {
      const owner = this.#owners.get(field);
      const isSame = JSON.stringify(getField(current, field)) === JSON.stringify(value);
      if (owner !== undefined && owner !== manager && !isSame) {
        conflicts.push({ manager: owner, field: `.${field.replaceAll('\0', '.')}` });
      }
    }
    if (conflicts.length > 0) return conflicts;
    for (const [field, owner] of this.#owners) {
      if (owner !== manager || fields.has(field)) continue;
      setField(current, field, undefined);
      this.#owners.delete(field);
    }
    for (const [field, value] of fields) {
      setField(current, field, structuredClone(value));
      this.#owners.set(field, manager);
    }
    return [];
  }

  /** Changes fields as `kubectl edit` does: they are the editor's then. */
  edit(current: Tree, changes: Tree, manager: string): void {
    for (const [field, value] of listFields(changes)) {
      setField(current, field, structuredClone(value));
      this.#owners.set(field, manager);
    }
  }
}
