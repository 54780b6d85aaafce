import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Limits of a server for its clients. */
export interface ConnectionLimits {
  /** Maximum number of connections. */
  readonly all: number;
  /** Maximum number of connections from one address. */
  readonly fromOne: number;
  /** Milliseconds in which a client must send a complete request. */
  readonly requestTime: number;
  /** Milliseconds in which a client must receive a response. */
  readonly answerTime: number;
}

/**
 * Prevents slow clients from blocking others. Always accepts a new connection, and above the limits closes the
 * one that has been without a complete request for longest. A kubelet sends its request at once, so it is
 * answered however many connections other clients hold.
 */
export function guardConnections(server: Server, limits: ConnectionLimits): void {
  /** Open connections, the longest without a request first. */
  const waiting = new Set<Socket>();
  const busy = new Set<Socket>();
  const timers = new WeakMap<Socket, NodeJS.Timeout>();

  const waitFor = (socket: Socket): void => {
    waiting.add(socket);
    // The server's own timeouts do not cover connections that another listener accepted.
    timers.set(
      socket,
      setTimeout(() => socket.destroy(), limits.requestTime),
    );
  };
  const makeRoom = (of: readonly Socket[], limit: number): void => {
    for (const socket of of.slice(0, Math.max(0, of.length - limit))) socket.destroy();
  };

  server.on('connection', (socket: Socket) => {
    waitFor(socket);
    socket.once('close', () => {
      clearTimeout(timers.get(socket));
      waiting.delete(socket);
      busy.delete(socket);
    });
    // Connections with a request in progress are closed last.
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
    clearTimeout(timers.get(socket));
    waiting.delete(socket);
    busy.add(socket);
    const timer = setTimeout(() => socket.destroy(), limits.answerTime);
    response.once('close', () => {
      clearTimeout(timer);
      busy.delete(socket);
      // The connection is idle again, and the youngest one.
      if (!socket.destroyed) waitFor(socket);
    });
  });
}
