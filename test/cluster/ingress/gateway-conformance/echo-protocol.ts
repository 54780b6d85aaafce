/** A pod of the suite's echo server. */
export interface EchoPod {
  readonly address: string;
  readonly name: string;
  readonly namespace: string;
  /** Name of the Service of the same app. */
  readonly service: string;
  readonly mode: 'http' | 'grpc' | 'tcp';
  /** PEM, for port 8443. */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

/** One HTTP request on a connection of its own. */
export interface HttpQuestion {
  readonly address: string;
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls?: TlsWords;
  readonly isHttp2?: boolean;
}

/** TLS of a client. */
export interface TlsWords {
  readonly sni: string;
  /** Authorities, PEM. */
  readonly trust?: string;
  /** Of the client, PEM. */
  readonly pair?: { readonly certificate: string; readonly key: string };
}

/** One gRPC call on a connection of its own. */
export interface GrpcQuestion {
  readonly address: string;
  readonly port: number;
  readonly service: string;
  readonly method: string;
  readonly authority: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** An exchange with the suite's TCP server, a handshake, or a datagram. */
export interface WireQuestion {
  readonly address: string;
  readonly port: number;
  readonly tls?: TlsWords;
  readonly payload?: string;
}

/** Frames of one WebSocket connection (RFC 6455), which the server must repeat. */
export interface SocketQuestion {
  readonly address: string;
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly frames: readonly { readonly opcode: 1 | 2; readonly hex: string }[];
}

/** A request line that pods of a Deployment may have received. */
export interface ReceivedQuestion {
  readonly uri: string;
  /** Beginning of the names of the pods. */
  readonly backend: string;
  readonly namespace: string;
}

export type EchoCommand =
  | { readonly do: 'serve'; readonly pods: readonly EchoPod[] }
  | { readonly do: 'http'; readonly question: HttpQuestion }
  | { readonly do: 'grpc'; readonly question: GrpcQuestion }
  | { readonly do: 'websocket'; readonly question: SocketQuestion }
  | { readonly do: 'received'; readonly question: ReceivedQuestion }
  | { readonly do: 'tcp' | 'handshake' | 'udp'; readonly question: WireQuestion };

/** What came of a question; `error` where nothing did. */
export interface EchoAnswer {
  readonly error?: string;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The echo server's JSON, if the answer is one. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server says
  readonly echo?: any;
  /** Number of requests that pods received. */
  readonly count?: number;
  /** Name of a gRPC code. */
  readonly code?: string;
}
