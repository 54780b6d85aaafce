import { connect } from 'node:net';

/** Milliseconds to wait for an answer. */
const answerTimeout = 3000;

/**
 * Probes an internal listener of HAProxy, which a worker serves in the same loop as its clients. Only the supervisor
 * can connect to the socket, so clients cannot fill its queue.
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
    // One time limit for the whole answer, so that single bytes do not extend it.
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

/** Returns whether a worker has reached its connection limit and therefore paused its listeners (`show info`). */
export function isFull(info: string): boolean {
  const read = (name: string): number => Number(new RegExp(`^${name}: (\\d+)`, 'm').exec(info)?.[1] ?? Number.NaN);
  // Slightly below the limit, because connections come and go during the check.
  return read('CurrConns') >= 0.95 * read('Maxconn');
}
