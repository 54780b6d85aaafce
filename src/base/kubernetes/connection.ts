import { Agent, type ClientRequest, request as requestPlain } from 'node:http';
import { type RequestOptions, request as requestSecure, Agent as SecureAgent } from 'node:https';
import type { Socket } from 'node:net';
import { type ConnectionOptions, connect as connectSecure } from 'node:tls';
import { bracketHost, type ClusterAccess, plainHost } from './access.ts';
import type { Credentials } from './credentials.ts';
import { openTunnel } from './proxy.ts';

/** One request, ready to be sent. */
export interface RequestWords {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly signal: AbortSignal;
}

/** Where a connection ends. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Connections that are kept for the next request. */
const keep = { keepAlive: true, keepAliveMsecs: 15_000, maxFreeSockets: 8, scheduling: 'lifo' } as const;

/** Host and port of the API server; the host without brackets. */
export function endpointOf({ server }: ClusterAccess): Endpoint {
  const port = server.port === '' ? (server.protocol === 'https:' ? 443 : 80) : Number(server.port);
  return { host: plainHost(server), port };
}

/** What TLS needs to know of an access. Throws where a certificate or key cannot be read, on its first use. */
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
 * Kept connections to one API server, by `node:https`: the one way in which both runtimes honour what
 * an access says of TLS (ARCHITECTURE.md). Other certificates are other connections; those that carry
 * requests go on to their end.
 */
export class ConnectionPool {
  readonly #access: ClusterAccess;
  #agent: { readonly of: string; readonly agent: Agent } | undefined;

  constructor(access: ClusterAccess) {
    this.#access = access;
  }

  /** Makes a request; its body and end are the caller's. */
  request({ method, path, headers, signal }: RequestWords, credentials: Credentials): ClientRequest {
    const { server } = this.#access;
    const options: RequestOptions = {
      ...endpointOf(this.#access),
      method,
      // The server may be behind a path, as Rancher's clusters are.
      path: `${server.pathname.replace(/\/$/, '')}${path}`,
      headers: { Host: server.host, ...headers },
      signal,
      agent: this.#agentFor(credentials),
    };
    if (server.protocol === 'http:') return requestPlain(options);
    return requestSecure({ ...options, ...tlsOptionsOf(this.#access, credentials) });
  }

  /** Closes idle connections, because their server may be gone and the next request needs another one. */
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
