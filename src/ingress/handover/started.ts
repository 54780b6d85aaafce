import { connect, type Server } from 'node:net';
import { join } from 'node:path';
import { listenPrivately } from './private-socket.ts';

/** Milliseconds to wait for an answer. */
const timeout = 3000;

const started = 'started\n';

/**
 * Answers the startup probe of this pod on a socket in its folder. The statistics port cannot: while two agents
 * run on a node, only one of them answers there.
 *
 * @param waitingFor returns why this agent has not started; undefined when it has
 */
export function serveStarted(folder: string, waitingFor: () => string | undefined): Promise<Server> {
  return listenPrivately(socketOf(folder), (socket) => {
    const reason = waitingFor();
    socket.end(reason === undefined ? started : `${reason}\n`);
  });
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
