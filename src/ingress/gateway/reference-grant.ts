import * as z from 'zod/mini';
import type { Parsed } from '../../base/model/problem.ts';
import { type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord, readShape } from '../../base/read/shape.ts';
import { text } from '../../base/read/text.ts';
import type { Refusal } from './refusal.ts';

/** The part of a ReferenceGrant (gateway.networking.k8s.io) that lets routes use Services, and Gateways Secrets and ConfigMaps. */
export interface ReferenceGrant {
  readonly meta: ObjectMeta;
  /** Kinds of `gateway.networking.k8s.io` by namespace that may refer to objects in the grant's namespace. */
  readonly from: readonly { readonly kind: string; readonly namespace: string }[];
  /** Names of the Services, or all of them. */
  readonly services: Granted;
  /** Names of the Secrets, or all of them. */
  readonly secrets: Granted;
  /** Names of the ConfigMaps, or all of them. */
  readonly configMaps: Granted;
}

/** Names of the objects of one kind that may be referred to, or all of them. */
export type Granted = readonly string[] | 'all';

const group = z.nullish(text('must be a group of the API'));

const specSchema = z.object(
  {
    from: z.array(
      z.object(
        { group, kind: text('must be a kind'), namespace: text('must be the name of a namespace') },
        'must be an object with group, kind and namespace',
      ),
      "must be a list of objects that may refer to the grant's namespace",
    ),
    to: z.array(
      z.object(
        { group, kind: text('must be a kind'), name: z.nullish(text('must be the name of an object')) },
        'must be an object with group and kind',
      ),
      'must be a list of objects that may be referred to',
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
  const grant = (kind: string): Granted => {
    const targets = (spec?.to ?? []).filter((one) => (one?.group ?? '') === '' && one?.kind === kind);
    // An entry without a name grants all objects of the kind.
    return targets.some((one) => (one?.name ?? '') === '') ? 'all' : targets.flatMap((one) => one?.name ?? []);
  };
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    from,
    services: grant('Service'),
    secrets: grant('Secret'),
    configMaps: grant('ConfigMap'),
  }));
}

/** An object that refers to one in another namespace. */
export interface Referrer {
  readonly kind: string;
  readonly namespace: string;
}

/** An object that is referred to. */
export interface Referent {
  readonly kind: 'Service' | 'Secret' | 'ConfigMap';
  readonly namespace: string;
  readonly name: string;
}

/** Returns why an object may not refer to another one, or undefined if it may. `path` is the reference, for messages. */
export function findMissingGrant(
  grants: readonly ReferenceGrant[],
  from: Referrer,
  to: Referent,
  path: string,
): Refusal<'RefNotPermitted'> | undefined {
  if (isReferenceGranted(grants, from, to)) return undefined;
  const message = `${path}: no ReferenceGrant of namespace ${to.namespace} allows ${to.kind} ${to.name}`;
  return { reason: 'RefNotPermitted', message };
}

/** Returns whether an object may refer to another one: in its own namespace, or by a grant of the other namespace. */
export function isReferenceGranted(grants: readonly ReferenceGrant[], from: Referrer, to: Referent): boolean {
  if (to.namespace === from.namespace) return true;
  return grants.some((grant) => {
    if (grant.meta.namespace !== to.namespace) return false;
    const granted = { Service: grant.services, Secret: grant.secrets, ConfigMap: grant.configMaps }[to.kind];
    const isMeant = grant.from.some(({ kind, namespace }) => kind === from.kind && namespace === from.namespace);
    return isMeant && (granted === 'all' || granted.includes(to.name));
  });
}
