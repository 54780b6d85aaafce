import * as z from 'zod/mini';
import type { Parsed } from '../model/problem.ts';
import { isLabelName, type Labels, type ObjectMeta, readLabels, readMeta } from './object-meta.ts';
import { portNumber } from './port-number.ts';
import { ProblemList } from './problem-list.ts';
import { isRecord, type Readable, readShape } from './shape.ts';
import { text } from './text.ts';

/** Which namespaces' routes a listener takes. */
export type AllowedNamespaces =
  | { readonly from: 'Same' | 'All' | 'None' }
  | { readonly from: 'Selector'; readonly labels: Labels };

/** A listener of a protocol that needs no more than a port. */
export interface GatewayListener {
  readonly name: string;
  readonly protocol: 'tcp' | 'udp';
  /** 1–65535. */
  readonly port: number;
  readonly allowed: AllowedNamespaces;
}

/** A Gateway (gateway.networking.k8s.io/v1). */
export interface Gateway {
  readonly meta: ObjectMeta;
  readonly className: string;
  /** Those of TCP and UDP; listeners of HTTP and TLS are other controllers'. */
  readonly listeners: readonly GatewayListener[];
  /** Names of the listeners of other protocols. */
  readonly otherListeners: readonly string[];
}

const listenerSchema = z.object(
  {
    name: text('must be the name of the listener'),
    port: portNumber,
    protocol: text('must be TCP or UDP'),
    allowedRoutes: z.nullish(
      z.object(
        {
          namespaces: z.nullish(
            z.object(
              {
                from: z.nullish(text('must be Same, All, Selector or None')),
                selector: z.nullish(z.object({ matchExpressions: z.nullish(z.array(z.unknown())) })),
              },
              'must be an object with from',
            ),
          ),
        },
        'must be an object with namespaces',
      ),
    ),
  },
  'must be an object with name, port and protocol',
);

const specSchema = z.object(
  {
    gatewayClassName: text('must be the name of a GatewayClass'),
    listeners: z.array(listenerSchema, 'must be a list of listeners'),
  },
  'must be the spec of a Gateway',
);

type WrittenListener = Readable<z.output<typeof listenerSchema>>;

/** Reads a Gateway. */
export function parseGateway(input: unknown): Parsed<Gateway> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const writtenSpec = isRecord(input) ? input.spec : undefined;
  const spec = readShape(specSchema, writtenSpec, 'spec', problems);
  const listeners: GatewayListener[] = [];
  const otherListeners: string[] = [];
  for (const [index, written] of (spec?.listeners ?? []).entries()) {
    const path = `spec.listeners[${index}]`;
    const listener = written && readListener(written, writtenListener(writtenSpec, index), path, problems);
    if (listener === undefined) {
      if (written?.name !== undefined) otherListeners.push(written.name);
      continue;
    }
    if (listeners.some(({ name }) => name === listener.name)) problems.add(`${path}.name`, listener.name, 'is taken');
    listeners.push(listener);
  }
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    className: spec?.gatewayClassName ?? '',
    listeners,
    otherListeners,
  }));
}

function writtenListener(spec: unknown, index: number): unknown {
  return isRecord(spec) && Array.isArray(spec.listeners) ? spec.listeners[index] : undefined;
}

function readListener(
  written: WrittenListener,
  raw: unknown,
  path: string,
  problems: ProblemList,
): GatewayListener | undefined {
  const { name, port } = written;
  const protocol = written.protocol === 'TCP' ? 'tcp' : written.protocol === 'UDP' ? 'udp' : undefined;
  if (name === undefined || port === undefined || protocol === undefined) return undefined;
  if (!isLabelName(name)) problems.add(`${path}.name`, name, 'must be lower-case letters, digits and "-"');
  return { name, protocol, port, allowed: readAllowed(written, raw, `${path}.allowedRoutes.namespaces`, problems) };
}

function readAllowed(written: WrittenListener, raw: unknown, path: string, problems: ProblemList): AllowedNamespaces {
  const { from = 'Same', selector } = written.allowedRoutes?.namespaces ?? {};
  if (from === 'Same' || from === 'All' || from === 'None') return { from };
  if (from !== 'Selector') {
    problems.add(`${path}.from`, from, 'must be Same, All, Selector or None');
    return { from: 'None' };
  }
  if ((selector?.matchExpressions ?? []).length > 0) {
    problems.add(`${path}.selector.matchExpressions`, selector?.matchExpressions, 'must be absent: use matchLabels');
  }
  // Labels are an open record, which no schema of fixed fields returns.
  const found = ['allowedRoutes', 'namespaces', 'selector', 'matchLabels'].reduce<unknown>(
    (value, key) => (isRecord(value) ? value[key] : undefined),
    raw,
  );
  return { from, labels: readLabels(found, `${path}.selector.matchLabels`, problems) };
}
