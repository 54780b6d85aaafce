import type { Parsed } from '../../base/model/problem.ts';
import { isLabelName, isName, type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';
import { type ReadListeners, readListeners } from './listener.ts';
import { gatewayGroup } from './parts.ts';

/** A ListenerSet (gateway.networking.k8s.io/v1): more listeners for a Gateway. */
export interface ListenerSet extends ReadListeners {
  readonly meta: ObjectMeta;
  /** `NAMESPACE/NAME` of its Gateway. Absent: its parent is no Gateway. */
  readonly parent?: string;
}

/** Parses a ListenerSet. An invalid listener does not affect the others. */
export function parseListenerSet(input: unknown): Parsed<ListenerSet> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const spec = isRecord(input) ? input.spec : undefined;
  if (!isRecord(spec)) problems.add('spec', spec, 'must be the spec of a ListenerSet');
  const { parentRef, listeners } = isRecord(spec) ? spec : {};
  const parent = readGateway(parentRef, meta?.namespace ?? '');
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    ...(parent !== undefined && { parent }),
    ...readListeners(Array.isArray(listeners) ? listeners : [], meta?.namespace ?? ''),
  }));
}

function readGateway(written: unknown, home: string): string | undefined {
  const { group, kind, namespace, name } = isRecord(written) ? written : {};
  if ((group ?? gatewayGroup) !== gatewayGroup || (kind ?? 'Gateway') !== 'Gateway') return undefined;
  const there = namespace ?? home;
  if (typeof name !== 'string' || !isName(name) || typeof there !== 'string' || !isLabelName(there)) return undefined;
  return `${there}/${name}`;
}
