import { type ClientRequest, request as httpRequest, STATUS_CODES } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { type RequestTrace, requestTraceSchema } from '../ingress/http/request-trace-document.ts';
import { askAgent, parseAgentUrl, unknownAnswer } from './agent-client.ts';
import type { RequestAttempt } from './screens/request-trace.ts';

/** A request to trace. */
export interface AskedRequest {
  readonly host: string;
  readonly path: string;
  readonly tls: boolean;
  /** Default: GET. */
  readonly method?: string;
  /** `NAME=VALUE` each; a name may be repeated. */
  readonly headers?: readonly string[];
  /** Query parameters, `NAME=VALUE` each. */
  readonly query?: readonly string[];
  /** Port and address that the client connects to. Absent: the router's own. */
  readonly port?: number;
  readonly address?: string;
}

/** Timeout in milliseconds. */
const timeout = 5000;

/** Returns the agent's prediction for a request. Throws an ErctlError if the agent cannot be reached. */
export async function fetchRequestTrace(agent: string, asked: AskedRequest): Promise<RequestTrace> {
  const { host, path, tls, method, headers = [], query = [], port, address } = asked;
  const read = requestTraceSchema.safeParse(
    await askAgent(agent, '/trace', {
      host,
      path,
      tls: `${tls}`,
      header: headers,
      query,
      ...(method !== undefined && { method }),
      ...(port !== undefined && { port: `${port}` }),
      ...(address !== undefined && { address }),
    }),
  );
  if (read.success) return read.data;
  throw unknownAnswer(agent);
}

/** Sends the request to the router on the agent's host. Never rejects. */
export function sendRequest(
  agent: string,
  { host, path, tls, method = 'GET', headers = [], query = [], port, address }: AskedRequest,
  trace: RequestTrace,
): Promise<RequestAttempt> {
  const hostname = address ?? trace.listener?.addresses[0] ?? parseAgentUrl(agent, '/').hostname;
  const search = query.map((text) => splitPair(text).map(encodeURIComponent).join('=')).join('&');
  const name = host.replace(/:\d+$/, '');
  const words = {
    host: hostname,
    method,
    path: search === '' ? path : `${path}?${search}`,
    headers: { ...collectHeaders(headers), host },
    timeout,
    agent: false as const,
  };
  return new Promise((resolve) => {
    const open = (): ClientRequest =>
      tls
        ? // This tests the path of the request only; `erctl routes` shows the certificate.
          httpsRequest({
            ...words,
            port: port ?? trace.ports.https,
            servername: isIP(name) > 0 ? '' : name,
            rejectUnauthorized: false,
          })
        : httpRequest({ ...words, port: port ?? trace.ports.http });
    let request: ClientRequest;
    try {
      request = open();
    } catch (error) {
      // Node rejects characters that no request may contain.
      resolve({ outcome: error instanceof Error ? error.message : String(error), isAnswered: false });
      return;
    }
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeout / 1000} s`)));
    request.on('error', (error) => resolve({ outcome: error.message, isAnswered: false }));
    request.on('response', (response) => {
      const { statusCode = 0 } = response;
      response.resume();
      resolve({ outcome: `${statusCode} ${STATUS_CODES[statusCode] ?? ''}`.trim(), isAnswered: statusCode < 500 });
    });
    request.end();
  });
}

function splitPair(text: string): readonly [name: string, value: string] {
  const at = text.indexOf('=');
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Returns the values of each header. Names of headers are case-insensitive. */
function collectHeaders(written: readonly string[]): Record<string, string[]> {
  const headers: Record<string, string[]> = {};
  for (const [name, value] of written.map(splitPair))
    headers[name.toLowerCase()] = [...(headers[name.toLowerCase()] ?? []), value];
  return headers;
}
