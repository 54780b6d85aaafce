import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Server } from 'node:net';
import { type ConnectionLimits, guardConnections } from './connection-guard.ts';
import { type AccessRules, refuse } from './metrics-access.ts';
import { acceptTls, type TlsSettings } from './tls-port.ts';

export type { Credentials } from './metrics-access.ts';

/** A server that can end its connections. */
export type DaemonServer = Server & { closeAllConnections(): void };

/** Makes a document to serve as JSON. */
export type DocumentMaker = (query: URLSearchParams) => unknown;

/** Content of a daemon's HTTP server. */
export interface HttpParts extends AccessRules {
  /** Prometheus metrics and their content type. */
  readonly metrics: { readonly contentType: string; metrics(): Promise<string> };
  /** Why the daemon is not ready; undefined when it is. */
  readonly unreadiness: () => string | undefined;
  /** Problems that do not affect readiness, one line each. */
  readonly remarks?: () => readonly string[];
  /** Why one part of the daemon's service, such as `tcp/13306`, is not ready; undefined when it is. */
  readonly partUnreadiness?: (part: string) => string | undefined;
  /** JSON documents by path; a maker returns undefined until it has data. */
  readonly documents?: Readonly<Record<string, DocumentMaker>>;
  /** HTML page at `/` for a person; undefined until there is data. */
  readonly page?: (query: URLSearchParams) => string | undefined | Promise<string | undefined>;
  /** Certificate for clients that use TLS. `report` receives its problem, or undefined when there is none. */
  readonly tls?: TlsSettings & { readonly report: (problem: string | undefined) => void };
}

/** Times in milliseconds, sizes in bytes. */
const requestLimits = {
  headersTimeout: 3000,
  requestTimeout: 3000,
  connectionsCheckingInterval: 1000,
  keepAliveTimeout: 5000,
  maxHeaderSize: 8192,
};

const connectionLimits: ConnectionLimits = { all: 200, fromOne: 100, requestTime: 8000, answerTime: 10_000 };

/**
 * Creates a server for `/metrics` and documents, which may need credentials or a token, and for `/healthz` and
 * `/readyz`, which do not.
 */
export function createDaemonServer(parts: HttpParts): DaemonServer {
  const { contentType } = parts.metrics;
  const shared = { ...parts, metrics: { contentType, metrics: shareRuns(() => parts.metrics.metrics()) } };
  const server = createServer(requestLimits, (request, response) => {
    answer(shared, request, response).catch(() => response.destroy());
  });
  guardConnections(server, connectionLimits);
  // The client closed the connection without a complete request, so it expects no response.
  server.on('clientError', (_error, socket) => void socket.destroy());
  return parts.tls === undefined ? server : acceptTls(server, parts.tls, parts.tls.report);
}

/** Shares one run between concurrent callers. */
function shareRuns<Value>(run: () => Promise<Value>): () => Promise<Value> {
  let running: Promise<Value> | undefined;
  return () => {
    running ??= run().finally(() => {
      running = undefined;
    });
    return running;
  };
}

async function answer(parts: HttpParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'only GET and HEAD\n');
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://daemon');
  switch (pathname) {
    case '/healthz':
      return send(response, 200, 'ok\n');
    // The readiness path of OpenShift's router.
    case '/healthz/ready':
    case '/readyz': {
      const unreadiness = parts.unreadiness();
      if (unreadiness !== undefined) return send(response, 503, `${unreadiness}\n`);
      return send(response, 200, ['ok', ...(parts.remarks?.() ?? [])].map((line) => `${line}\n`).join(''));
    }
    case '/metrics':
      if (!(await admit(parts, request, response))) return;
      try {
        return send(response, 200, await parts.metrics.metrics(), parts.metrics.contentType);
      } catch (error) {
        return send(response, 500, `${error instanceof Error ? error.message : String(error)}\n`);
      }
    case '/': {
      if (parts.page === undefined) return send(response, 404, listPaths(parts));
      if (!(await admit(parts, request, response))) return;
      const page = await parts.page(searchParams);
      if (page === undefined) return send(response, 503, 'no data yet; retry later\n');
      // The page shows texts of tenants: even a fault in escaping must not run a script.
      response.setHeader(
        'content-security-policy',
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
      );
      response.setHeader('x-content-type-options', 'nosniff');
      return send(response, 200, page, 'text/html; charset=utf-8');
    }
    default: {
      const part = /^\/readyz\/(.+)/.exec(pathname)?.[1];
      if (part !== undefined && parts.partUnreadiness !== undefined) {
        const unreadiness = parts.partUnreadiness(part);
        return unreadiness === undefined ? send(response, 200, 'ok\n') : send(response, 503, `${unreadiness}\n`);
      }
      const { documents = {} } = parts;
      const make = Object.hasOwn(documents, pathname) ? documents[pathname] : undefined;
      if (make === undefined) return send(response, 404, listPaths(parts));
      if (!(await admit(parts, request, response))) return;
      const document = await make(searchParams);
      if (document === undefined) return send(response, 503, 'no data yet; retry later\n');
      return send(response, 200, `${JSON.stringify(document)}\n`, 'application/json');
    }
  }
}

function listPaths({ documents = {} }: HttpParts): string {
  return `there are ${['/metrics', ...Object.keys(documents), '/healthz'].join(', ')} and /readyz\n`;
}

/**
 * Listens. Rejects with an Error that names the options for address and port.
 *
 * @param options names of these options, such as `--listen-address` and `--listen-port`
 */
export function listen(
  server: Server,
  { address, port }: { readonly address: string; readonly port: number },
  options: readonly [address: string, port: string],
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const place = `${options[0]} ${address} ${options[1]} ${port}`;
      reject(new Error(`Cannot listen on ${place}: ${cause.message}`, { cause }));
    });
    server.listen(port, address, () => {
      server.removeAllListeners('error');
      server.on('error', () => undefined);
      resolve();
    });
  });
}

function send(response: ServerResponse, code: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(code, { 'content-type': type, 'cache-control': 'no-store' }).end(text);
}

/** Returns whether the client may read statistics; otherwise sends the refusal. */
async function admit(parts: HttpParts, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  const refusal = await refuse(parts, request.headers.authorization);
  if (refusal === undefined) return true;
  if (refusal.challenge !== undefined) response.setHeader('www-authenticate', refusal.challenge);
  send(response, refusal.status, `${refusal.text}\n`);
  return false;
}
