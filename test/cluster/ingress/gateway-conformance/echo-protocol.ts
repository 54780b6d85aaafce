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

export type EchoCommand =
  | { readonly do: 'serve'; readonly pods: readonly EchoPod[] }
  | { readonly do: 'http'; readonly question: HttpQuestion }
  | { readonly do: 'grpc'; readonly question: GrpcQuestion }
  | { readonly do: 'tcp' | 'handshake' | 'udp'; readonly question: WireQuestion };

/** What came of a question; `error` where nothing did. */
export interface EchoAnswer {
  readonly error?: string;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The echo server's JSON, if the answer is one. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server says
  readonly echo?: any;
  /** Name of a gRPC code. */
  readonly code?: string;
}
