import { createSocket, type Socket } from 'node:dgram';
import type { DnsResponse } from './dns-message.ts';
import type { DnsServer } from './resolv-conf.ts';

/** Mismatched responses on one port that indicate spoofing. The client then uses TCP, which is harder to spoof. */
const mostWrong = 8;

/**
 * Maximum number of queries from one port. A socket costs several times as much as a query, so queries that begin
 * together share one. Each is protected as if it had a port of its own: a forged response must match the port, the ID
 * and the name of the same query (RFC 5452 §4).
 */
const mostQueries = 4;

/** A query and how to read responses to it. */
export interface UdpQuery {
  readonly id: number;
  readonly message: Buffer;
  /** Returns undefined for a message that does not answer the query. */
  readonly read: (bytes: Buffer) => DnsResponse | undefined;
  /** Timeout in milliseconds. */
  readonly patience: number;
}

/** A query that waits for its response. */
interface Pending {
  readonly query: UdpQuery;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (response: DnsResponse | 'forged') => void;
  readonly reject: (error: Error) => void;
}

/** Sends queries over UDP from random ports. */
export class UdpSender {
  /** Ports that can take more queries, by server. */
  readonly #opening = new Map<string, Port>();

  /**
   * Queries a server. Resolves with `forged` if responses indicate spoofing. Rejects with an Error on a timeout or if
   * the server's port is closed.
   */
  ask(server: DnsServer, query: UdpQuery): Promise<DnsResponse | 'forged'> {
    const key = `${server.address} ${server.port}`;
    const known = this.#opening.get(key);
    if (known?.canTake(query) === true) return known.ask(query);
    const port = new Port(server, () => {
      if (this.#opening.get(key) === port) this.#opening.delete(key);
    });
    this.#opening.set(key, port);
    return port.ask(query);
  }
}

/** A socket from which several queries are sent. It closes after the last one. */
class Port {
  readonly #server: DnsServer;
  readonly #socket: Socket;
  readonly #pending = new Set<Pending>();
  readonly #opened: () => void;
  #taken = 0;
  #hasEnded = false;
  #wrong = 0;

  /** @param opened called when the port takes no more queries */
  constructor(server: DnsServer, opened: () => void) {
    this.#server = server;
    this.#opened = opened;
    const { address, port } = server;
    const family = address.includes(':') ? 6 : 4;
    // The kernel picks a random port. The server is an address, which needs no lookup in another thread.
    this.#socket = createSocket({ type: `udp${family}`, lookup: (host, _, done) => done(null, host, family) });
    const fail = (error: Error): void => this.#end((pending) => pending.reject(error));
    this.#socket.on('error', fail);
    this.#socket.on('message', (bytes, from) => this.#receive(bytes, from));
    // On a connected socket, the kernel drops packets from other addresses and reports a closed port.
    this.#socket.connect(port, address, () => {
      opened();
      // The kernel reports a closed port once, to whichever call is next.
      const sent = (error: Error | null): void => {
        if (error !== null) fail(error);
      };
      for (const { query } of this.#pending) this.#socket.send(query.message, sent);
    });
  }

  /** Two queries with the same ID could get each other's error. */
  canTake({ id }: UdpQuery): boolean {
    return this.#taken < mostQueries && ![...this.#pending].some(({ query }) => query.id === id);
  }

  /** Call this before the port is open. */
  ask(query: UdpQuery): Promise<DnsResponse | 'forged'> {
    this.#taken++;
    return new Promise((resolve, reject) => {
      const fail = (): void => {
        this.#settle(pending);
        reject(new Error(`no answer within ${query.patience} ms`));
      };
      const pending = { query, timer: setTimeout(fail, query.patience), resolve, reject };
      this.#pending.add(pending);
    });
  }

  #receive(bytes: Buffer, from: { readonly address: string; readonly port: number }): void {
    const isServer = from.port === this.#server.port && isSameHost(from.address, this.#server.address);
    for (const pending of isServer ? this.#pending : []) {
      const response = pending.query.read(bytes);
      if (response === undefined) continue;
      this.#settle(pending);
      pending.resolve(response);
      return;
    }
    if (++this.#wrong >= mostWrong) this.#end((pending) => pending.resolve('forged'));
  }

  #settle(pending: Pending): void {
    clearTimeout(pending.timer);
    this.#pending.delete(pending);
    if (this.#pending.size === 0) this.#end(() => undefined);
  }

  #end(settle: (pending: Pending) => void): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#opened();
    this.#socket.removeAllListeners();
    // Ignore errors that arrive after the last query has ended.
    this.#socket.on('error', () => {});
    this.#socket.close();
    for (const pending of this.#pending) {
      clearTimeout(pending.timer);
      settle(pending);
    }
    this.#pending.clear();
  }
}

function isSameHost(one: string, other: string): boolean {
  return one.replace(/%.*$/, '') === other.replace(/%.*$/, '');
}
