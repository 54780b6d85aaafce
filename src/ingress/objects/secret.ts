import * as z from 'zod/mini';
import type { Parsed } from '../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';

/** A Secret (v1), as far as it carries a certificate. Never log one. */
export interface Secret {
  readonly meta: ObjectMeta;
  readonly type: string;
  /** PEM of `tls.crt`; empty without one. */
  readonly certificate: string;
  /** PEM of `tls.key`; empty without one. */
  readonly key: string;
}

const valueSchema = z.nullish(z.string('must be a text'));
const dataSchema = z.nullish(
  z.object({ 'tls.crt': valueSchema, 'tls.key': valueSchema }, 'must be an object of texts'),
);
const secretSchema = z.object({ type: valueSchema, data: dataSchema, stringData: dataSchema }, 'must be a Secret');

/** Reads a Secret; `stringData`, which only manifests have, comes before `data`. No problem repeats a value. */
export function parseSecret(input: unknown): Parsed<Secret> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const read = z.safeParse(secretSchema, isRecord(input) ? input : {});
  if (!read.success) {
    for (const { path, message } of read.error.issues) problems.add(path.join('.'), 'hidden', message);
  }
  const { type, data, stringData } = read.data ?? {};
  const text = (key: 'tls.crt' | 'tls.key') => stringData?.[key] ?? Buffer.from(data?.[key] ?? '', 'base64').toString();
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    type: type ?? 'Opaque',
    certificate: text('tls.crt'),
    key: text('tls.key'),
  }));
}
