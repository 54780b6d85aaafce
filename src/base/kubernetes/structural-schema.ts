import { isRecord } from '../read/shape.ts';

/** A structural schema of a CustomResourceDefinition. */
export type StructuralSchema = { [keyword: string]: unknown };

/**
 * Converts zod's JSON schema into a structural schema: `nullable` instead of `anyOf` or a list of types with null, no
 * `$schema`, no string lengths (they only protect the parser). An API server rejects a list of types.
 */
export function toStructural(schema: unknown): StructuralSchema {
  if (!isRecord(schema)) throw new TypeError('Cannot read a schema that is not an object');
  const { anyOf, $schema: _dialect, ...rest } = schema;
  if (Array.isArray(anyOf)) {
    const [only, ...others] = anyOf.filter((one: unknown) => !isRecord(one) || one.type !== 'null');
    if (others.length > 0) throw new TypeError('Cannot write a choice of types as a structural schema');
    return { ...toStructural(only), ...(anyOf.length > 1 && { nullable: true }) };
  }
  const { properties, items, maxLength: _length, ...plain } = rest;
  const types = [plain.type].flat();
  const [only, ...others] = types.filter((one) => one !== 'null');
  if (others.length > 0) throw new TypeError('Cannot write a choice of types as a structural schema');
  return {
    ...plain,
    ...(types.length > 1 && { type: only, nullable: true }),
    ...(isRecord(properties) && {
      properties: Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, toStructural(value)])),
    }),
    ...(items !== undefined && { items: toStructural(items) }),
  };
}

/** Additional keywords by path: `addresses[].ip`; the empty path is the whole schema. */
export type Remarks = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/**
 * Adds remarks to a schema and its parts. Throws an Error if a remark names a path that does not exist.
 *
 * @param remarkOn returns the keywords of one part; its properties and items follow
 */
export function remark(
  schema: StructuralSchema,
  remarks: Remarks,
  remarkOn: (part: StructuralSchema, path: string) => StructuralSchema,
): StructuralSchema {
  const used = new Set<string>();
  const walk = (part: StructuralSchema, path: string): StructuralSchema => {
    used.add(path);
    const { properties, items } = part;
    const below = (key: string): string => (path === '' ? key : `${path}.${key}`);
    return {
      ...remarkOn(part, path),
      ...(isRecord(properties) && {
        properties: Object.fromEntries(
          Object.entries(properties).map(([key, value]) => [key, walk(value as StructuralSchema, below(key))]),
        ),
      }),
      ...(items !== undefined && { items: walk(items as StructuralSchema, `${path}[]`) }),
    };
  };
  const remarked = walk(schema, '');
  const unused = Object.keys(remarks).filter((path) => !used.has(path));
  if (unused.length > 0) throw new Error(`Cannot add remarks: the schema has no ${unused.join(', ')}`);
  return remarked;
}

/** A CEL validation rule and the message shown when it fails. */
export interface ValidationRule {
  readonly rule: string;
  readonly message: string;
}
