import { chmodSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';

/** Milliseconds to wait for an answer. */
const timeout = 3000;

const started = 'started\n';

/**
 * Answers the startup probe of this pod on a socket in its folder. The statistics port cannot: while two agents
 * run on a node, only one of them answers there.
 *
 * @param waitingFor returns why this agent has not started; undefined when it has
 */
export async function serveStarted(folder: string, waitingFor: () => string | undefined): Promise<Server> {
  const path = socketOf(folder);
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    const reason = waitingFor();
    socket.end(reason === undefined ? started : `${reason}\n`);
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

/** Resolves to the reason why the agent of a folder has not started, or to undefined when it has. Never rejects. */
export async function askStarted(folder: string): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const socket = connect(socketOf(folder));
    let answer = '';
    const end = (reason: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reason);
    };
    const timer = setTimeout(() => end('the agent does not answer'), timeout);
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.on('error', ({ message }) => end(`the agent is not running: ${message}`));
    socket.on('close', () => end(answer === started ? undefined : answer.trim() || 'the agent does not answer'));
  });
}

function socketOf(folder: string): string {
  return join(folder, 'started.sock');
}
