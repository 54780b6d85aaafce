import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A connection to one of HAProxy's command sockets failed. */
export class SocketError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SocketError';
  }
}

/** Ends every answer of an interactive session. Answers do not contain it. */
const prompt = '\n> ';

/**
 * An interactive session on HAProxy's runtime socket: many commands on one connection, answered in order. It belongs
 * to the worker that accepted it, so a reload requires a new one.
 */
export class RuntimeSocket {
  readonly #socket: Socket;
  readonly #waiting: { resolve: (answer: string) => void; reject: (error: Error) => void }[] = [];
  readonly #timeout: number;
  #chunks: string[] = [];
  #closed: Error | undefined;

  private constructor(socket: Socket, timeout: number) {
    this.#socket = socket;
    this.#timeout = timeout;
    socket.on('timeout', () => {
      if (this.#waiting.length > 0) socket.destroy(new Error(`no answer in ${timeout} ms`));
    });
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => this.#take(chunk));
    socket.on('error', (error) => this.#fail(new SocketError('HAProxy’s runtime socket failed', { cause: error })));
    socket.on('close', () => this.#fail(new SocketError('HAProxy closed its runtime socket')));
  }

  /** Opens a session. Commands fail if nothing arrives for `timeout` ms. Throws {@link SocketError}. */
  static async open(path: string, timeout = 30_000): Promise<RuntimeSocket> {
    const session = new RuntimeSocket(await reach(path), timeout);
    // Without this, HAProxy closes a session that is idle for 10 s.
    await session.run(['prompt', 'set timeout cli 86400']);
    return session;
  }

  get open(): boolean {
    return this.#closed === undefined;
  }

  /** Sends commands together and returns their trimmed answers in order. Throws {@link SocketError}. */
  async run(commands: readonly string[]): Promise<string[]> {
    if (this.#closed !== undefined) throw this.#closed;
    if (commands.length === 0) return [];
    const answers = commands.map(
      () => new Promise<string>((resolve, reject) => this.#waiting.push({ resolve, reject })),
    );
    // Set for each request, because the timeout starts with it.
    this.#socket.setTimeout(this.#timeout);
    this.#socket.write(commands.map((command) => `${command}\n`).join(''));
    return await Promise.all(answers);
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: string): void {
    this.#chunks.push(chunk);
    if (!chunk.includes('> ') && !chunk.startsWith(' ')) return;
    const parts = this.#chunks.join('').split(prompt);
    this.#chunks = [parts.pop() ?? ''];
    // HAProxy prompts with "+ " for each line of a payload.
    for (const part of parts) this.#waiting.shift()?.resolve(part.replace(/^(?:\+ )+/, '').trim());
  }

  #fail(error: Error): void {
    this.#closed ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

/** Milliseconds to wait while HAProxy accepts no connection, and between attempts. */
const busy = { longest: 10_000, pause: 50 };

/** Connects to a socket. While too many clients wait for HAProxy to accept them, the kernel answers EAGAIN. */
async function reach(path: string): Promise<Socket> {
  for (const until = performance.now() + busy.longest; ; await sleep(busy.pause)) {
    const socket = connect(path);
    try {
      await once(socket, 'connect');
      return socket;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EAGAIN' && performance.now() < until) continue;
      throw new SocketError(`Cannot connect to ${path}`, { cause });
    }
  }
}

const successes = [
  /^New server registered\.$/,
  /^Server deleted\.$/,
  /^Transaction (?:created|updated) for /i,
  /^Committing [^\n]*\s*\.*\s*Success!$/,
  /^New (?:empty|CA file) /,
  /^Inserting [^\n]*\s*\.*\s*Success!$/,
  /^Entry '[^\n]*' deleted in /,
  /^Certificate '[^\n]*' deleted!$/,
  /^(?:IP|port) changed from /,
  /^no need to change /,
];

/** Returns whether HAProxy's answer to a modifying command reports success. */
export function isDone(answer: string): boolean {
  return answer === '' || successes.some((pattern) => pattern.test(answer));
}
