import * as z from 'zod/mini';
import { parseAddress } from '../model/address.ts';
import type { ProblemList } from './problem-list.ts';
import { isRecord, type Readable } from './shape.ts';
import { text } from './text.ts';

/** Who an object is: what every kind of Kubernetes has in common. */
export interface ObjectMeta {
  /** Empty for objects without one (Namespace). */
  readonly namespace: string;
  readonly name: string;
  /** Unique in the cluster's whole history; `NAMESPACE/NAME` for objects that no API server has seen. */
  readonly uid: string;
  /** Milliseconds since 1970; Infinity for objects that no API server has seen: they are the youngest. */
  readonly created: number;
  readonly labels: Labels;
  /** Counts changes of what its author wrote; absent for objects that no API server has seen. */
  readonly generation?: number;
}

export type Labels = Readonly<Record<string, string>>;

const metaSchema = z.object(
  {
    namespace: z.nullish(text('must be the name of a namespace')),
    name: text('must be the name of the object'),
    uid: z.nullish(text('must be a text')),
    creationTimestamp: z.nullish(text(createdCure())),
  },
  'must be an object with namespace and name',
);

function createdCure(): string {
  return 'must be a time such as "2026-01-31T12:00:00Z"';
}

const labelCure = 'must be a text of at most 63 characters';
const noLabels: Labels = Object.freeze({});

/**
 * Reads `metadata` of an object in a namespace. Undefined when the object cannot be told from others;
 * the problems say why. A manifest without a namespace is in `default`, as for `kubectl`.
 */
export function readMeta(input: unknown, problems: ProblemList, scope: 'namespaced' | 'cluster' = 'namespaced') {
  const before = problems.count;
  const metadata = isRecord(input) ? input.metadata : undefined;
  const read = readFlat(metadata, problems);
  const namespace = scope === 'cluster' ? '' : read?.namespace || 'default';
  if (read?.name !== undefined && !isName(read.name)) {
    problems.add('metadata.name', read.name, 'must be lower-case letters, digits, "-" and ".", at most 253');
  }
  if (scope === 'namespaced' && !isLabelName(namespace)) {
    problems.add('metadata.namespace', namespace, 'must be lower-case letters, digits and "-", at most 63');
  }
  const created = readCreated(read?.creationTimestamp, problems);
  const labels = readLabels(isRecord(metadata) ? metadata.labels : undefined, 'metadata.labels', problems);
  const uid = read?.uid || `${namespace}/${read?.name}`;
  if (!/^[\x21-\x7e]{1,320}$/.test(uid)) problems.add('metadata.uid', uid, 'must be printable, at most 320 characters');
  if (problems.count > before || read?.name === undefined) return undefined;
  const generation = isRecord(metadata) ? metadata.generation : undefined;
  const meta: ObjectMeta = {
    namespace,
    name: read.name,
    uid,
    created,
    labels,
    ...(typeof generation === 'number' && { generation }),
  };
  return meta;
}

/** Nearly all metadata is right: zod's parse of the whole is the fast way, field by field the one that explains. */
function readFlat(metadata: unknown, problems: ProblemList): Readable<z.output<typeof metaSchema>> | undefined {
  const result = z.safeParse(metaSchema, metadata);
  if (result.success) {
    const { namespace, name, uid, creationTimestamp } = result.data;
    return {
      name,
      namespace: namespace ?? undefined,
      uid: uid ?? undefined,
      creationTimestamp: creationTimestamp ?? undefined,
    };
  }
  for (const issue of result.error.issues) {
    const key = issue.path.join('.');
    const value = isRecord(metadata) && key !== '' ? metadata[key] : metadata;
    problems.add(key === '' ? 'metadata' : `metadata.${key}`, value, issue.message);
  }
  return undefined;
}

function readCreated(written: string | undefined, problems: ProblemList): number {
  if (written === undefined || written === '') return Number.POSITIVE_INFINITY;
  const isTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/.test(written);
  const time = isTime ? Date.parse(written) : Number.NaN;
  if (!Number.isNaN(time)) return time;
  problems.add('metadata.creationTimestamp', written, createdCure());
  return Number.POSITIVE_INFINITY;
}

/** Reads labels; what is no label is noted. */
function readLabels(input: unknown, path: string, problems: ProblemList): Labels {
  if (input === undefined || input === null) return noLabels;
  if (!isRecord(input)) {
    problems.add(path, input, 'must be an object of texts');
    return noLabels;
  }
  // No prototype, so that a label named `constructor` is missing where it is missing.
  const labels: Record<string, string> = Object.create(null);
  for (const key in input) {
    const value = input[key];
    if (typeof value !== 'string' || value.length > 63) problems.add(`${path}.${key.slice(0, 80)}`, value, labelCure);
    else labels[key] = value;
    if (problems.isFull) break;
  }
  return labels;
}

/** A DNS subdomain (RFC 1123), as the names of most objects are. */
export function isName(name: string): boolean {
  return name.length <= 253 && /^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/.test(name);
}

/** A DNS label (RFC 1123), as the names of namespaces and Services are. */
export function isLabelName(name: string): boolean {
  return name.length <= 63 && /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/.test(name);
}

/** A host name that a Route may carry: labels of letters, digits, `-`; never an address. */
export function isHostName(host: string): boolean {
  const isLabels = host.length <= 253 && host.toLowerCase().split('.').every(isLabelName);
  return isLabels && parseAddress(host) === undefined;
}

/** `NAMESPACE/NAME`, or the name alone: how an object is found among those of its kind. */
export function keyOf(meta: Pick<ObjectMeta, 'namespace' | 'name'>): string {
  return meta.namespace === '' ? meta.name : `${meta.namespace}/${meta.name}`;
}
