import * as z from 'zod/mini';
import type { ProblemList } from './problem-list.ts';

/** The valid parts of a `T`: invalid or missing values are undefined, at any depth. */
export type Readable<T> = T extends readonly (infer Element)[]
  ? readonly (Readable<Element> | undefined)[]
  : T extends object
    ? { readonly [Key in keyof T]?: Readable<NonNullable<T[Key]>> | undefined }
    : T;

/**
 * Reads the valid parts of a document by its zod schema, and adds a problem with JSON path and the schema's
 * message for each invalid one. zod's own parse returns no value for a document with any wrong type, so the
 * author would see only one group of mistakes at a time.
 */
export function readShape<Schema extends z.core.$ZodType>(
  schema: Schema,
  input: unknown,
  path: string,
  problems: ProblemList,
): Readable<NonNullable<z.output<Schema>>> | undefined {
  return readPart(schema, input, path, problems) as Readable<NonNullable<z.output<Schema>>> | undefined;
}

function readPart(schema: z.core.$ZodType, input: unknown, path: string, problems: ProblemList): unknown {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'optional':
    case 'nullable':
      return input === undefined || input === null ? undefined : readPart(def.innerType, input, path, problems);
    case 'object':
      return isRecord(input) ? readFields(def.shape, input, path, problems) : readLeaf(schema, input, path, problems);
    case 'array':
      return Array.isArray(input)
        ? readElements(def.element, input, path, problems)
        : readLeaf(schema, input, path, problems);
    default:
      return readLeaf(schema, input, path, problems);
  }
}

function readFields(shape: z.core.$ZodShape, input: Record<string, unknown>, path: string, problems: ProblemList) {
  const fields: Record<string, unknown> = {};
  for (const key in shape) {
    const field = shape[key];
    if (field !== undefined) fields[key] = readPart(field, input[key], path === '' ? key : `${path}.${key}`, problems);
  }
  return fields;
}

function readElements(schema: z.core.$ZodType, input: readonly unknown[], path: string, problems: ProblemList) {
  const elements: unknown[] = [];
  for (const [index, element] of input.entries()) {
    // Limits the cost of a list with millions of invalid entries.
    if (problems.isFull) break;
    // Nearly all elements are valid, and zod is fastest on a whole element.
    const result = z.safeParse(schema, element);
    elements.push(result.success ? result.data : readPart(schema, element, `${path}[${index}]`, problems));
  }
  return elements;
}

function readLeaf(schema: z.core.$ZodType, input: unknown, path: string, problems: ProblemList): unknown {
  const result = z.safeParse(schema, input);
  if (result.success) return result.data;
  problems.add(path, input, result.error.issues[0]?.message ?? 'is not valid');
  return undefined;
}

/** Returns whether a value is a JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
