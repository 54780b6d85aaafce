import * as z from 'zod/mini';
import { formatProblem } from '../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';
import { type IngressControllerSpec, ingressControllerSchema } from './spec.ts';

/** An IngressController as observed. */
export interface IngressController {
  readonly meta: ObjectMeta;
  readonly annotations: Readonly<Record<string, string>>;
  readonly finalizers: readonly string[];
  readonly isDeleting: boolean;
  /** Undefined if it has problems. */
  readonly spec: IngressControllerSpec | undefined;
  /** Problems of the spec, one line each. */
  readonly problems: readonly string[];
  /** `spec` and `status` as received. */
  readonly written: Readonly<Record<string, unknown>>;
  readonly status: Readonly<Record<string, unknown>>;
}

/** Reads an IngressController. Undefined if it cannot be identified. */
export function readIngressController(input: unknown): IngressController | undefined {
  const meta = readMeta(input, new ProblemList());
  if (meta === undefined || !isRecord(input)) return undefined;
  const metadata = isRecord(input.metadata) ? input.metadata : {};
  const written = withoutNulls(isRecord(input.spec) ? input.spec : {}) as Record<string, unknown>;
  const { spec, problems } = readSpec(written);
  return {
    meta,
    annotations: readStrings(metadata.annotations),
    finalizers: Array.isArray(metadata.finalizers) ? metadata.finalizers.filter((one) => typeof one === 'string') : [],
    isDeleting: (metadata.deletionTimestamp ?? undefined) !== undefined,
    spec,
    problems,
    written,
    status: isRecord(input.status) ? input.status : {},
  };
}

function readSpec(written: unknown): Pick<IngressController, 'spec' | 'problems'> {
  const result = z.safeParse(ingressControllerSchema, written);
  // `withoutNulls` has removed nulls.
  if (result.success) return { spec: result.data as IngressControllerSpec, problems: [] };
  const problems = new ProblemList();
  for (const { path, message } of result.error.issues) {
    const value = path.reduce<unknown>(
      (part, key) =>
        typeof part === 'object' && part !== null ? (part as Record<PropertyKey, unknown>)[key] : undefined,
      written,
    );
    problems.add(formatPath(path), value, message);
  }
  return { spec: undefined, problems: problems.list.map(formatProblem) };
}

function formatPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text}.${String(key)}`),
    'spec',
  );
}

/** Removes nulls, which mean absent, at any depth. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).filter(([, one]) => one !== null);
  return Object.fromEntries(entries.map(([key, one]) => [key, withoutNulls(one)]));
}

function readStrings(input: unknown): Readonly<Record<string, string>> {
  if (!isRecord(input)) return {};
  return Object.fromEntries(
    Object.entries(input).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
