import type { Parsed } from '../../base/model/problem.ts';
import { isLabelName, isName, type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';
import { showValue } from '../../base/read/show-value.ts';
import type { ServiceShare } from '../intent/service-share.ts';

/** A listener of a Gateway, or all of them, that a route refers to. */
export interface ParentRef {
  readonly namespace: string;
  readonly name: string;
  /** Name of one listener. Absent: all of the route's protocol. */
  readonly section?: string;
  /** Port of one listener. An invalid port becomes 0, which no listener has. */
  readonly port?: number;
  /** As written by the author, because statuses repeat it. */
  readonly written: Readonly<Record<string, unknown>>;
}

/** Why a backend can never be used, for the condition `ResolvedRefs`. */
export interface BackendRefusal {
  readonly reason: 'InvalidKind' | 'BackendNotFound';
  readonly message: string;
}

/** A backend of a route. An unusable backend keeps its share of connections and rejects them. */
export interface L4Backend extends ServiceShare {
  readonly refusal?: BackendRefusal;
}

/** A TCPRoute or UDPRoute (gateway.networking.k8s.io). */
export interface L4Route {
  readonly meta: ObjectMeta;
  readonly protocol: 'tcp' | 'udp';
  readonly parents: readonly ParentRef[];
  readonly backends: readonly L4Backend[];
  /** Problems of ignored rules, one sentence each. */
  readonly dropped: readonly string[];
}

/**
 * Parses a TCPRoute or UDPRoute. Rules have no conditions, so only the first valid one can apply. ReferenceGrants
 * decide whether it may use Services of other namespaces.
 */
export function parseL4Route(input: unknown, protocol: 'tcp' | 'udp'): Parsed<L4Route> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const spec = isRecord(input) ? input.spec : undefined;
  if (!isRecord(spec)) problems.add('spec', spec, 'must be the spec of a route');
  const { parentRefs, rules } = isRecord(spec) ? spec : {};
  const home = meta?.namespace ?? '';
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    protocol,
    parents: listOf(parentRefs).flatMap((parent) => readParent(parent, home)),
    ...readRules(listOf(rules), home),
  }));
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, maxItems) : [];
}

/** The API's limits are 32 items for `parentRefs`, and 16 for `rules` and `backendRefs`. */
const maxItems = 64;

/** Parses a parent. Skips parents without a name and those that are not Gateways, which other controllers serve. */
function readParent(written: unknown, home: string): readonly ParentRef[] {
  if (!isRecord(written)) return [];
  const { group, kind, namespace, name, sectionName, port } = written;
  if ((group ?? gatewayGroup) !== gatewayGroup || (kind ?? 'Gateway') !== 'Gateway') return [];
  if (typeof name !== 'string' || !isName(name)) return [];
  const there = namespace ?? home;
  if (typeof there !== 'string' || !isLabelName(there)) return [];
  return [
    {
      namespace: there,
      name,
      ...(typeof sectionName === 'string' && sectionName !== '' && { section: sectionName }),
      ...(port !== undefined && port !== null && { port: isPort(port) ? port : 0 }),
      written: Object.fromEntries(
        parentKeys.flatMap((key) => (written[key] === undefined || written[key] === null ? [] : [[key, written[key]]])),
      ),
    },
  ];
}

const parentKeys = ['group', 'kind', 'namespace', 'name', 'sectionName', 'port'] as const;

const gatewayGroup = 'gateway.networking.k8s.io';

function readRules(rules: readonly unknown[], home: string): Pick<L4Route, 'backends' | 'dropped'> {
  const dropped: string[] = [];
  for (const [index, rule] of rules.entries()) {
    const path = `spec.rules[${index}]`;
    const { backendRefs = [] } = isRecord(rule) ? rule : { backendRefs: undefined };
    if (!isRecord(rule)) dropped.push(`Dropped Rule: ${path} ${showValue(rule)}: must be a rule`);
    else if (backendRefs !== null && !Array.isArray(backendRefs)) {
      dropped.push(`Dropped Rule: ${path}.backendRefs ${showValue(backendRefs)}: must be a list of Services`);
    } else {
      return {
        backends: listOf(backendRefs).map((one, place) => readBackend(one, home, `${path}.backendRefs[${place}]`)),
        dropped,
      };
    }
  }
  return { backends: [], dropped };
}

function readBackend(written: unknown, home: string, path: string): L4Backend {
  const { group, kind, namespace, name, port, weight } = isRecord(written) ? written : {};
  const service = typeof name === 'string' && isLabelName(name) ? name : '';
  const there = namespace ?? home;
  const refuse = (reason: BackendRefusal['reason'], message: string): L4Backend => ({
    service,
    weight: readWeight(weight),
    isForbidden: true,
    refusal: { reason, message: `${path}${message}` },
  });
  if ((group ?? '') !== '' || (kind ?? 'Service') !== 'Service') {
    return refuse('InvalidKind', `.kind ${showValue(kind)} of group ${showValue(group ?? '')}: must be a Service`);
  }
  if (service === '') return refuse('BackendNotFound', `.name ${showValue(name)}: must be the name of a Service`);
  if (typeof there !== 'string' || !isLabelName(there)) {
    return refuse('BackendNotFound', `.namespace ${showValue(namespace)}: must be the name of a namespace`);
  }
  if (port === undefined || port === null) {
    return refuse('BackendNotFound', `.port is missing: set it to a port of the Service ${service}`);
  }
  if (!isPort(port)) return refuse('BackendNotFound', `.port ${showValue(port)}: must be a port from 1 to 65535`);
  return { service, namespace: there, servicePort: port, weight: readWeight(weight) };
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

/** Returns the weight, 0–1000000, or the API's default if it is invalid. */
function readWeight(weight: unknown): number {
  const isWeight = typeof weight === 'number' && Number.isInteger(weight) && weight >= 0 && weight <= 1_000_000;
  return isWeight ? weight : 1;
}
