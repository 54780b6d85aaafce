import { isFull } from './health.ts';
import { isDone, RuntimeSocket } from './socket.ts';

/** Milliseconds. Short, because the worker may hang or be replaced soon. */
const questionTimeout = 1000;

/** Maximum number of commands sent at once, because HAProxy keeps all answers in memory. */
const batchSize = 500;

/** The worker behind the runtime socket, with one session that is kept open. */
export class Worker {
  readonly #path: string;
  #socket: RuntimeSocket | undefined;

  /** @param path path of the runtime socket */
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

  /** Returns whether clients use every allowed connection. The listeners are then paused, and HAProxy is not hung. */
  async isFull(): Promise<boolean> {
    return isFull(await this.#info());
  }

  /** Closes the session. It belongs to one worker, so it must not outlive a reload. */
  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }

  /** Asks in a separate session. Returns an empty string without an answer. */
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
