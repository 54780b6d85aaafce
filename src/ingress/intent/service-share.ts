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
  /** Relative to the other shares; a share with 0 gets nothing. At most 256 for a Route. */
  readonly weight: number;
}
