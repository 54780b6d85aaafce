import { isRecord } from '../spec/shape.ts';

/** A JSON schema as Kubernetes takes it in a CustomResourceDefinition ("structural schema"). */
export type StructuralSchema = { [keyword: string]: unknown };

/** Bytes of a text in an EgressRouter at most; rules that look at texts must be known to be quick. */
const longestText = 256;

/**
 * Turns zod's JSON schema into Kubernetes' form: no `anyOf` with null but `nullable`, no `$schema`,
 * texts of a length.
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
    ...(plain.type === 'string' && { maxLength: longestText }),
    ...(isRecord(properties) && {
      properties: Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, toStructural(value)])),
    }),
    ...(items !== undefined && { items: toStructural(items) }),
  };
}
