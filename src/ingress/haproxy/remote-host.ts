import { chmod, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { HostResources, ProcessHost, ProcessSignal } from './host.ts';

/** Requests to the other container, one JSON object per line, answered in order. */
type Question =
  | { readonly ask: 'spawn' | 'spawned' | 'masters' | 'resources' }
  | { readonly ask: 'kill'; readonly pid: number; readonly signal: ProcessSignal | 0 };

type Reply = { readonly answer: unknown } | { readonly error: string };

/** Milliseconds. */
const answerTimeout = 10_000;

/** Name of the socket in the shared folder. */
export const hostSocket = 'host.sock';

/**
 * HAProxy in another container, controlled through a socket in the shared folder. Process IDs are those of that
 * container. The process that answers is the first one there, so if there is none, HAProxy has ended, too.
 */
export class RemoteHost implements ProcessHost {
  readonly #path: string;
  #socket: Socket | undefined;
  #waiting: ((reply: Reply) => void)[] = [];

  /** @param path path of the socket */
  constructor(path: string) {
    this.#path = path;
  }

  async spawn(): Promise<void> {
    await this.#ask({ ask: 'spawn' });
  }

  async isSpawned(): Promise<boolean> {
    return (await this.#ask({ ask: 'spawned' }).catch(() => false)) === true;
  }

  async findMasters(): Promise<number[]> {
    const pids = await this.#ask({ ask: 'masters' }).catch(() => []);
    return Array.isArray(pids) ? pids.filter((pid) => typeof pid === 'number') : [];
  }

  async kill(pid: number, signal: ProcessSignal | 0): Promise<boolean> {
    return (await this.#ask({ ask: 'kill', pid, signal }).catch(() => false)) === true;
  }

  async resources(): Promise<HostResources> {
    return ((await this.#ask({ ask: 'resources' }).catch(() => undefined)) as HostResources | undefined) ?? {};
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  async #ask(question: Question): Promise<unknown> {
    const socket = this.#open();
    let timer: NodeJS.Timeout | undefined;
    const reply = await new Promise<Reply>((resolve) => {
      timer = setTimeout(() => socket.destroy(new Error(`no answer in ${answerTimeout} ms`)), answerTimeout);
      this.#waiting.push(resolve);
      socket.write(`${JSON.stringify(question)}\n`);
    }).finally(() => clearTimeout(timer));
    if ('error' in reply) throw new Error(`Cannot reach HAProxy’s container at ${this.#path}: ${reply.error}`);
    return reply.answer;
  }

  /** Keeps one connection open: while an agent is connected, the other side leaves HAProxy to it. */
  #open(): Socket {
    if (this.#socket !== undefined) return this.#socket;
    const socket = connect(this.#path);
    const waiting: ((reply: Reply) => void)[] = [];
    let reason = 'it closed the connection';
    this.#socket = socket;
    this.#waiting = waiting;
    socket.unref();
    createInterface({ input: socket })
      .on('line', (line) => waiting.shift()?.(readReply(line)))
      .on('error', () => undefined);
    socket.on('error', (error) => {
      reason = error.message;
    });
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = undefined;
      for (const resolve of waiting.splice(0)) resolve({ error: reason });
    });
    return socket;
  }
}

function readReply(line: string): Reply {
  try {
    return JSON.parse(line) as Reply;
  } catch {
    return { error: 'its answer is not JSON' };
  }
}

/**
 * Serves requests for a host on a socket that only this user can reach. Replaces the socket of an earlier process.
 *
 * @param connections called with the number of connections whenever it changes
 */
export async function serveHost(
  path: string,
  host: ProcessHost,
  connections: (count: number) => void,
): Promise<Server> {
  await rm(path, { force: true });
  let count = 0;
  const server = createServer((socket) => {
    connections(++count);
    socket.on('close', () => connections(--count));
    socket.on('error', () => undefined);
    let last: Promise<unknown> = Promise.resolve();
    createInterface({ input: socket })
      .on('line', (line) => {
        last = last
          .then(async () => socket.write(`${JSON.stringify(await reply(host, line))}\n`))
          .catch(() => undefined);
      })
      .on('error', () => undefined);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
  return server;
}

async function reply(host: ProcessHost, line: string): Promise<Reply> {
  try {
    return { answer: (await answer(host, JSON.parse(line) as Question)) ?? true };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

async function answer(host: ProcessHost, question: Question): Promise<unknown> {
  switch (question.ask) {
    case 'spawn':
      return await host.spawn();
    case 'spawned':
      return await host.isSpawned();
    case 'masters':
      return await host.findMasters();
    case 'resources':
      return await host.resources();
    case 'kill':
      return await host.kill(question.pid, question.signal);
  }
}
