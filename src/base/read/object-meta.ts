import * as z from 'zod/mini';
import { parseAddress } from '../model/address.ts';
import type { ProblemList } from './problem-list.ts';
import { isRecord, type Readable } from './shape.ts';
import { text } from './text.ts';

/** Metadata that all Kubernetes kinds share. */
export interface ObjectMeta {
  /** Empty for cluster-scoped objects. */
  readonly namespace: string;
  readonly name: string;
  /** Unique over time; `NAMESPACE/NAME` for objects that do not come from an API server. */
  readonly uid: string;
  /** Milliseconds since 1970; Infinity, the youngest, for objects that do not come from an API server. */
  readonly created: number;
  readonly labels: Labels;
  /** Counts changes of the spec; absent for objects that do not come from an API server. */
  readonly generation?: number;
}

/** Returns the substitute for the UID of an object that does not come from an API server. */
function substituteUid(namespace: string, name: string | undefined): string {
  return `${namespace}/${name}`;
}

/** Returns whether an object comes from an API server. */
export function isStored({ namespace, name, uid }: ObjectMeta): boolean {
  return uid !== substituteUid(namespace, name);
}

export type Labels = Readonly<Record<string, string>>;

const metaSchema = z.object(
  {
    namespace: z.nullish(text('must be the name of a namespace')),
    name: text('must be the name of the object'),
    uid: z.nullish(text('must be a string')),
    creationTimestamp: z.nullish(text(createdCure())),
  },
  'must be an object with namespace and name',
);

function createdCure(): string {
  return 'must be a time such as "2026-01-31T12:00:00Z"';
}

const labelCure = 'must be a string of at most 63 characters';
const noLabels: Labels = Object.freeze({});

/**
 * Reads `metadata` of an object. Returns undefined and adds problems if the object cannot be identified. A
 * manifest without a namespace is in `default`, as with `kubectl`.
 */
export function readMeta(input: unknown, problems: ProblemList, scope: 'namespaced' | 'cluster' = 'namespaced') {
  const before = problems.count;
  const metadata = isRecord(input) ? input.metadata : undefined;
  const read = readFlat(metadata, problems);
  const namespace = scope === 'cluster' ? '' : read?.namespace || 'default';
  if (read?.name !== undefined && !isName(read.name)) {
    problems.add('metadata.name', read.name, 'must be at most 253 lower-case letters, digits, "-" and "."');
  }
  if (scope === 'namespaced' && !isLabelName(namespace)) {
    problems.add('metadata.namespace', namespace, 'must be at most 63 lower-case letters, digits and "-"');
  }
  const created = readCreated(read?.creationTimestamp, problems);
  const labels = readLabels(isRecord(metadata) ? metadata.labels : undefined, 'metadata.labels', problems);
  const uid = read?.uid || substituteUid(namespace, read?.name);
  if (!/^[\x21-\x7e]{1,320}$/.test(uid)) problems.add('metadata.uid', uid, 'must be at most 320 printable characters');
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

/** Parses the whole at once, which is fast and nearly always succeeds, and field by field only to find problems. */
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

/** Reads labels and adds problems for invalid ones. */
function readLabels(input: unknown, path: string, problems: ProblemList): Labels {
  if (input === undefined || input === null) return noLabels;
  if (!isRecord(input)) {
    problems.add(path, input, 'must be an object with string values');
    return noLabels;
  }
  // No prototype, so that a lookup of the label `constructor` finds no inherited property.
  const labels: Record<string, string> = Object.create(null);
  for (const key in input) {
    const value = input[key];
    if (typeof value !== 'string' || value.length > 63) problems.add(`${path}.${key.slice(0, 80)}`, value, labelCure);
    else labels[key] = value;
    if (problems.isFull) break;
  }
  return labels;
}

/** Returns whether a text is a DNS subdomain (RFC 1123), like the names of most objects. */
export function isName(name: string): boolean {
  return name.length <= 253 && /^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/.test(name);
}

/** Returns whether a text is a DNS label (RFC 1123), like the names of namespaces and Services. */
export function isLabelName(name: string): boolean {
  return name.length <= 63 && /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/.test(name);
}

/** Returns whether a text is a host name: labels of letters, digits and `-`, not an IP address. */
export function isHostName(host: string): boolean {
  return isLabels(host) && parseAddress(host) === undefined;
}

/** Returns whether a text consists of DNS labels in any case. An IPv4 address does, too. */
export function isLabels(host: string): boolean {
  return host.length <= 253 && host.toLowerCase().split('.').every(isLabelName);
}

/** Returns the key of an object within its kind: `NAMESPACE/NAME`, or the name alone if cluster-scoped. */
export function keyOf(meta: Pick<ObjectMeta, 'namespace' | 'name'>): string {
  return meta.namespace === '' ? meta.name : `${meta.namespace}/${meta.name}`;
}
