import * as z from 'zod/mini';
import { suggest } from '../../base/read/closest.ts';
import type { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';

/** The field names of a JSON schema. A part without fields accepts any. */
export interface FieldSchema {
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly items?: FieldSchema;
  readonly anyOf?: readonly FieldSchema[];
}

/** Returns the fields of a zod schema. */
export function fieldsOf(schema: z.core.$ZodType): FieldSchema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as FieldSchema;
}

/** Records every field that the schema does not define. Most are misspelt, and all are ignored. */
export function findUnknownFields(schema: FieldSchema, input: unknown, path: string, problems: ProblemList): void {
  const { properties, items, anyOf } = schema;
  for (const part of anyOf ?? []) if (part.properties ?? part.items) findUnknownFields(part, input, path, problems);
  if (properties !== undefined && isRecord(input)) {
    const names = Object.keys(properties);
    for (const [key, value] of Object.entries(input)) {
      const place = path === '' ? key : `${path}.${key}`;
      const known = Object.hasOwn(properties, key) ? properties[key] : undefined;
      if (known !== undefined) findUnknownFields(known, value, place, problems);
      else problems.add(place, value, `is not a known field${suggest(key, names)}`);
    }
  }
  if (items !== undefined && Array.isArray(input)) {
    for (const [index, element] of input.entries()) {
      if (problems.isFull) return;
      findUnknownFields(items, element, `${path}[${index}]`, problems);
    }
  }
}
