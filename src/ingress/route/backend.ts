/** A Service that gets a share of connections. */
export interface RouteBackend {
  readonly service: string;
  /** Namespace of the Service. Absent: that of the Route. */
  readonly namespace?: string;
  /** Port of the Service instead of its endpoints (Gateway API). Absent: the Route's target port applies. */
  readonly servicePort?: number;
  /** The backend may not be used (unsupported kind, or no grant), so its share of connections is rejected. */
  readonly isForbidden?: true;
  /** Relative to the other backends; 0 gets nothing. For Routes 0–256. */
  readonly weight: number;
}
