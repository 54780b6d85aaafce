import { createServer, type Server } from 'node:net';

/**
 * Acquires the exclusive right to supervise the HAProxy of a folder until the process ends: a name in the kernel's
 * abstract socket namespace, which survives no crash. Throws if another process holds it.
 */
export async function lockFolder(directory: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new Error(`Cannot supervise the HAProxy of ${directory}: another process supervises it`, { cause })),
    );
    server.listen(`\0egress-router/haproxy${directory}`, resolve);
  });
  server.unref();
  return server;
}
