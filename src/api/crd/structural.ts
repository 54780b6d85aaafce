import { isRecord } from '../shape.ts';

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
