import { type LabelRequirement, readLabelSelector } from '../../base/read/label-selector.ts';
import { isLabelName, isName } from '../../base/read/object-meta.ts';
import { isRecord } from '../../base/read/shape.ts';
import { showValue } from '../../base/read/show-value.ts';
import { parseHostname } from './hostname.ts';
import { gatewayGroup, isAbsent, isPort, listOf } from './parts.ts';

/** Namespaces from which a listener accepts routes. */
export type AllowedNamespaces =
  | { readonly from: 'Same' | 'All' | 'None' }
  | { readonly from: 'Selector'; readonly selector: readonly LabelRequirement[] };

/** A kind of route that a listener names. */
export interface RouteKind {
  readonly group: string;
  readonly kind: string;
}

/** Common fields of all listeners. */
interface AnyListener {
  readonly name: string;
  /** 1–65535. */
  readonly port: number;
  readonly allowed: AllowedNamespaces;
  /** Kinds of routes that it accepts. Absent: all that fit its protocol. */
  readonly kinds?: readonly RouteKind[];
}

/** A listener of a protocol that needs only a port. */
export interface L4Listener extends AnyListener {
  readonly protocol: 'tcp' | 'udp';
}

/** A listener whose requests are distributed by host. */
export interface L7Listener extends AnyListener {
  readonly protocol: 'http' | 'https' | 'tls';
  /** In lower case: a name, or `*.` and a name. Absent: every name. */
  readonly hostname?: string;
  /** Present for `https` and `tls`. */
  readonly tls?: WrittenTls;
}

/** A listener of a Gateway. */
export type GatewayListener = L4Listener | L7Listener;

/** TLS of a listener as specified. */
export interface WrittenTls {
  readonly isPassthrough: boolean;
  readonly certificates: readonly CertificateRef[];
}

/** A reference to a certificate. */
export interface CertificateRef {
  /** JSON path, for messages. */
  readonly path: string;
  /** Absent: {@link refusal}. */
  readonly namespace?: string;
  readonly name: string;
  /** Why it can never be used. */
  readonly refusal?: string;
}

/** A parsed listener. `path` is its place in the object. */
export type ListenerReading = ReadListener & { readonly path: string };

/** A listener that is valid, of an unsupported protocol, or invalid. */
type ReadListener =
  | { readonly kind: 'l4'; readonly listener: L4Listener }
  | { readonly kind: 'l7'; readonly listener: L7Listener }
  /** An unsupported protocol. */
  | { readonly kind: 'other'; readonly name: string; readonly protocol: string; readonly port: number }
  | {
      readonly kind: 'unreadable';
      readonly name: string;
      readonly port?: number;
      readonly protocol?: GatewayListener['protocol'];
      readonly problem: string;
      /** Reason of the condition `Accepted`. */
      readonly reason: 'Invalid' | 'UnsupportedValue';
    };

/** Listeners of a Gateway in the order of its spec, and the problems of those whose names are invalid or duplicates. */
export interface ReadListeners {
  readonly listeners: readonly ListenerReading[];
  readonly problems: readonly string[];
}

/** Parses the listeners of a Gateway. An invalid listener does not affect the others. */
export function readListeners(written: readonly unknown[], home: string): ReadListeners {
  const listeners = new Map<string, ListenerReading>();
  const problems: string[] = [];
  for (const [index, one] of written.slice(0, maxListeners).entries()) {
    const path = `spec.listeners[${index}]`;
    const name = isRecord(one) ? one.name : undefined;
    if (!isRecord(one) || typeof name !== 'string' || !isName(name)) {
      const value = showValue(isRecord(one) ? name : one);
      problems.push(`${path}.name ${value}: must be lower-case letters, digits, "-" and "."`);
    } else if (listeners.has(name)) problems.push(`${path}.name ${showValue(name)}: must be unique`);
    else listeners.set(name, { ...readListener(name, one, path, home), path });
  }
  return { listeners: [...listeners.values()], problems };
}

/** Limit of the API: `spec.listeners` has at most 64 items. */
const maxListeners = 64;

/** Supported protocols by their names in the API. */
const protocols = { TCP: 'tcp', UDP: 'udp', HTTP: 'http', HTTPS: 'https', TLS: 'tls' } as const;

type ProtocolName = keyof typeof protocols;

/** Supported protocols, for messages. */
export const protocolCure = 'must be HTTP, HTTPS, TLS, TCP or UDP';

