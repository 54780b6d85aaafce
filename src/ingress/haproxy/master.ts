import { connect } from 'node:net';
import { SocketError } from './socket.ts';

/** HAProxy's processes as reported by its master. */
export interface Processes {
  readonly pid: number;
  readonly version: string;
  /** Reloads that did not start a new worker. */
  readonly failed: number;
  readonly workers: readonly number[];
  readonly oldWorkers: readonly number[];
}

/**
 * Sends one command to the master, or with `@!PID …` to a worker through it. The master closes the connection after
 * its answer. Throws {@link SocketError}, also if there is no answer within `timeout` ms.
 */
export async function askMaster(path: string, command: string, timeout = 5000): Promise<string> {
  const socket = connect(path);
  socket.setEncoding('utf8');
  socket.setTimeout(timeout, () => socket.destroy(new Error(`no answer in ${timeout} ms`)));
  return await new Promise((resolve, reject) => {
    const chunks: string[] = [];
    socket.on('data', (chunk: string) => chunks.push(chunk));
    socket.on('error', (cause) => reject(new SocketError(`Cannot ask HAProxy’s master at ${path}`, { cause })));
    socket.on('close', () => resolve(chunks.join('')));
    // The master answers, and closes after we have closed.
    socket.end(`${command}\n`);
  });
}

/** Parses `show proc`. Returns undefined for anything else. */
export function readProcesses(text: string): Processes | undefined {
  const rows = text.split('\n').map((line) => line.trim());
  const master = rows.map((row) => /^(\d+)\s+master\s+\d+ \[failed: (\d+)\]\s+\S+\s+(\S+)/.exec(row)).find(Boolean);
  if (master === undefined || master === null) return undefined;
  const split = rows.findIndex((row) => row.startsWith('# old workers'));
  const workers = (part: readonly string[]): number[] =>
    part.flatMap((row) => {
      const found = /^(\d+)\s+worker\s/.exec(row);
      return found === null ? [] : [Number(found[1])];
    });
  return {
    pid: Number(master[1]),
    failed: Number(master[2]),
    version: master[3] ?? '',
    workers: workers(split < 0 ? rows : rows.slice(0, split)),
    oldWorkers: split < 0 ? [] : workers(rows.slice(split)),
  };
}
