/** A Service that takes a share of connections. */
export interface RouteBackend {
  readonly service: string;
  /** The Service's namespace; absent: the Route's. */
  readonly namespace?: string;
  /** Port of the Service, not of its endpoints (Gateway API); absent: the Route's target port decides. */
  readonly servicePort?: number;
  /** Cannot be used whatever exists (another kind, not granted): its share of connections is refused. */
  readonly isForbidden?: true;
  /** Relative to the other backends; 0 gets nothing. Of a Route 0–256. */
  readonly weight: number;
}
