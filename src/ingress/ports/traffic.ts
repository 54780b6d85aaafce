/** Traffic of an open port since its agent first opened ports on the node. */
export interface PortTraffic {
  /** Connections that were forwarded to an endpoint. */
  readonly connections: number;
  /** Forwarded bytes from and to clients, including headers. */
  readonly received: number;
  readonly sent: number;
  /** Attempts rejected by a limit or an allow-list, or without an endpoint. */
  readonly refusedByLimit: number;
  readonly refusedByList: number;
  readonly unserved: number;
}
