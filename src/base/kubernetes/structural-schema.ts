import { isRecord } from '../read/shape.ts';

/** A JSON schema as Kubernetes takes it in a CustomResourceDefinition ("structural schema"). */
export type StructuralSchema = { [keyword: string]: unknown };

/**
 * Turns zod's JSON schema into Kubernetes' form: no `anyOf` with null but `nullable`, no `$schema`,
 * no length of texts: the one of the schemas only keeps attacks away.
 */
export function toStructural(schema: unknown): StructuralSchema {
  if (!isRecord(schema)) throw new TypeError('Cannot read a schema that is no object');
  const { anyOf, $schema: _dialect, ...rest } = schema;
  if (Array.isArray(anyOf)) {
    const [only, ...others] = anyOf.filter((one: unknown) => !isRecord(one) || one.type !== 'null');
    if (others.length > 0) throw new TypeError('Cannot write a choice of types as a structural schema');
    return { ...toStructural(only), ...(anyOf.length > 1 && { nullable: true }) };
  }
  const { properties, items, maxLength: _length, ...plain } = rest;
  return {
    ...plain,
    ...(isRecord(properties) && {
      properties: Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, toStructural(value)])),
    }),
    ...(items !== undefined && { items: toStructural(items) }),
  };
}

/** What a schema says beside its type, by path: `addresses[].ip`; the whole is ``. */
export type Remarks = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/**
 * Adds remarks to a schema and to all below it. Throws an Error where a remark is on what the schema has not.
 *
 * @param remarkOn what one part becomes; its properties and items come after it
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
  if (unused.length > 0) throw new Error(`Cannot remark on what the schema has not: ${unused.join(', ')}`);
  return remarked;
}

/** A rule in the Common Expression Language: what must hold, and what a person reads where it does not. */
export interface ValidationRule {
  readonly rule: string;
  readonly message: string;
}
