/** A server that says who it is and what it saw. */
export interface HttpServing {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** PEM; with them it speaks TLS. */
  readonly certificate?: string;
  readonly key?: string;
  /** HTTP/2 without TLS. */
  readonly h2c?: boolean;
}

/** One request. */
export interface HttpQuestion {
  readonly tls: boolean;
  readonly http2?: boolean;
  readonly address: string;
  readonly port: number;
  /** Name in the ClientHello; absent: none. */
  readonly sni?: string;
  /** Of HTTP/2; absent: the SNI. */
  readonly authority?: string;
  readonly method?: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The client's own certificate. */
  readonly client?: { readonly cert: string; readonly key: string };
}

export type HttpCommand =
  | ({ readonly do: 'serve' } & HttpServing)
  | ({ readonly do: 'ask' } & HttpQuestion)
  | {
      readonly do: 'raw';
      readonly address: string;
      readonly port: number;
      readonly text: string;
      readonly hold?: string;
    }
  | { readonly do: 'negotiate'; readonly address: string; readonly port: number; readonly sni: string }
  | { readonly do: 'say'; readonly name: string; readonly text: string };

/** What came back. */
export type HttpAnswer =
  | {
      readonly status: number;
      readonly headers: Readonly<Record<string, string | string[]>>;
      readonly body: string;
      /** Common name of the certificate that was shown. */
      readonly subject?: string;
    }
  | { readonly error: string };
