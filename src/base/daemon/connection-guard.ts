import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** What a server allows its clients. */
export interface ConnectionLimits {
  /** Connections at once. */
  readonly all: number;
  /** Of these from one address. */
  readonly fromOne: number;
  /** Milliseconds for a client to take an answer. */
  readonly answerTime: number;
}

/**
 * Keeps slow clients from shutting others out. A new connection is always accepted; where there are too
 * many, the one goes that has been without a whole request for longest: a kubelet, which sends its request
 * at once, is answered however many connections others hold.
 */
export function guardConnections(server: Server, limits: ConnectionLimits): void {
  /** Open connections, the one first that has waited longest for a request. */
  const waiting = new Set<Socket>();
  const busy = new Set<Socket>();

  const makeRoom = (of: readonly Socket[], limit: number): void => {
    for (const socket of of.slice(0, Math.max(0, of.length - limit))) socket.destroy();
  };

  server.on('connection', (socket: Socket) => {
    waiting.add(socket);
    socket.once('close', () => {
      waiting.delete(socket);
      busy.delete(socket);
    });
    // Those that are answered go last.
    const inOrder = [...waiting, ...busy].filter((one) => !one.destroyed);
    makeRoom(
      inOrder.filter((one) => one.remoteAddress === socket.remoteAddress),
      limits.fromOne,
    );
    makeRoom(
      inOrder.filter((one) => !one.destroyed),
      limits.all,
    );
  });

  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    waiting.delete(socket);
    busy.add(socket);
    const timer = setTimeout(() => socket.destroy(), limits.answerTime);
    response.once('close', () => {
      clearTimeout(timer);
      busy.delete(socket);
      // It waits for another request, as the youngest.
      if (!socket.destroyed) waiting.add(socket);
    });
  });
}
