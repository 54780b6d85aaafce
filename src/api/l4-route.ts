import * as z from 'zod/mini';
import type { Parsed } from '../model/problem.ts';
import { isLabelName, type ObjectMeta, readMeta } from './object-meta.ts';
import { portNumber } from './port-number.ts';
import { ProblemList } from './problem-list.ts';
import type { RouteBackend } from './route/backend.ts';
import { isRecord, type Readable, readShape } from './shape.ts';
import { text } from './text.ts';

/** A listener, or all of them, of a Gateway that a route wants to be attached to. */
export interface ParentRef {
  readonly namespace: string;
  readonly name: string;
  /** Name of one listener; absent: all of the route's protocol. */
  readonly section?: string;
  /** Port of one listener. */
  readonly port?: number;
  /** As its author wrote it: statuses repeat it. */
  readonly written: Readonly<Record<string, unknown>>;
}

/** A TCPRoute or UDPRoute (gateway.networking.k8s.io). */
export interface L4Route {
  readonly meta: ObjectMeta;
  readonly protocol: 'tcp' | 'udp';
  readonly parents: readonly ParentRef[];
  readonly backends: readonly RouteBackend[];
}

const weightCure = 'must be a weight from 0 to 1000000';

const parentSchema = z.object(
  {
    group: z.nullish(text('must be a group of the API')),
    kind: z.nullish(text('must be a kind')),
    namespace: z.nullish(text('must be the name of a namespace')),
    name: text('must be the name of a Gateway'),
    sectionName: z.nullish(text('must be the name of a listener')),
    port: z.nullish(portNumber),
  },
  'must be an object with the name of a Gateway',
);

const backendSchema = z.object(
  {
    group: z.nullish(text('must be a group of the API')),
    kind: z.nullish(text('must be "Service"')),
    namespace: z.nullish(text('must be the name of a namespace')),
    name: text('must be the name of a Service'),
    port: portNumber,
    weight: z.nullish(
      z.number(weightCure).check(z.int(weightCure), z.gte(0, weightCure), z.lte(1_000_000, weightCure)),
    ),
  },
  'must be an object with name and port of a Service',
);

const specSchema = z.object(
  {
    parentRefs: z.nullish(z.array(parentSchema, 'must be a list of Gateways')),
    rules: z.array(
      z.object({ backendRefs: z.nullish(z.array(backendSchema, 'must be a list of Services')) }, 'must be a rule'),
      'must be a list of one rule',
    ),
  },
  'must be the spec of a route',
);

type WrittenBackend = Readable<z.output<typeof backendSchema>>;

/**
 * Reads a TCPRoute or UDPRoute. Without conditions to choose by, only the first rule can ever apply.
 * Whether it may use Services of other namespaces is for their ReferenceGrants to say.
 */
export function parseL4Route(input: unknown, protocol: 'tcp' | 'udp'): Parsed<L4Route> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const spec = readShape(specSchema, isRecord(input) ? input.spec : undefined, 'spec', problems);
  const parents = (spec?.parentRefs ?? []).flatMap((parent): ParentRef[] => {
    if (parent?.name === undefined || (parent.kind ?? 'Gateway') !== 'Gateway') return [];
    const { name, namespace = meta?.namespace ?? '', sectionName, port } = parent;
    const section = sectionName || undefined;
    return [
      {
        namespace,
        name,
        ...(section !== undefined && { section }),
        ...(port !== undefined && { port }),
        written: Object.fromEntries(Object.entries(parent).filter(([, value]) => value !== undefined)),
      },
    ];
  });
  const backends: RouteBackend[] = [];
  for (const [index, written] of (spec?.rules?.[0]?.backendRefs ?? []).entries()) {
    const path = `spec.rules[0].backendRefs[${index}]`;
    const backend = written && readBackend(written, meta?.namespace ?? '', path, problems);
    if (backend !== undefined) backends.push(backend);
  }
  return problems.finish(() => ({ meta: meta as ObjectMeta, protocol, parents, backends }));
}

function readBackend(
  { kind, namespace, name, port, weight }: WrittenBackend,
  home: string,
  path: string,
  problems: ProblemList,
): RouteBackend | undefined {
  if (name === undefined || port === undefined) return undefined;
  if ((kind ?? 'Service') !== 'Service') problems.add(`${path}.kind`, kind, 'must be "Service"');
  if (!isLabelName(name)) problems.add(`${path}.name`, name, 'must be the name of a Service');
  const there = namespace || home;
  if (!isLabelName(there)) problems.add(`${path}.namespace`, namespace, 'must be the name of a namespace');
  return { service: name, namespace: there, servicePort: port, weight: weight ?? 1 };
}