function readListener(name: string, written: Record<string, unknown>, path: string, home: string): ReadListener {
  const { port, protocol: word } = written;
  const refuse = (
    place: string,
    value: unknown,
    cure: string,
    reason: 'Invalid' | 'UnsupportedValue' = 'Invalid',
  ): Unreadable => ({
    kind: 'unreadable',
    name,
    ...(isPort(port) && { port }),
    ...(typeof word === 'string' && Object.hasOwn(protocols, word) && { protocol: protocols[word as ProtocolName] }),
    problem: `${path}.${place} ${showValue(value)}: ${cure}`,
    reason,
  });
  if (!isPort(port)) return refuse('port', port, 'must be a port from 1 to 65535');
  if (typeof word !== 'string') return refuse('protocol', word, protocolCure);
  if (!Object.hasOwn(protocols, word)) return { kind: 'other', name, protocol: word, port };
  const protocol = protocols[word as ProtocolName];
  const allowed = readAllowed(written.allowedRoutes, (place, value, cure) =>
    refuse(`allowedRoutes${place}`, value, cure),
  );
  if ('problem' in allowed) return allowed;
  const { namespaces, kinds } = allowed;
  const listener = { name, port, allowed: namespaces, ...(kinds.length > 0 && { kinds }) };
  if (protocol === 'tcp' || protocol === 'udp') return { kind: 'l4', listener: { ...listener, protocol } };
  const hostname = isAbsent(written.hostname) || written.hostname === '' ? undefined : parseHostname(written.hostname);
  if (hostname === undefined && !isAbsent(written.hostname) && written.hostname !== '') {
    return refuse('hostname', written.hostname, 'must be a host name such as "*.example.com"');
  }
  const named = { ...listener, protocol, ...(hostname !== undefined && { hostname }) };
  if (protocol === 'http') return { kind: 'l7', listener: named };
  const tls = readTls(written.tls, protocol, `${path}.tls`, home, (place, value, cure, reason) =>
    refuse(`tls.${place}`, value, cure, reason),
  );
  return 'problem' in tls ? tls : { kind: 'l7', listener: { ...named, tls } };
}

type Unreadable = Extract<ReadListener, { readonly kind: 'unreadable' }>;
type Refuse = (place: string, value: unknown, cure: string, reason?: 'Invalid' | 'UnsupportedValue') => Unreadable;

function readTls(
  written: unknown,
  protocol: 'https' | 'tls',
  path: string,
  home: string,
  refuse: Refuse,
): WrittenTls | Unreadable {
  const tls = isRecord(written) ? written : {};
  const mode = tls.mode ?? 'Terminate';
  if (mode !== 'Terminate' && mode !== 'Passthrough') return refuse('mode', mode, 'must be Terminate or Passthrough');
  if (protocol === 'https' && mode === 'Passthrough') {
    return refuse('mode', mode, 'must be Terminate for protocol HTTPS; use TLS for passthrough');
  }
  // Earlier versions of the API restrict clients with these fields. Ignoring them would admit any client.
  if (!isAbsent(tls.frontendValidation)) {
    return refuse('frontendValidation', tls.frontendValidation, 'is not supported; remove it', 'UnsupportedValue');
  }
  if (mode === 'Passthrough') return { isPassthrough: true, certificates: [] };
  return {
    isPassthrough: false,
    certificates: listOf(tls.certificateRefs).map((one, index) =>
      readCertificateRef(one, `${path}.certificateRefs[${index}]`, home),
    ),
  };
}

/** Parses a reference to a Secret with a certificate. `path` is its place, for messages. */
export function readCertificateRef(written: unknown, path: string, home: string): CertificateRef {
  const { group, kind, namespace, name } = isRecord(written) ? written : {};
  const refuse = (field: string, value: unknown, cure: string): CertificateRef => ({
    path,
    name: '',
    refusal: `${path}.${field} ${showValue(value)}: ${cure}`,
  });
  if ((group ?? '') !== '') return refuse('group', group, 'must be empty, because certificates are in Secrets');
  if ((kind ?? 'Secret') !== 'Secret') return refuse('kind', kind, 'must be Secret');
  if (typeof name !== 'string' || !isName(name)) return refuse('name', name, 'must be the name of a Secret');
  const there = namespace ?? home;
  if (typeof there !== 'string' || !isLabelName(there)) {
    return refuse('namespace', namespace, 'must be the name of a namespace');
  }
  return { path, namespace: there, name };
}

function readAllowed(
  written: unknown,
  refuse: (place: string, value: unknown, cure: string) => Unreadable,
): { readonly namespaces: AllowedNamespaces; readonly kinds: readonly RouteKind[] } | Unreadable {
  // An unreadable restriction must not become the default, which may admit more.
  if (!isAbsent(written) && !isRecord(written)) return refuse('', written, 'must be an object');
  const { namespaces, kinds } = written ?? {};
  if (!isAbsent(namespaces) && !isRecord(namespaces)) return refuse('.namespaces', namespaces, 'must be an object');
  if (!isAbsent(kinds) && !Array.isArray(kinds)) return refuse('.kinds', kinds, 'must be a list of kinds of routes');
  const { from, selector } = namespaces ?? {};
  const read = readNamespaces(from ?? 'Same', selector);
  if (read === 'from') return refuse('.namespaces.from', from, 'must be Same, All, Selector or None');
  if (read === 'selector') return refuse('.namespaces.selector', selector, 'must be a label selector');
  return {
    namespaces: read,
    kinds: ((kinds ?? []) as readonly unknown[]).map((one): RouteKind => {
      const { group, kind } = isRecord(one) ? one : {};
      return { group: typeof group === 'string' ? group : gatewayGroup, kind: typeof kind === 'string' ? kind : '' };
    }),
  };
}

/** Parses a selection of namespaces. If it is invalid, returns which of the two fields is. */
export function readNamespaces(from: unknown, selector: unknown): AllowedNamespaces | 'from' | 'selector' {
  if (from === 'Same' || from === 'All' || from === 'None') return { from };
  if (from !== 'Selector') return 'from';
  // As in the rest of the API, a missing selector matches nothing and an empty one matches everything.
  if (isAbsent(selector)) return { from: 'None' };
  const requirements = readLabelSelector(selector);
  return requirements === undefined ? 'selector' : { from, selector: requirements };
}
