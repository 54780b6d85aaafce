/**
 * An HTTP server and client in one namespace, which follows commands of its IPC channel. It ends
 * with its parent.
 */
import { createHash } from 'node:crypto';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  connect as connectHttp2,
  createServer as createH2cServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import { createServer as createTlsServer, request as httpsRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { HttpAnswer, HttpCommand, HttpQuestion, HttpServing } from './http-protocol.ts';

const held = new Map<string, Socket>();

/**
 * Answers with its name and the request, for `/slow/N` after N milliseconds, and for `/seen-requests` with a line for each
 * earlier request. Upgrades on request, and echoes.
 */
function serve({ name, host, port, certificate, key, h2c }: HttpServing): Promise<void> {
  let [open, mostOpen] = [0, 0];
  const seen: string[] = [];
  const answer = async (
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ): Promise<void> => {
    const { url, method, headers, rawHeaders, httpVersion } = request;
    if (url === '/seen-requests') {
      response.end(seen.join('\n'));
      return;
    }
    seen.push(`${method} ${headers.host} ${url} ${headers['content-length'] ?? '-'}`);
    const [, wait] = /^\/slow\/(\d+)/.exec(url ?? '') ?? [];
    mostOpen = Math.max(mostOpen, ++open);
    if (wait !== undefined) await new Promise((resolve) => setTimeout(resolve, Number(wait)));
    open--;
    response.setHeader('content-type', 'application/json');
    response.setHeader('x-served-by', name);
    response.end(JSON.stringify({ server: name, url, method, headers, rawHeaders, httpVersion, mostOpen }));
  };
  const handle = (
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ): undefined => void answer(request, response);
  const server =
    h2c === true
      ? createH2cServer(handle)
      : certificate === undefined || key === undefined
        ? createServer(handle)
        : createTlsServer({ cert: certificate, key }, handle);
  server.on('upgrade', (request, socket: Socket) => {
    socket.on('error', () => undefined);
    // RFC 6455 §4.2.2.
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    const head = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket'];
    socket.write([...head, `Sec-WebSocket-Accept: ${accept}`, '\r\n'].join('\r\n'));
    socket.on('data', (data) => socket.write(data));
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
}

function ask(question: HttpQuestion): Promise<HttpAnswer> {
  return question.http2 === true ? askHttp2(question) : askHttp1(question);
}

function askHttp1({ tls, address, port, sni, method = 'GET', path, headers, body, client }: HttpQuestion) {
  return new Promise<HttpAnswer>((resolve) => {
    const words = { host: address, port, method, path, headers: { ...headers }, agent: false as const, timeout: 4000 };
    const request = tls
      ? httpsRequest({
          ...words,
          rejectUnauthorized: false,
          ...(sni === undefined ? { servername: '' } : { servername: sni }),
          ...client,
        })
      : httpRequest(words);
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }));
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const socket = response.socket as Socket & { getPeerCertificate?: () => { subject?: { CN?: string } } | null };
        const subject = socket.getPeerCertificate?.()?.subject?.CN;
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers as Record<string, string | string[]>,
          body: Buffer.concat(chunks).toString(),
          ...(subject !== undefined && { subject }),
        });
      });
    });
    request.end(body);
  });
}

function askHttp2({ address, port, sni, path, headers, authority, client }: HttpQuestion): Promise<HttpAnswer> {
  return new Promise((resolve) => {
    const session = connectHttp2(`https://${address}:${port}`, {
      rejectUnauthorized: false,
      ...(sni !== undefined && { servername: sni }),
      ...client,
    });
    session.on('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }));
    const stream = session.request({ ...headers, ':path': path, ':authority': authority ?? sni ?? '' });
    let status = 0;
    let seen: Record<string, string | string[]> = {};
    stream.on('response', (given) => {
      status = given[':status'] ?? 0;
      seen = Object.fromEntries(Object.entries(given)) as typeof seen;
    });
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }));
    stream.on('end', () => {
      session.close();
      resolve({ status, headers: seen, body: Buffer.concat(chunks).toString() });
    });
    stream.end();
  });
}

/** Sends bytes as they are, and tells what came back until the other side closed or was silent. */
function sendRaw(address: string, port: number, text: string, hold?: string): Promise<HttpAnswer> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    let body = '';
    const finish = (): void => {
      clearTimeout(timer);
      if (hold === undefined) socket.destroy();
      resolve({ status: Number(/^HTTP\/1\.[01] (\d+)/.exec(body)?.[1] ?? 0), headers: {}, body });
    };
    let timer = setTimeout(finish, 1500);
    socket.on('connect', () => socket.write(text));
    socket.on('data', (data) => {
      body += data.toString('latin1');
      clearTimeout(timer);
      timer = setTimeout(finish, 150);
    });
    socket.on('close', finish);
    socket.on('error', finish);
    if (hold !== undefined) held.set(hold, socket);
  });
}

function say(name: string, text: string): Promise<HttpAnswer> {
  const socket = held.get(name);
  return new Promise((resolve) => {
    if (socket === undefined || socket.destroyed) return resolve({ error: 'closed' });
    socket.once('data', (data) => resolve({ status: 0, headers: {}, body: data.toString() }));
    socket.once('close', () => resolve({ error: 'closed' }));
    setTimeout(() => resolve({ error: 'timeout' }), 1500);
    socket.write(text);
  });
}

/** The protocol that TLS agrees on (ALPN), as the body. */
function negotiate(address: string, port: number, sni: string): Promise<HttpAnswer> {
  return new Promise((resolve) => {
    const words = {
      host: address,
      port,
      servername: sni,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
    };
    const socket = connectTls(words, () => {
      resolve({ status: 0, headers: {}, body: `${socket.alpnProtocol}` });
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }));
  });
}

async function run(command: HttpCommand): Promise<HttpAnswer> {
  switch (command.do) {
    case 'serve':
      await serve(command);
      return { status: 0, headers: {}, body: '' };
    case 'ask':
      return ask(command);
    case 'raw':
      return sendRaw(command.address, command.port, command.text, command.hold);
    case 'say':
      return say(command.name, command.text);
    case 'negotiate':
      return negotiate(command.address, command.port, command.sni);
  }
}

process.on('message', ({ id, command }: { readonly id: number; readonly command: HttpCommand }) => {
  run(command).then(
    (answer) => process.send?.({ id, answer }),
    (error: Error) => process.send?.({ id, answer: { error: error.message } }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ id: 0, answer: { status: 0, headers: {}, body: '' } });
