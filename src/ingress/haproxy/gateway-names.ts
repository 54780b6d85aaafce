import type { GatewaySettings, PortSpan } from './model.ts';

/**
 * Kinds of inner frontends: for requests; for requests with client certificates, which must be valid (`required`) or
 * not (`optional`); for connections (`tcp`); and for hosts of the default listener with client certificates (`site`).
 */
export type InnerKind = 'http' | 'required' | 'optional' | 'tcp' | 'site';

/** Returns the numbers of the inner frontends of each kind. A span may be empty. */
export function innerSpans({
  inner,
  clients = 0,
  ended = 0,
  sites = 0,
}: GatewaySettings): Readonly<Record<InnerKind, PortSpan>> {
  const required = inner + clients;
  const optional = required + clients;
  const tcp = optional + ended;
  return {
    http: { from: 1, to: inner },
    required: { from: inner + 1, to: required },
    optional: { from: required + 1, to: optional },
    tcp: { from: optional + 1, to: tcp },
    site: { from: tcp + 1, to: tcp + sites },
  };
}

/**
 * Number of the inner frontend for listeners on the router's own port. They do not share the certificates of Routes, so that
 * no listener can answer for the name of a Route.
 */
export const ownInner = 0;

/** Returns the numbers of the inner frontends. */
export function innerNumbers(settings: GatewaySettings): readonly number[] {
  return Array.from({ length: innerSpans(settings).site.to + 1 }, (_, index) => index);
}

/** Returns the numbers of the inner frontends that verify client certificates. */
export function clientNumbers(settings: GatewaySettings): readonly number[] {
  return innerNumbers(settings).filter((number) => isClientKind(innerKind(settings, number)));
}

export function innerKind(settings: GatewaySettings, number: number): InnerKind {
  const { http, required, optional, tcp } = innerSpans(settings);
  if (number <= http.to) return 'http';
  if (number <= required.to) return 'required';
  if (number <= optional.to) return 'optional';
  return number <= tcp.to ? 'tcp' : 'site';
}

export function isClientKind(kind: InnerKind): boolean {
  return kind === 'required' || kind === 'optional' || kind === 'site';
}

/** Returns the name of an inner frontend, and of the backend that leads to it. */
export function innerName(number: number): string {
  return `${innerPrefix}${number}`;
}

/** Beginning of the names of inner frontends. */
export const innerPrefix = 'gateway_tls_';

/** Returns the name of a file of an inner frontend in outcomes, which begins with its owner if there is one. */
export function ownedFile(file: string, owner: string | undefined): string {
  return owner === undefined ? file : `${owner}:${file}`;
}

/** Returns the list of certificates of an inner frontend, its default certificate, and its client authorities. */
export function innerFiles(number: number): {
  readonly list: string;
  readonly certificate: string;
  readonly authorities: string;
} {
  return {
    list: `certs/inner-${number}.list`,
    certificate: `certs/inner-${number}.pem`,
    authorities: `certs/inner-${number}.ca.pem`,
  };
}
