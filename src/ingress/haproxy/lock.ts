import { createServer, type Server } from 'node:net';

/**
 * Holds the only right to supervise the HAProxy of a folder, until the process ends: a name in the
 * kernel's abstract socket space, which no crash leaves behind. Throws where another process has it.
 */
export async function lockFolder(directory: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new Error(`Cannot supervise the HAProxy of ${directory}: another process does`, { cause })),
    );
    server.listen(`\0egress-router/haproxy${directory}`, resolve);
  });
  server.unref();
  return server;
}
