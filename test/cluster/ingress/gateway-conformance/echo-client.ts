import { createSocket } from 'node:dgram';
import { request as httpRequest } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { connect as connectTls, type PeerCertificate } from 'node:tls';
import type { EchoAnswer, GrpcQuestion, HttpQuestion, TlsWords, WireQuestion } from './echo-protocol.ts';

/** Milliseconds for one try. */
const patience = 10_000;

/** Sends one HTTP request. */
export function askHttp(question: HttpQuestion): Promise<EchoAnswer> {
  return question.isHttp2 === true ? askHttp2(question) : askHttp1(question);
}

function askHttp1({ address, port, method, path, headers, tls }: HttpQuestion): Promise<EchoAnswer> {
  return new Promise((resolve) => {
    const words = { host: address, port, method, path, headers, agent: false as const, timeout: patience };
    const request = tls === undefined ? httpRequest(words) : httpsRequest({ ...words, ...tlsWords(tls) });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }));
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const seen = joinHeaders(response.rawHeaders);
        resolve(readAnswer(response.statusCode ?? 0, seen, Buffer.concat(chunks).toString()));
      });
      response.on('error', (error) => resolve({ error: error.message }));
    });
    request.end();
  });
}

/** Headers by lower-case name, with several values joined by commas. */
function joinHeaders(raw: readonly string[]): Readonly<Record<string, string>> {
  const seen: Record<string, string> = {};
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase();
    const value = raw[index + 1] ?? '';
    seen[name] = seen[name] === undefined ? value : `${seen[name]},${value}`;
  }
  return seen;
}

function tlsWords({ sni, trust, pair }: TlsWords) {
  const own = pair === undefined ? {} : { cert: pair.certificate, key: pair.key };
  if (trust === undefined) return { ...own, servername: sni, rejectUnauthorized: false };
  return { ...own, servername: sni, ca: trust, checkServerIdentity: checkName };
}

/** Like Go, and unlike Node, accepts a wildcard below a top-level domain. */
function checkName(host: string, { subjectaltname = '' }: PeerCertificate): Error | undefined {
  const names = subjectaltname.split(', ').map((name) => name.replace(/^DNS:/, ''));
  const isNamed = names.some(
    (name) => name === host || (name.startsWith('*.') && name === host.replace(/^[^.]+/, '*')),
  );
  return isNamed ? undefined : new Error(`the certificate is for ${subjectaltname}, not for ${host}`);
}

/** An answer of the gateway itself is not the echo server's JSON. */
function readAnswer(status: number, headers: Readonly<Record<string, string>>, body: string): EchoAnswer {
  const isEcho = headers['content-type'] === 'application/json' && body.startsWith('{');
  return { status, headers, ...(isEcho && { echo: JSON.parse(body) }) };
}

function askHttp2({ address, port, method, path, headers, tls }: HttpQuestion): Promise<EchoAnswer> {
  const { host, ...others } = headers;
  const session =
    tls === undefined
      ? connectHttp2(`http://${address}:${port}`)
      : connectHttp2(`https://${address}:${port}`, tlsWords(tls));
  return exchange(session, { ...others, ':method': method, ':path': path, ':authority': host ?? address }).then(
    ({ error, status, headers: seen, body }) =>
      error === undefined ? readAnswer(status, seen, body.toString()) : { error },
  );
}

