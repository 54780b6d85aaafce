import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';

/**
 * Listens on a socket in a folder that only root can enter, and replaces the socket of an earlier process. Does not keep
 * the process running. Rejects with the system's error.
 */
export async function listenPrivately(path: string, answer: (socket: Socket) => void): Promise<Server> {
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    // A peer that goes away needs no answer.
    socket.on('error', () => undefined);
    answer(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  server.on('error', () => undefined);
  server.unref();
  chmodSync(path, 0o600);
  return server;
}
