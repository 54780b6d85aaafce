import { createHash, randomBytes } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { EchoAnswer, SocketQuestion } from './echo-protocol.ts';

/** Answers a WebSocket handshake (RFC 6455 §4.2) and repeats each frame. */
export function echoFrames({ headers }: IncomingMessage, socket: Duplex): void {
  const key = `${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash('sha1').update(key).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let rest = Buffer.alloc(0);
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (let frame = readFrame(rest); frame !== undefined; frame = readFrame(rest)) {
      rest = rest.subarray(frame.length);
      socket.write(Buffer.concat([Buffer.from([0x80 | frame.opcode, frame.payload.length]), frame.payload]));
    }
  });
}

/** Sends frames and waits for the same ones. */
export function askWebSocket({ address, port, path, headers, frames }: SocketQuestion): Promise<EchoAnswer> {
  return new Promise((resolve) => {
    const upgrade = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
    };
    const request = httpRequest({ host: address, port, path, headers: { ...headers, ...upgrade }, timeout: 10_000 });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', (error) => resolve({ error: error.message }));
    request.on('response', ({ statusCode }) => {
      request.destroy();
      resolve({ error: `not upgraded: ${statusCode}` });
    });
    request.on('upgrade', (_, socket) => {
      const finish = (error?: string): void => {
        socket.destroy();
        resolve(error === undefined ? {} : { error });
      };
      socket.on('error', (error) => finish(error.message));
      socket.on('close', () => finish('closed'));
      let rest = Buffer.alloc(0);
      let count = 0;
      socket.on('data', (chunk: Buffer) => {
        rest = Buffer.concat([rest, chunk]);
        for (let frame = readFrame(rest); frame !== undefined; frame = readFrame(rest)) {
          rest = rest.subarray(frame.length);
          const wanted = frames[count++];
          if (frame.opcode !== wanted?.opcode || frame.payload.toString('hex') !== wanted.hex) {
            return finish(`frame ${frame.opcode} ${frame.payload.toString('hex')}`);
          }
          if (count === frames.length) return finish();
        }
      });
      for (const { opcode, hex } of frames) socket.write(maskFrame(opcode, Buffer.from(hex, 'hex')));
    });
    request.end();
  });
}

/** Clients mask their frames (RFC 6455 §5.3). */
function maskFrame(opcode: number, payload: Buffer): Buffer {
  const mask = randomBytes(4);
  const masked = payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0));
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length]), mask, masked]);
}

/** Reads one frame of less than 126 bytes, or undefined if it is incomplete. */
function readFrame(
  data: Buffer,
): { readonly opcode: number; readonly payload: Buffer; readonly length: number } | undefined {
  const [first, second] = data;
  if (first === undefined || second === undefined) return undefined;
  const isMasked = second >= 0x80;
  const size = second & 0x7f;
  const start = isMasked ? 6 : 2;
  if (data.length < start + size) return undefined;
  const mask = data.subarray(2, 6);
  const payload = data
    .subarray(start, start + size)
    .map((byte, index) => (isMasked ? byte ^ (mask[index % 4] ?? 0) : byte));
  return { opcode: first & 0x0f, payload: Buffer.from(payload), length: start + size };
}