interface Exchange {
  readonly error?: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly trailers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** One request over HTTP/2, which ends the session. */
function exchange(
  session: ClientHttp2Session,
  headers: Readonly<Record<string, string>>,
  body?: Buffer,
): Promise<Exchange> {
  return new Promise((resolve) => {
    let status = 0;
    const seen: Record<string, string> = {};
    const trailers: Record<string, string> = {};
    const chunks: Buffer[] = [];
    const finish = (error?: string): void => {
      clearTimeout(timer);
      session.destroy();
      resolve({ ...(error !== undefined && { error }), status, headers: seen, trailers, body: Buffer.concat(chunks) });
    };
    const fail = (error: NodeJS.ErrnoException) => finish(error.code ?? error.message);
    const timer = setTimeout(() => finish('timeout'), patience);
    session.on('error', fail);
    const stream = session.request(headers);
    stream.on('error', fail);
    stream.on('response', (given) => {
      status = given[':status'] ?? 0;
      for (const [name, value] of Object.entries(given)) seen[name] = String(value);
    });
    stream.on('trailers', (given) => {
      for (const [name, value] of Object.entries(given)) trailers[name] = String(value);
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => finish());
    stream.end(body);
  });
}

/** Codes by number, and by the HTTP status of an answer that is not gRPC's (gRPC, "HTTP to gRPC Status Code Mapping"). */
const codes: Readonly<Record<string, string>> = { 0: 'OK', 2: 'Unknown', 12: 'Unimplemented', 14: 'Unavailable' };
const mapped: Readonly<Record<number, string>> = {
  400: 'Internal',
  401: 'Unauthenticated',
  403: 'PermissionDenied',
  404: 'Unimplemented',
  429: 'Unavailable',
  502: 'Unavailable',
  503: 'Unavailable',
  504: 'Unavailable',
};

/** Makes one gRPC call with an empty message. */
export async function askGrpc({
  address,
  port,
  service,
  method,
  authority,
  metadata,
}: GrpcQuestion): Promise<EchoAnswer> {
  const headers = {
    ...Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name.toLowerCase(), value])),
    ':method': 'POST',
    ':path': `/${service}/${method}`,
    ':authority': authority,
    'content-type': 'application/grpc',
    te: 'trailers',
  };
  const session = connectHttp2(`http://${address}:${port}`);
  const answer = await exchange(session, headers, Buffer.alloc(5));
  if (answer.error !== undefined) return { error: answer.error };
  const status = answer.trailers['grpc-status'] ?? answer.headers['grpc-status'];
  if (status === undefined) return { code: mapped[answer.status] ?? 'Unknown', status: answer.status };
  const body = answer.body.subarray(5).toString();
  return { code: codes[status] ?? status, ...(body.startsWith('{') && { echo: JSON.parse(body) }) };
}

/** The whole exchange with the TCP server: its JSON, or what went wrong. */
export function askTcp({ address, port, tls }: WireQuestion): Promise<EchoAnswer> {
  return new Promise((resolve) => {
    const socket =
      tls === undefined ? connect({ host: address, port }) : connectTls({ host: address, port, ...tlsWords(tls) });
    const finish = (answer: EchoAnswer): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => finish({ error: 'timeout' }), patience);
    const words = ['PING', 'IS_TLS', 'TEST'];
    const lines: string[] = [];
    let text = '';
    socket.setEncoding('utf8').on('data', (data: string) => {
      text += data;
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        lines.push(text.slice(0, end));
        text = text.slice(end + 1);
        const word = words[lines.length - 1];
        if (word !== undefined) socket.write(`${word}\n`);
        else if (lines[1] !== 'PONG') finish({ error: `answers ${lines[1]} to PING` });
        else finish({ echo: JSON.parse(lines[3] ?? '{}') });
      }
    });
    socket.on('error', (error: NodeJS.ErrnoException) => finish({ error: error.code ?? error.message }));
    socket.on('close', () => finish({ error: 'closed' }));
  });
}

/** How a handshake ends: `closed` for the end of the connection, `open`, or the error. */
export function handshake({ address, port, tls }: WireQuestion): Promise<EchoAnswer> {
  return new Promise((resolve) => {
    const socket = connectTls({ host: address, port, servername: tls?.sni ?? '', rejectUnauthorized: false });
    const finish = (error: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ error });
    };
    const timer = setTimeout(() => finish('timeout'), patience);
    socket.on('secureConnect', () => finish('open'));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      finish(error.code === 'ECONNRESET' ? 'closed' : (error.code ?? error.message));
    });
    socket.on('close', () => finish('closed'));
  });
}

/** Sends one datagram, and waits two seconds for its answer. */
export function askUdp({ address, port, payload = '' }: WireQuestion): Promise<EchoAnswer> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const finish = (answer: EchoAnswer): void => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => finish({ error: 'timeout' }), 2000);
    socket.on('message', (message) => {
      const text = message.toString();
      finish(text.startsWith('{') ? { echo: JSON.parse(text) } : { status: 0 });
    });
    socket.on('error', (error: NodeJS.ErrnoException) => finish({ error: error.code ?? error.message }));
    socket.send(Buffer.from(payload, 'latin1'), port, address);
  });
}
