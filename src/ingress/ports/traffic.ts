/** What went through an open port since its agent first opened ports on the node. */
export interface PortTraffic {
  /** Connections that were led to an endpoint. */
  readonly connections: number;
  /** Bytes from clients and to them, headers included, of what the node forwarded. */
  readonly received: number;
  readonly sent: number;
  /** Attempts that a limit or an allow-list refused, or that had no endpoint. */
  readonly refusedByLimit: number;
  readonly refusedByList: number;
  readonly unserved: number;
}
