/** Commands of an agent. */
export type AgentCommand =
  | { readonly do: 'serve'; readonly protocol: 'tcp' | 'udp'; readonly host: string; readonly port: number }
  | ({ readonly do: 'reach' } & Reach)
  | ({ readonly do: 'hammer'; readonly name: string } & Reach)
  | { readonly do: 'stop-hammer'; readonly name: string }
  /** Opens a TCP connection that stays. */
  | ({ readonly do: 'hold'; readonly name: string } & Reach)
  /** Says something on a connection that is held, and waits for the echo. */
  | { readonly do: 'say'; readonly name: string; readonly text: string; readonly timeout: number };

/** One attempt to be answered. */
export interface Reach {
  readonly protocol: 'tcp' | 'udp';
  readonly host: string;
  readonly port: number;
  /** Milliseconds. */
  readonly timeout: number;
  /** Local address. */
  readonly from?: string;
  /** Local port, for UDP; absent: any. */
  readonly localPort?: number;
}

/** What came of it: what the other side said, or why nothing was said. */
export type Reply = { readonly text: string } | { readonly error: string };

/** How often each outcome was seen. */
export type HammerReport = Record<string, number>;

export interface AgentRequest {
  readonly id: number;
  readonly command: AgentCommand;
}

export interface AgentResponse {
  readonly id: number;
  readonly reply: Reply;
}
