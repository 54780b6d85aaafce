import { X509Certificate } from 'node:crypto';
import type { Certificate } from '../haproxy/model.ts';
import type { TlsName } from '../haproxy/rule.ts';
import type { ListenerId, SiteListener } from '../intent/listener.ts';
import type { KeyPair } from './certificate.ts';
import type { CertificateBook } from './certificate-book.ts';
import { bySpecificity, findOwner } from './gateway-hosts.ts';
import { type Place, patternOf } from './gateway-places.ts';
import type { InnerScope } from './inner-scopes.ts';

/** A listener whose TLS the router terminates, with its valid certificates or the reason why it has none. */
export interface CheckedListener {
  readonly keyPairs: readonly KeyPair[];
  readonly problem?: string;
  /** A Secret has not been read yet; this is not a problem. */
  readonly isWaiting?: true;
}

/** Checks the certificates of a listener. One invalid certificate makes the listener invalid. */
export function checkListener(
  { owner, tls }: SiteListener,
  book: CertificateBook,
  before?: CheckedListener,
): CheckedListener {
  if (tls?.end !== 'router') return { keyPairs: [] };
  const keyPairs: KeyPair[] = [];
  for (const [index, certificate] of tls.certificates.entries()) {
    const namespace = (certificate.from === 'secret' ? certificate.namespace : undefined) ?? owner.meta.namespace;
    const known = before === undefined ? undefined : { keyPair: before.keyPairs[index] };
    const checked = book.checkCertificate(namespace, { end: 'router', plain: 'reject', certificate }, known);
    if (!checked.ok) {
      const { message, isWaiting } = checked.refusal;
      return { keyPairs: [], problem: message, ...(isWaiting && { isWaiting }) };
    }
    if (checked.keyPair !== undefined) keyPairs.push(checked.keyPair);
  }
  return keyPairs.length > 0 ? { keyPairs } : { keyPairs, problem: 'the listener has no certificate' };
}

/** Certificates of a place. */
export interface PlaceCertificates {
  readonly certificates: readonly Certificate[];
  /** Names of the certificates of each listener. */
  readonly names: ReadonlyMap<ListenerId, readonly string[]>;
  /** Default certificate, for names that no certificate contains, and the namespace of its listener. Absent: the router's. */
  readonly usual?: { readonly pem: string; readonly owner: string };
}

/**
 * Returns the certificates of the listeners that share a frontend. The first certificate of a listener is used for its hostname, and all are used
 * for the names that they contain within it. HAProxy selects wildcards of one label only, so names with more labels
 * get the default certificate of the place.
 *
 * @param inner number of the inner frontend
 */
export function listCertificates(
  scope: Pick<InnerScope, 'listeners'>,
  checkedOf: (id: ListenerId) => CheckedListener | undefined,
  inner: number,
  http2: boolean,
): PlaceCertificates {
  const taken = new Set<string>();
  const certificates: Certificate[] = [];
  const names = new Map<ListenerId, readonly string[]>();
  let usual: PlaceCertificates['usual'];
  const listeners = [...scope.listeners].sort(([one], [other]) => bySpecificity(one, other));
  for (const [pattern, { id, owner }] of listeners) {
    const { namespace } = owner.meta;
    for (const [index, { pem, fingerprint }] of (checkedOf(id)?.keyPairs ?? []).entries()) {
      const own = listNames(pem).filter((name) => pattern === '*' || isWithin(name, pattern));
      const hosts = [...new Set(index === 0 && pattern !== '*' ? [pattern, ...own] : own)].filter(
        (host) => !taken.has(host),
      );
      for (const host of hosts) taken.add(host);
      if (index === 0) usual = { pem, owner: namespace };
      if (hosts.length === 0) continue;
      const digest = fingerprint.replaceAll(':', '').slice(0, 16);
      const name = `${namespace}:inner-${inner}:${id.replaceAll('/', ':')}:${index}:${digest}`;
      certificates.push({ name, pem, hosts, http2, inner });
      names.set(id, [...(names.get(id) ?? []), name]);
    }
  }
  return { certificates, names, ...(usual !== undefined && { usual }) };
}

/** Returns the host names in a certificate that HAProxy can select by. */
function listNames(pem: string): readonly string[] {
  const block = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(pem)?.[0];
  if (block === undefined) return [];
  const names = new X509Certificate(block).subjectAltName?.split(', ') ?? [];
  return names
    .flatMap((name) => (name.startsWith('DNS:') ? [name.slice(4).toLowerCase()] : []))
    .filter((name) => name.length <= 253 && /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(name));
}

function isWithin(name: string, pattern: string): boolean {
  return name === pattern || (pattern.startsWith('*.') && name.endsWith(pattern.slice(1)));
}

/** Returns the names in a ClientHello at a place: listeners, and the passthrough backends of routes by pattern. */
export function listTlsNames(
  place: Place,
  backendsOf: (listener: SiteListener) => ReadonlyMap<string, string>,
  isServed: (listener: SiteListener) => boolean,
  innerOf: (listener: SiteListener) => number | undefined,
): readonly TlsName[] {
  const names = new Map<string, TlsName>();
  for (const listener of place.listeners.values()) {
    const key = `${place.name}|${patternOf(listener)}`;
    const ends = listener.tls?.end === 'router' && isServed(listener);
    const inner = innerOf(listener);
    const end = inner === undefined ? 'end' : { inner };
    // Without a frontend of its own, a listener must not share that of others.
    names.set(key, { key, to: ends && inner !== 0 ? end : 'reject' });
  }
  for (const listener of place.listeners.values()) {
    if (listener.tls?.end !== 'endpoint') continue;
    for (const one of listBackendNames(place, listener, backendsOf)) names.set(one.key, one);
  }
  return [...names.values()];
}

/** Returns the names of a listener for connections, whose TLS the router terminates, with their backends. */
export function listEndedNames(
  place: Place,
  backendsOf: (listener: SiteListener) => ReadonlyMap<string, string>,
): readonly TlsName[] {
  return [...place.listeners.values()].flatMap((listener) =>
    listener.protocol === 'TLS' && listener.tls?.end === 'router' ? listBackendNames(place, listener, backendsOf) : [],
  );
}

/** Returns the names of routes within a listener that belong to no more specific listener of the place. */
function listBackendNames(
  place: Place,
  listener: SiteListener,
  backendsOf: (listener: SiteListener) => ReadonlyMap<string, string>,
): readonly TlsName[] {
  return [...backendsOf(listener)].flatMap(([pattern, backend]): TlsName[] =>
    findOwner(place, pattern) === listener ? [{ key: `${place.name}|${pattern}`, to: { backend } }] : [],
  );
}
