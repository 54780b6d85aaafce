import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingHttpHeaders, type Server } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAddress } from '../../../../src/base/model/address.ts';
import { HaproxyEngine } from '../../../../src/ingress/haproxy/engine.ts';
import type { Settings } from '../../../../src/ingress/haproxy/model.ts';
import type { EngineOptions } from '../../../../src/ingress/haproxy/report.ts';
import { makeSettings } from './fixtures.ts';

/** What a server saw, and says of itself. */
export interface Echo {
  readonly server: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Where a server of ours answered. */
  readonly echo?: Echo;
}

/** An engine on ports of its own, and servers behind it; `close` ends them all. */
export class World {
  readonly directory = mkdtempSync(join(tmpdir(), 'haproxy-test-'));
  readonly problems: string[] = [];
  httpPort = 0;
  httpsPort = 0;
  engine: HaproxyEngine;
  readonly #servers: Server[] = [];
  readonly #reloaded: (() => void)[] = [];
  readonly #options: Partial<EngineOptions>;

  constructor(options: Partial<EngineOptions> = {}) {
    this.#options = options;
    this.engine = this.makeEngine();
  }

  /** Called when the next reload is done. */
  once(resolve: () => void): void {
    this.#reloaded.push(resolve);
  }

  makeEngine(options: Partial<EngineOptions> = {}): HaproxyEngine {
    return new HaproxyEngine({
      directory: this.directory,
      binary: 'haproxy',
      user: 'haproxy',
      group: 'haproxy',
      reloadInterval: 1000,
      drainTimeout: 60_000,
      onProblem: (message) => {
        if (message !== undefined) this.problems.push(message);
      },
      onReload: () => {
        for (const resolve of this.#reloaded.splice(0)) resolve();
      },
      ...this.#options,
      ...options,
    });
  }

  async settings(changes: Partial<Settings> = {}): Promise<Settings> {
    this.httpPort ||= await freePort();
    this.httpsPort ||= await freePort();
    const address = parseAddress('127.0.0.1');
    return makeSettings({
      listen: {
        family: 'v4',
        httpPort: this.httpPort,
        httpsPort: this.httpsPort,
        proxyProtocol: false,
        ...(address === undefined ? {} : { address }),
      },
      ...changes,
    });
  }

  /** A server that says who it is and what it saw; its port. */
  async server(name: string, listener?: (server: Server) => void): Promise<number> {
    const server = createServer((request, response) => {
      const echo: Echo = { server: name, url: request.url ?? '', headers: request.headers };
      response.setHeader('content-type', 'application/json');
      const { 'x-answer': words } = request.headers;
      const { status, ...more } = JSON.parse(typeof words === 'string' ? words : '{}') as Record<string, string>;
      response.statusCode = Number(status ?? 200);
      for (const [header, value] of Object.entries(more)) response.setHeader(header, value);
      response.end(JSON.stringify(echo));
    });
    listener?.(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#servers.push(server);
    return (server.address() as AddressInfo).port;
  }

  async get(host: string, path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return await send(
      httpRequest({ host: '127.0.0.1', port: this.httpPort, path, headers: { host, ...headers }, agent: false }),
    );
  }

  async getSecure(host: string, path: string, headers: Record<string, string> = {}, tls: object = {}): Promise<Answer> {
    return await send(
      httpsRequest({
        host: '127.0.0.1',
        port: this.httpsPort,
        path,
        agent: false,
        rejectUnauthorized: false,
        headers: { host, ...headers },
        servername: host,
        ...tls,
      }),
    );
  }

  async close(): Promise<void> {
    try {
      await this.engine.stop({ delay: 0, drain: 0 });
    } finally {
      for (const server of this.#servers) {
        server.close();
        server.closeAllConnections();
      }
      rmSync(this.directory, { recursive: true, force: true });
    }
  }
}

export async function send(request: ReturnType<typeof httpRequest>): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        const answer = { status: response.statusCode ?? 0, headers: response.headers, body };
        const ours = response.headers['content-type'] === 'application/json';
        resolve(ours ? { ...answer, echo: JSON.parse(body) as Echo } : answer);
      });
    });
    request.end();
  });
}

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
