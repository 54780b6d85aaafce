/** A Service that takes a share of requests or connections. */
export interface ServiceShare {
  readonly service: string;
  /** The Service's namespace. Absent: that of the requesting object. */
  readonly namespace?: string;
  /**
   * Number or name of the Service's port, not of its endpoints' (Gateway API, Ingress). Absent: the target port of the
   * request decides.
   */
  readonly servicePort?: string | number;
  /** Whether the share is rejected regardless of existing objects, because of its kind or a missing grant. */
  readonly isForbidden?: true;
  /** TLS to its endpoints (BackendTLSPolicy). Absent: as the group requests. */
  readonly tls?: ShareTls;
  /** Relative to the other shares; a share with 0 gets nothing. At most 256 for a Route. */
  readonly weight: number;
}

/** Validated TLS to the endpoints of a share, whose certificates are always verified. */
export interface ShareTls {
  /** TLS server name, which the certificate must contain. */
  readonly name: string;
  /** CA certificates. */
  readonly authority: NamedPem;
  /** Certificate, chain and key that the router presents. Absent: none. */
  readonly certificate?: NamedPem;
}

/** A PEM text with a unique name, `NAMESPACE:…`. */
export interface NamedPem {
  readonly name: string;
  readonly pem: string;
}
