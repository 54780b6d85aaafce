import { isFull } from './health.ts';
import { isDone, RuntimeSocket } from './socket.ts';

/** In ms. Short: the worker that is asked may hang, or be replaced by another soon. */
const questionTimeout = 1000;

/** Commands sent at once; HAProxy would hold the answers of thousands in memory. */
const batchSize = 500;

/** The worker that answers at the runtime socket, by one session that is kept open. */
export class Worker {
  readonly #path: string;
  #socket: RuntimeSocket | undefined;

  /** @param path runtime socket */
  constructor(path: string) {
    this.#path = path;
  }

  /** Runs commands in batches and returns their answers in order. Throws SocketError. */
  async run(commands: readonly string[]): Promise<string[]> {
    if (this.#socket?.open !== true) this.#socket = await RuntimeSocket.open(this.#path);
    const answers: string[] = [];
    for (let i = 0; i < commands.length; i += batchSize) {
      answers.push(...(await this.#socket.run(commands.slice(i, i + batchSize))));
    }
    return answers;
  }

  /** Runs commands and returns those that HAProxy rejected, each with its answer. Throws SocketError. */
  async give(commands: readonly string[]): Promise<string[]> {
    const answers = await this.run(commands);
    return answers.flatMap((answer, at) =>
      isDone(answer) ? [] : [`${(commands[at] ?? '').split('\n')[0]}: ${answer.split('\n').at(-1)}`],
    );
  }

  /** Returns the generation of files that the worker has read, or undefined if no worker answers. */
  async generation(): Promise<string | undefined> {
    return /^description: (\S+)/im.exec(await this.#info())?.[1];
  }

  /** Whether clients use every connection that is allowed. The listeners rest then, and HAProxy does not hang. */
  async isFull(): Promise<boolean> {
    return isFull(await this.#info());
  }

  /** Ends the session. It belongs to one worker, so it must not outlive a reload. */
  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }

  /** Asks in a session of its own; empty without an answer. */
  async #info(): Promise<string> {
    try {
      const socket = await RuntimeSocket.open(this.#path, questionTimeout);
      const [info = ''] = await socket.run(['show info']).finally(() => socket.close());
      return info;
    } catch {
      return '';
    }
  }
}
