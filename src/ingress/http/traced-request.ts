/** A request to trace. */
export interface TracedRequest {
  /** As in the Host header. */
  readonly host: string;
  /** Begins with `/`. */
  readonly path: string;
  readonly tls: boolean;
  /** Default: GET. */
  readonly method?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Query parameters. */
  readonly params?: readonly (readonly [name: string, value: string])[];
  /** Port that the client connects to. Absent: the router's own. */
  readonly port?: number;
  /** Address that the client connects to. Absent: any. */
  readonly address?: string;
}
