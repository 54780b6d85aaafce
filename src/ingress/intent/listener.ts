import type { ObjectMeta } from '../../base/read/object-meta.ts';
import type { CertificateSource } from './certificate-source.ts';

/** The listener of Routes and Ingresses: the router's own ports, for plain HTTP and for TLS. */
export const defaultListener = 'default';

/** {@link defaultListener}, or {@link SiteListener.id}. */
export type ListenerId = string;

/**
 * A place where requests arrive, such as a listener of a Gateway. Of all listeners with the same address and port, the
 * one with the most specific hostname that matches receives a request, and no other one answers it. Exact hostnames
 * are the most specific, then longer wildcards.
 */
export interface SiteListener {
  /** Stable and unique: `GATEWAY-UID/LISTENER`. */
  readonly id: ListenerId;
  /** The object that contains the listener, for the order of claims and for messages. */
  readonly owner: ListenerOwner;
  /** Addresses in canonical text. Empty: the addresses of the node that belong to no pool. */
  readonly addresses: readonly string[];
  /** The addresses are own ones of nodes, where other listeners have other ports. Absent: they belong to this owner. */
  readonly ofNode?: true;
  /** 1–65535. */
  readonly port: number;
  readonly protocol: ListenerProtocol;
  /**
   * In lower case: a host, or `*.` and a domain for all names below it, with any number of labels. Absent: every host.
   */
  readonly hostname?: string;
  /** Present for protocols HTTPS and TLS. */
  readonly tls?: ListenerTls;
}

/** HTTPS and TLS may share an address and port. */
export type ListenerProtocol = 'HTTP' | 'HTTPS' | 'TLS';

/** The object that contains a listener. */
export interface ListenerOwner {
  /** `Gateway` or `ListenerSet`. */
  readonly kind: string;
  readonly meta: ObjectMeta;
}

/** TLS of a listener. */
export interface ListenerTls {
  /**
   * What terminates it: the router, or the endpoint (passthrough). Connections of protocol TLS that the router terminates
   * are forwarded without interpreting them.
   */
  readonly end: 'router' | 'endpoint';
  /**
   * Certificates of the listener, in order; the first one that matches a name is used. Empty only if the endpoint
   * terminates TLS. Secrets are in {@link ListenerOwner}'s namespace unless the source names another one.
   */
  readonly certificates: readonly CertificateSource[];
  /** Verification of client certificates; protocol HTTPS only. Absent: none. */
  readonly clients?: ClientVerification;
}

/** Verification of client certificates. */
export interface ClientVerification {
  /** Unique name of the setting. Connections verified by one setting are not valid for another. */
  readonly name: string;
  /** Validated CA certificates. */
  readonly pem: string;
  /** Accepts clients without a certificate, or with an invalid one. */
  readonly isOptional?: true;
}
