import { type Address, parseAddress } from '../../base/model/address.ts';
import type { Parsed } from '../../base/model/problem.ts';
import { type LabelRequirement, readLabelSelector } from '../../base/read/label-selector.ts';
import { isName, type ObjectMeta, readMeta } from '../../base/read/object-meta.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';
import { showValue } from '../../base/read/show-value.ts';

const gatewayGroup = 'gateway.networking.k8s.io';

/** Namespaces from which a listener accepts routes. */
export type AllowedNamespaces =
  | { readonly from: 'Same' | 'All' | 'None' }
  | { readonly from: 'Selector'; readonly selector: readonly LabelRequirement[] };

/** A kind of routes that a listener names. */
export interface RouteKind {
  readonly group: string;
  readonly kind: string;
}

/** A listener of a protocol that needs only a port. */
export interface GatewayListener {
  readonly name: string;
  readonly protocol: 'tcp' | 'udp';
  /** 1–65535. */
  readonly port: number;
  readonly allowed: AllowedNamespaces;
  /** Kinds of routes that it accepts. Absent: those that fit its protocol. */
  readonly kinds?: readonly RouteKind[];
}

/** A listener, as far as it is valid. */
export type ListenerReading =
  | { readonly kind: 'l4'; readonly listener: GatewayListener }
  /** A protocol that needs more than a port, or is unknown. */
  | { readonly kind: 'other'; readonly name: string; readonly protocol: string; readonly port: number }
  | { readonly kind: 'unreadable'; readonly name: string; readonly port?: number; readonly problem: string };

/** An address that a Gateway requests. */
export interface GatewayAddress {
  /** `IPAddress`, `Hostname`, or a controller-specific type. */
  readonly type: string;
  /** Absent: any of the type. */
  readonly value?: string;
}

/** A Gateway (gateway.networking.k8s.io/v1). An invalid listener does not affect the others. */
export interface Gateway {
  readonly meta: ObjectMeta;
  readonly className: string;
  /** In the order of the spec, without duplicate names. */
  readonly listeners: readonly ListenerReading[];
  /** Requested addresses. Empty: any. */
  readonly addresses: readonly GatewayAddress[];
  /** Addresses in its status. */
  readonly recorded: readonly Address[];
  /** Whether it refers to parameters of its controller. */
  readonly hasParameters: boolean;
  /** Problems of listeners without a usable name. */
  readonly problems: readonly string[];
}

/** Parses a Gateway. */
export function parseGateway(input: unknown): Parsed<Gateway> {
  const problems = new ProblemList();
  const meta = readMeta(input, problems);
  const spec = isRecord(input) ? input.spec : undefined;
  const { gatewayClassName, listeners, addresses, infrastructure } = isRecord(spec) ? spec : {};
  if (!isRecord(spec)) problems.add('spec', spec, 'must be the spec of a Gateway');
  else if (typeof gatewayClassName !== 'string') {
    problems.add('spec.gatewayClassName', gatewayClassName, 'must be the name of a GatewayClass');
  } else if (!Array.isArray(listeners)) problems.add('spec.listeners', listeners, 'must be a list of listeners');
  return problems.finish(() => ({
    meta: meta as ObjectMeta,
    className: gatewayClassName as string,
    ...readListeners(listeners as readonly unknown[]),
    addresses: readAddresses(addresses),
    recorded: readAddresses(gatewayAddressesOf(input)).flatMap(({ value = '' }) => parseAddress(value) ?? []),
    hasParameters: isRecord(infrastructure) && isRecord(infrastructure.parametersRef),
  }));
}

/** Returns `status.addresses` as received, the only part of a Gateway's status that the agent reads. */
export function gatewayAddressesOf(input: unknown): unknown {
  return isRecord(input) && isRecord(input.status) ? input.status.addresses : undefined;
}

