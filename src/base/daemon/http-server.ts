import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type ConnectionLimits, guardConnections } from './connection-guard.ts';
import { type AccessRules, refuse } from './metrics-access.ts';

export type { Credentials } from './metrics-access.ts';

/** Makes a document that is told as JSON. */
export type DocumentMaker = (query: URLSearchParams) => unknown;

/** What a daemon answers by HTTP. */
export interface HttpParts extends AccessRules {
  /** Prometheus' text, and its content type. */
  readonly metrics: { readonly contentType: string; metrics(): Promise<string> };
  /** Why the daemon is not ready; undefined when it is. */
  readonly unreadiness: () => string | undefined;
  /** What is not as it should be though the daemon is ready, a line each. */
  readonly remarks?: () => readonly string[];
  /** Why one thing that the daemon serves is not ready, such as `tcp/13306`; undefined when it is. */
  readonly partUnreadiness?: (part: string) => string | undefined;
  /** Documents for programs, by path; undefined where there is nothing to tell yet. */
  readonly documents?: Readonly<Record<string, DocumentMaker>>;
}

/** Times in milliseconds, sizes in bytes. */
const requestLimits = {
  headersTimeout: 3000,
  requestTimeout: 3000,
  connectionsCheckingInterval: 1000,
  keepAliveTimeout: 5000,
  maxHeaderSize: 8192,
};

const connectionLimits: ConnectionLimits = { all: 200, fromOne: 100, answerTime: 10_000 };

/** `/metrics` and documents, and `/healthz` and `/readyz` for a kubelet; only the former ask for credentials or tokens. */
export function createDaemonServer(parts: HttpParts): Server {
  const { contentType } = parts.metrics;
  const shared = { ...parts, metrics: { contentType, metrics: shareRuns(() => parts.metrics.metrics()) } };
  const server = createServer(requestLimits, (request, response) => {
    answer(shared, request, response).catch(() => response.destroy());
  });
  guardConnections(server, connectionLimits);
  // Half a request, or none at all, and then an end: nobody waits for an answer.
  server.on('clientError', (_error, socket) => void socket.destroy());
  return server;
}

/** Many who ask at the same time cost one run. */
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
    // The path that OpenShift's router has.
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
      if (document === undefined) return send(response, 503, 'nothing is known yet\n');
      return send(response, 200, `${JSON.stringify(document)}\n`, 'application/json');
    }
  }
}

function listPaths({ documents = {} }: HttpParts): string {
  return `there are ${['/metrics', ...Object.keys(documents), '/healthz'].join(', ')} and /readyz\n`;
}

/**
 * Listens. Rejects with an Error that names the options by which address and port were chosen.
 *
 * @param options names of the two, such as `--listen-address` and `--listen-port`
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

/** Whether the client may read statistics; one that may not is answered. */
async function admit(parts: HttpParts, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  const refusal = await refuse(parts, request.headers.authorization);
  if (refusal === undefined) return true;
  if (refusal.challenge !== undefined) response.setHeader('www-authenticate', refusal.challenge);
  send(response, refusal.status, `${refusal.text}\n`);
  return false;
}
