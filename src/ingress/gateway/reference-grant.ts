import * as z from 'zod/mini';
import type { Parsed } from '../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord, readShape } from '../../base/read/shape.ts';
import { text } from '../../base/read/text.ts';

/** The part of a ReferenceGrant (gateway.networking.k8s.io) that lets routes use Services. */
export interface ReferenceGrant {
  readonly meta: ObjectMeta;
  /** Kinds of `gateway.networking.k8s.io` by namespace that may refer to objects in the grant's namespace. */
  readonly from: readonly { readonly kind: string; readonly namespace: string }[];
  /** Names of the Services, or all of them. */
  readonly services: readonly string[] | 'all';
}

const group = z.nullish(text('must be a group of the API'));

const specSchema = z.object(
  {
    from: z.array(
      z.object(
        { group, kind: text('must be a kind'), namespace: text('must be the name of a namespace') },
        'must be an object with group, kind and namespace',
      ),
      'must be a list of who may refer',
    ),
    to: z.array(
      z.object(
        { group, kind: text('must be a kind'), name: z.nullish(text('must be the name of an object')) },
        'must be an object with group and kind',
      ),
      'must be a list of what may be referred to',
    ),
  },
  'must be the spec of a ReferenceGrant',
);

/** Parses a ReferenceGrant. */
export function parseReferenceGrant(input: unknown): Parsed<ReferenceGrant> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const spec = readShape(specSchema, isRecord(input) ? input.spec : undefined, 'spec', problems);
  const from = (spec?.from ?? []).flatMap((one) =>
    one?.group === 'gateway.networking.k8s.io' && one.kind !== undefined && one.namespace !== undefined
      ? [{ kind: one.kind, namespace: one.namespace }]
      : [],
  );
  const services = (spec?.to ?? []).filter((one) => (one?.group ?? '') === '' && one?.kind === 'Service');
  const isForAll = services.some((one) => (one?.name ?? '') === '');
  const names = services.flatMap((one) => one?.name ?? []);
  return problems.finish(() => ({ meta: meta as ObjectMeta, from, services: isForAll ? 'all' : names }));
}