function readListeners(written: readonly unknown[]): Pick<Gateway, 'listeners' | 'problems'> {
  const listeners = new Map<string, ListenerReading>();
  const problems: string[] = [];
  for (const [index, one] of written.slice(0, maxListeners).entries()) {
    const path = `spec.listeners[${index}]`;
    const name = isRecord(one) ? one.name : undefined;
    if (!isRecord(one) || typeof name !== 'string' || !isName(name)) {
      const value = showValue(isRecord(one) ? name : one);
      problems.push(`${path}.name ${value}: must be lower-case letters, digits, "-" and "."`);
    } else if (listeners.has(name)) problems.push(`${path}.name ${showValue(name)}: must be unique`);
    else listeners.set(name, readListener(name, one, path));
  }
  return { listeners: [...listeners.values()], problems };
}

/** Limit of the API: `spec.listeners` has at most 64 items. */
const maxListeners = 64;

function readListener(name: string, written: Record<string, unknown>, path: string): ListenerReading {
  const { port, protocol } = written;
  const isPort = typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535;
  const refuse = (place: string, value: unknown, cure: string): ListenerReading => ({
    kind: 'unreadable',
    name,
    ...(isPort && { port }),
    problem: `${path}.${place} ${showValue(value)}: ${cure}`,
  });
  if (!isPort) return refuse('port', port, 'must be a port from 1 to 65535');
  if (typeof protocol !== 'string') return refuse('protocol', protocol, 'must be TCP or UDP');
  if (protocol !== 'TCP' && protocol !== 'UDP') return { kind: 'other', name, protocol, port };
  const allowed = readAllowed(written.allowedRoutes, (place, value, cure) =>
    refuse(`allowedRoutes.${place}`, value, cure),
  );
  if ('problem' in allowed) return allowed;
  const { namespaces, kinds } = allowed;
  return {
    kind: 'l4',
    listener: {
      name,
      protocol: protocol === 'TCP' ? 'tcp' : 'udp',
      port,
      allowed: namespaces,
      ...(kinds.length > 0 && { kinds }),
    },
  };
}

type Unreadable = Extract<ListenerReading, { readonly kind: 'unreadable' }>;
type Refuse = (place: string, value: unknown, cure: string) => ListenerReading;

function readAllowed(
  written: unknown,
  refuse: Refuse,
): { readonly namespaces: AllowedNamespaces; readonly kinds: readonly RouteKind[] } | Unreadable {
  const { namespaces, kinds } = isRecord(written) ? written : {};
  const { from, selector } = isRecord(namespaces) ? namespaces : {};
  const read = readNamespaces(from ?? 'Same', selector);
  if (typeof read === 'string') {
    const [place, value] = read === 'from' ? ['namespaces.from', from] : ['namespaces.selector', selector];
    const cure = read === 'from' ? 'must be Same, All, Selector or None' : 'must be a label selector';
    return refuse(place, value, cure) as Unreadable;
  }
  return {
    namespaces: read,
    kinds: (Array.isArray(kinds) ? kinds : []).map((one): RouteKind => {
      const { group, kind } = isRecord(one) ? one : {};
      return { group: typeof group === 'string' ? group : gatewayGroup, kind: typeof kind === 'string' ? kind : '' };
    }),
  };
}

/** Otherwise returns which of the two is invalid. */
function readNamespaces(from: unknown, selector: unknown): AllowedNamespaces | 'from' | 'selector' {
  if (from === 'Same' || from === 'All' || from === 'None') return { from };
  if (from !== 'Selector') return 'from';
  // As everywhere in the API, a missing selector matches nothing and an empty one everything.
  if (selector === undefined || selector === null) return { from: 'None' };
  const requirements = readLabelSelector(selector);
  return requirements === undefined ? 'selector' : { from, selector: requirements };
}

function readAddresses(written: unknown): readonly GatewayAddress[] {
  return (Array.isArray(written) ? written : []).map((one): GatewayAddress => {
    const { type, value } = isRecord(one) ? one : {};
    return {
      type: typeof type === 'string' ? type : 'IPAddress',
      ...(typeof value === 'string' && value !== '' && { value }),
    };
  });
}
