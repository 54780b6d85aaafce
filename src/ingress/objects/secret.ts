import * as z from 'zod/mini';
import type { Parsed } from '../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';

/** The content of a Secret (v1). Never log one. */
export interface Secret {
  readonly meta: ObjectMeta;
  readonly type: string;
  /** PEM of `tls.crt`; empty if absent. */
  readonly certificate: string;
  /** PEM of `tls.key`; empty if absent. */
  readonly key: string;
  /** All values by key; for certificates only those of authorities. */
  readonly values: ReadonlyMap<string, string>;
}

const valueSchema = z.nullish(z.string('must be a string'));
const dataSchema = z.nullish(z.record(z.string(), valueSchema, 'must be an object of strings'));
const secretSchema = z.object({ type: valueSchema, data: dataSchema, stringData: dataSchema }, 'must be a Secret');

/**
 * Parses a Secret. `stringData`, which only manifests have, takes precedence over `data`. Problems never quote a
 * value.
 */
export function parseSecret(input: unknown): Parsed<Secret> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const read = z.safeParse(secretSchema, isRecord(input) ? input : {});
  if (!read.success) {
    for (const { path, message } of read.error.issues) problems.add(path.join('.'), 'hidden', message);
  }
  const { type, data, stringData } = read.data ?? {};
  const text = (key: string) => stringData?.[key] ?? Buffer.from(data?.[key] ?? '', 'base64').toString();
  const isCertificate = type === 'kubernetes.io/tls';
  const keys = Object.keys({ ...data, ...stringData }).filter((key) => !isCertificate || /^ca\.(?:crt|crl)$/.test(key));
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    type: type ?? 'Opaque',
    certificate: text('tls.crt'),
    key: text('tls.key'),
    values: new Map(keys.map((key) => [key, text(key)])),
  }));
}
