import { isLabelName, isName, type ObjectMeta } from '../../base/read/object-meta.ts';
import { isRecord } from '../../base/read/shape.ts';
import { showValue } from '../../base/read/show-value.ts';
import type { ServiceShare } from '../intent/service-share.ts';
import type { HolderKind } from './listener-holder.ts';
import { gatewayGroup, isAbsent, isPort } from './parts.ts';
import type { Refusal } from './refusal.ts';

/** Kinds of routes that are served. */
export const routeKinds = ['GRPCRoute', 'HTTPRoute', 'TCPRoute', 'TLSRoute', 'UDPRoute'] as const;

export type GatewayRouteKind = (typeof routeKinds)[number];

/** Common fields of all kinds of routes. */
export interface GatewayRoute {
  readonly kind: GatewayRouteKind;
  readonly meta: ObjectMeta;
  readonly parents: readonly ParentRef[];
  /** In lower case. Empty: all names of the listener. Absent: the kind has none. */
  readonly hostnames?: readonly string[];
  /** Backends of all rules. */
  readonly backends: readonly RouteBackend[];
  /** Problems of rules that are not served as written, one sentence each. */
  readonly dropped: readonly string[];
  /** Why the route is not accepted anywhere. */
  readonly refusal?: RouteRefusal;
}

/** The reason why a route is not accepted on any listener. */
export type RouteRefusal = Refusal<'UnsupportedValue' | 'IncompatibleFilters'>;

/** A listener of a Gateway or ListenerSet, or all of them, that a route refers to. */
export interface ParentRef {
  readonly kind: HolderKind;
  readonly namespace: string;
  readonly name: string;
  /** Name of one listener. Absent: all that accept the route. */
  readonly section?: string;
  /** Port of one listener. An invalid port becomes 0, which no listener has. */
  readonly port?: number;
  /** As specified by the author, because statuses repeat it. */
  readonly written: Readonly<Record<string, unknown>>;
}

/** Why a backend can never be used, for the condition `ResolvedRefs`. */
export type BackendRefusal = Refusal<'InvalidKind' | 'BackendNotFound'>;

/** A backend of a route. An unusable backend keeps its share and answers with an error. */
export interface RouteBackend extends ServiceShare {
  readonly refusal?: BackendRefusal;
  /** Receives only copies of requests. */
  readonly isMirror?: true;
}

/** Parses a parent. Skips parents without a name and those of other kinds, which other controllers serve. */
export function readParent(written: unknown, home: string): readonly ParentRef[] {
  if (!isRecord(written)) return [];
  const { group, kind, namespace, name, sectionName, port } = written;
  const parentKind = kind ?? 'Gateway';
  if ((group ?? gatewayGroup) !== gatewayGroup) return [];
  if (parentKind !== 'Gateway' && parentKind !== 'ListenerSet') return [];
  if (typeof name !== 'string' || !isName(name)) return [];
  const there = namespace ?? home;
  if (typeof there !== 'string' || !isLabelName(there)) return [];
  return [
    {
      kind: parentKind,
      namespace: there,
      name,
      ...(typeof sectionName === 'string' && sectionName !== '' && { section: sectionName }),
      ...(!isAbsent(port) && { port: isPort(port) ? port : 0 }),
      written: Object.fromEntries(parentKeys.flatMap((key) => (isAbsent(written[key]) ? [] : [[key, written[key]]]))),
    },
  ];
}

const parentKeys = ['group', 'kind', 'namespace', 'name', 'sectionName', 'port'] as const;

/** Parses a backend. `path` is its place, for messages. */
export function readBackend(written: unknown, home: string, path: string): RouteBackend {
  const { group, kind, namespace, name, port, weight } = isRecord(written) ? written : {};
  const service = typeof name === 'string' && isLabelName(name) ? name : '';
  const there = namespace ?? home;
  const refuse = (reason: BackendRefusal['reason'], message: string): RouteBackend => ({
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
  if (isAbsent(port)) {
    return refuse('BackendNotFound', `.port is missing: set it to a port of the Service ${service}`);
  }
  if (!isPort(port)) return refuse('BackendNotFound', `.port ${showValue(port)}: must be a port from 1 to 65535`);
  return { service, namespace: there, servicePort: port, weight: readWeight(weight) };
}

/** Returns a backend as a share, without what only the route's status needs. */
export function shareOf({ service, namespace, servicePort, weight, isForbidden }: RouteBackend): ServiceShare {
  return {
    service,
    ...(namespace !== undefined && { namespace }),
    ...(servicePort !== undefined && { servicePort }),
    ...(isForbidden !== undefined && { isForbidden }),
    weight,
  };
}

/** Returns the weight, 0–1000000, or the API's default for an invalid value. */
function readWeight(weight: unknown): number {
  const isWeight = typeof weight === 'number' && Number.isInteger(weight) && weight >= 0 && weight <= 1_000_000;
  return isWeight ? weight : 1;
}
