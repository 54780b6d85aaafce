import { Agent, type ClientRequest, request as requestPlain } from 'node:http';
import { type RequestOptions, request as requestSecure, Agent as SecureAgent } from 'node:https';
import type { Socket } from 'node:net';
import { type ConnectionOptions, connect as connectSecure } from 'node:tls';
import { bracketHost, type ClusterAccess, plainHost } from './access.ts';
import type { Credentials } from './credentials.ts';
import { openTunnel } from './proxy.ts';

/** One request, ready to send. */
export interface RequestWords {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly signal: AbortSignal;
}

/** The remote end of a connection. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Options of the pool of idle connections. */
const keep = { keepAlive: true, keepAliveMsecs: 15_000, maxFreeSockets: 8, scheduling: 'lifo' } as const;

/** Returns host and port of the API server; the host has no brackets. */
export function endpointOf({ server }: ClusterAccess): Endpoint {
  const port = server.port === '' ? (server.protocol === 'https:' ? 443 : 80) : Number(server.port);
  return { host: plainHost(server), port };
}

/**
 * Returns the TLS options of a cluster. OpenSSL reports an unreadable certificate or key when the options are first
 * used.
 */
function tlsOptionsOf(access: ClusterAccess, credentials: Credentials): ConnectionOptions {
  const { authority, certificate, key } = credentials;
  return {
    ...(authority !== undefined && { ca: authority }),
    ...(certificate !== undefined && { cert: certificate }),
    ...(key !== undefined && { key }),
    ...(access.serverName !== undefined && { servername: access.serverName }),
    rejectUnauthorized: !access.isUnverified,
  };
}

/**
 * A pool of connections to one API server, over `node:https`: the only client that honours all TLS settings on both
 * runtimes (ARCHITECTURE.md). A changed certificate opens a new pool; connections with requests in flight finish
 * them.
 */
export class ConnectionPool {
  readonly #access: ClusterAccess;
  #agent: { readonly of: string; readonly agent: Agent } | undefined;

  constructor(access: ClusterAccess) {
    this.#access = access;
  }

  /** Creates a request. The caller writes its body and ends it. */
  request({ method, path, headers, signal }: RequestWords, credentials: Credentials): ClientRequest {
    const { server } = this.#access;
    const options: RequestOptions = {
      ...endpointOf(this.#access),
      method,
      // The API server may be below a path, as Rancher's clusters are.
      path: `${server.pathname.replace(/\/$/, '')}${path}`,
      headers: { Host: server.host, ...headers },
      signal,
      agent: this.#agentFor(credentials),
    };
    if (server.protocol === 'http:') return requestPlain(options);
    return requestSecure({ ...options, ...tlsOptionsOf(this.#access, credentials) });
  }

  /** Closes idle connections, because their server may be gone and the next request needs a working one. */
  dropIdle(): void {
    for (const sockets of Object.values(this.#agent?.agent.freeSockets ?? {})) {
      for (const socket of sockets ?? []) socket.destroy();
    }
  }

  #agentFor(credentials: Credentials): Agent {
    const { authority, certificate, key } = credentials;
    const of = JSON.stringify([authority, certificate, key]);
    if (this.#agent?.of === of) return this.#agent.agent;
    this.dropIdle();
    const agent = this.#openAgent();
    this.#agent = { of, agent };
    return agent;
  }

  #openAgent(): Agent {
    const { server, proxy } = this.#access;
    if (server.protocol === 'http:') return new Agent(keep);
    const agent = new SecureAgent(keep);
    if (proxy === undefined) return agent;
    const { host, port } = endpointOf(this.#access);
    const target = `${bracketHost(host)}:${port}`;
    type Done = (error: Error | null, socket?: Socket) => void;
    const createConnection = (options: ConnectionOptions, done: Done): undefined => {
      openTunnel(proxy, target).then(
        (tunnel) => {
          const socket = connectSecure({
            ...options,
            socket: tunnel,
            ...(this.#access.serverName === undefined && { host }),
          });
          socket.once('secureConnect', () => {
            socket.removeListener('error', fail);
            done(null, socket);
          });
          const fail = (error: Error): void => done(error);
          socket.once('error', fail);
        },
        (error: Error) => done(error),
      );
      return undefined;
    };
    return Object.assign(agent, { createConnection });
  }
}
