import { connect } from 'node:net';

/** Milliseconds that an answer may take. */
const answerTimeout = 3000;

/**
 * Asks HAProxy's own listener for an answer, which a worker gives in the same loop that serves clients. Only
 * the supervisor can connect to the socket, so clients cannot fill its queue.
 */
export async function askHealth(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(path);
    let answer = '';
    const end = (isHealthy: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(isHealthy);
    };
    // One limit for all of it: a trickle of bytes is no answer.
    const timer = setTimeout(() => end(false), answerTimeout);
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      answer += chunk;
      if (answer.includes('\r\n')) end(/^HTTP\/1\.[01] 200 /.test(answer));
    });
    socket.on('error', () => end(false));
    socket.on('close', () => end(false));
    socket.write('GET / HTTP/1.0\r\n\r\n');
  });
}

/** Whether a worker serves as many connections as it may, so that its listeners rest (`show info`). */
export function isFull(info: string): boolean {
  const read = (name: string): number => Number(new RegExp(`^${name}: (\\d+)`, 'm').exec(info)?.[1] ?? Number.NaN);
  // Some below the limit: connections end and come while it is asked.
  return read('CurrConns') >= 0.95 * read('Maxconn');
}
