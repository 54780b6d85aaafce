import { createSocket } from 'node:dgram';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { failOnPurpose, noteReceived } from './echo-log.ts';
import type { EchoPod } from './echo-protocol.ts';
import { echoFrames } from './echo-socket.ts';

/** Opens the ports of a pod. */
export function serve(pod: EchoPod): readonly Promise<void>[] {
  const { address, mode, tls } = pod;
  const datagrams = [serveUdp(pod, 8080, answerJson), serveUdp(pod, 53, answerDns)];
  const listen = (server: Server, port: number) =>
    new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, address, resolve));
  if (mode === 'tcp') {
    const servers = [
      listen(
        createTcpServer((socket) => talk(pod, socket)),
        3000,
      ),
    ];
    if (tls !== undefined) {
      const words = { cert: tls.certificate, key: tls.key };
      servers.push(
        listen(
          createTlsServer(words, (socket) => talk(pod, socket)),
          8443,
        ),
      );
    }
    return [...servers, ...datagrams];
  }
  if (mode === 'grpc') return [listen(createGrpcServer(pod), 3000), ...datagrams];
  const handle = (one: IncomingMessage | Http2ServerRequest, to: ServerResponse | Http2ServerResponse) =>
    echo(pod, one, to);
  return [
    listen(
      createServer(handle).on('upgrade', (request, socket) => echoFrames(request, socket)),
      3000,
    ),
    listen(createHttp2Server(handle), 3001),
    ...(tls === undefined
      ? []
      : [listen(createHttpsServer({ ...secure(tls), requestCert: true, rejectUnauthorized: false }, handle), 8443)]),
    ...datagrams,
  ];
}

function secure({ certificate: cert, key }: NonNullable<EchoPod['tls']>) {
  return { cert, key };
}

/** Answers with the request as JSON, and with the headers that `X-Echo-Set-Header` asks for. */
function echo(
  pod: EchoPod,
  { url = '', method, headers, rawHeaders, httpVersion, socket }: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
): void {
  const { name, namespace, service } = pod;
  noteReceived(pod, url);
  const failure = failOnPurpose(url);
  if (failure !== undefined) {
    response.statusCode = failure;
    response.end();
    return;
  }
  const lists: Record<string, string[]> = {};
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const key = (rawHeaders[index] ?? '').toLowerCase();
    if (!key.startsWith(':')) lists[key] = [...(lists[key] ?? []), rawHeaders[index + 1] ?? ''];
  }
  response.setHeader('content-type', 'application/json');
  for (const pair of String(headers['x-echo-set-header'] ?? '').split(',')) {
    const colon = pair.indexOf(':');
    if (colon > 0) response.appendHeader(pair.slice(0, colon).trim(), pair.slice(colon + 1).trim());
  }
  const { servername } = socket as Partial<TLSSocket> & { servername?: string };
  const raw = 'getPeerCertificate' in socket ? (socket as TLSSocket).getPeerCertificate().raw : undefined;
  const peerCertificates = raw === undefined ? [] : [raw.toString('base64')];
  const answer = (): void =>
    void response.end(
      JSON.stringify({
        path: url,
        host: headers.host ?? headers[':authority'],
        method,
        proto: `HTTP/${httpVersion}`,
        headers: lists,
        namespace,
        pod: name,
        service,
        ...(typeof servername === 'string' && { tls: { serverName: servername, peerCertificates } }),
      }),
    );
  const delay = /[?&]delay=(\d+)s/.exec(url)?.[1];
  if (delay === undefined) answer();
  else setTimeout(answer, Number(delay) * 1000);
}

/** A server whose methods answer with the request's method, namespace and pod. */
function createGrpcServer({ name, namespace }: EchoPod): Server {
  const server = createHttp2Server();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const body = Buffer.from(JSON.stringify({ fullyQualifiedMethod: headers[':path'], namespace, pod: name, headers }));
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.concat([head, body]));
  });
  return server;
}

/** The suite's TCP server. */
function talk({ name, namespace, service }: EchoPod, socket: Socket): void {
  const isTLS = 'encrypted' in socket;
  const { servername } = socket as Partial<TLSSocket> & { servername?: string };
  socket.on('error', () => undefined);
  socket.write('Gateway API Test TCP Server\n');
  let text = '';
  socket.setEncoding('utf8').on('data', (data: string) => {
    text += data;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const word = text.slice(0, end).trim();
      text = text.slice(end + 1);
      if (word === 'PING') socket.write('PONG\n');
      else if (word === 'IS_TLS') socket.write(`${isTLS}\n`);
      else if (word === 'TEST') {
        const tls = isTLS ? { serverName: servername } : undefined;
        socket.write(`${JSON.stringify({ namespace, pod: name, service, isTLS, tls })}\n`);
      }
    }
  });
}

/** Opens a UDP port that answers each datagram. */
function serveUdp(
  pod: EchoPod,
  port: number,
  answer: (pod: EchoPod, message: Buffer) => string | Buffer,
): Promise<void> {
  const socket = createSocket('udp4');
  socket.on('message', (message, peer) => socket.send(answer(pod, message), peer.port, peer.address));
  return new Promise((resolve) => socket.bind(port, pod.address, resolve));
}

function answerJson({ name, namespace, service }: EchoPod, message: Buffer): string {
  return JSON.stringify({ request: message.toString(), namespace, service, pod: name });
}

/** A DNS answer is the question with the bit of answers. */
function answerDns(_: EchoPod, message: Buffer): Buffer {
  message[2] = (message[2] ?? 0) | 0x80;
  return message;
}
