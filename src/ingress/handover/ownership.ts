import { connect, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { FileLock } from '../../base/linux/file-lock.ts';
import type { PodFolder } from './pod-folder.ts';
import { listenPrivately } from './private-socket.ts';

/** Duties that only one agent of a node may perform at a time. */
export interface Duties {
  /** Prepares for a start without delay. Resolves to whether this agent may now ask the owner to stop. */
  prepare(): Promise<boolean>;
  begin(): void;
  /** Stops. Resolves after the last write. */
  end(): Promise<void>;
}

/** Milliseconds. */
const times = {
  /** Intervals between attempts to become the owner: after the owner was asked to stop, and otherwise. */
  urgent: 10,
  idle: 100,
  /** Interval between requests to an owner that belongs to a later pod or cannot hand over. */
  ask: 5000,
  /** How long an agent that has handed over leaves the lock to the one that asked. */
  yield: 5000,
  /** Pause after a failed attempt to become the owner. */
  retry: 1000,
};

/**
 * Decides which agent of a node performs the duties: the holder of a lock, which the kernel releases with its process.
 * An agent of a later pod asks the owner to stop, and the owner complies. An agent that was replaced waits, and takes
 * over again when the later one ends, for example because its version fails and the update is rolled back.
 */
export class NodeOwnership {
  readonly #folder: PodFolder;
  readonly #duties: Duties;
  readonly #report: (message: string) => void;
  readonly #fail: (error: Error) => void;
  #lock: FileLock | undefined;
  #server: Server | undefined;
  #isActive = false;
  #isClosed = false;
  #asked: Socket | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #problem = '';

  /**
   * @param report receives messages for the log
   * @param fail called once when the duties could not begin or end: the process must exit, because it is unknown what
   *   they still write, and the kernel releases the lock only then
   */
  constructor(
    folder: PodFolder,
    duties: Duties,
    { report, fail }: { readonly report: (message: string) => void; readonly fail: (error: Error) => void },
  ) {
    this.#folder = folder;
    this.#duties = duties;
    this.#report = report;
    this.#fail = fail;
  }

  /** Whether no other agent may perform the duties. */
  get isOwner(): boolean {
    return this.#lock !== undefined;
  }

  /** Whether this agent has begun its duties. */
  get isActive(): boolean {
    return this.#isActive;
  }

  /** Why the last attempt to become the owner failed. Undefined: it did not. */
  get problem(): string | undefined {
    return this.#problem || undefined;
  }

  /** Becomes the owner at once if there is none, and otherwise as soon as possible. */
  start(): void {
    void this.#run().catch((error: unknown) => {
      if (!this.#isClosed) this.#fail(error as Error);
    });
  }

  /** Makes this process the owner without its duties, which do not begin any more. Returns whether it is the owner. */
  tryTake(): boolean {
    this.close();
    return this.#take();
  }

  /** Stops asking and answering. Keeps the lock until the process ends, because it may still write. */
  close(): void {
    this.#isClosed = true;
    this.#asked?.destroy();
    this.#server?.close();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const turn = await this.#becomeOwner();
      if (turn === undefined) continue;
      this.#report('This agent now applies ports and writes statuses for the node');
      this.#duties.begin();
      this.#isActive = true;
      const socket = await turn.asker;
      this.#isActive = false;
      // Closed first, because closing deletes the socket's file.
      this.#server?.close();
      await this.#duties.end();
      if (!this.#isClosed) this.#release();
      this.#report('Handed over ports and statuses of the node to the agent of a later pod');
      await Promise.race([untilClosed(socket), sleep(times.yield)]);
      socket.destroy();
    }
  }

  /**
   * Takes the lock, or asks its owner for it. Resolves to the promise of the next asker, in an object so that it is not
   * awaited; undefined if this agent is not the owner yet.
   */
  async #becomeOwner(): Promise<{ readonly asker: Promise<Socket> } | undefined> {
    const { promise: asker, resolve } = Promise.withResolvers<Socket>();
    try {
      if (!this.#take()) {
        await this.#ask();
        await sleep(this.#asked === undefined ? times.idle : times.urgent);
        return undefined;
      }
      this.#server = await this.#listen(resolve);
    } catch (error) {
      // The agent of another pod may be able to take the node. A full disk or a missing folder may be temporary.
      if (!this.#isClosed) this.#release();
      // The previous owner takes over again at once.
      this.#asked?.destroy();
      this.#note(`Cannot take over the node from other agents; retrying: ${(error as Error).message}`);
      await sleep(times.retry);
      return undefined;
    }
    this.#problem = '';
    this.#asked?.destroy();
    this.#asked = undefined;
    return this.#isClosed ? undefined : { asker };
  }

  #take(): boolean {
    this.#lock ??= FileLock.tryAcquire(join(this.#folder.shared, 'owner.lock'));
    return this.isOwner;
  }

  #release(): void {
    this.#lock?.release();
    this.#lock = undefined;
  }

  /** Reports a problem once. */
  #note(problem: string): void {
    if (problem !== this.#problem) this.#report(problem);
    this.#problem = problem;
  }

  async #ask(): Promise<void> {
    if (this.#asked !== undefined || performance.now() - this.#askedAt < times.ask) return;
    if (!(await this.#duties.prepare()) || this.#isClosed) return;
    const socket = connect(join(this.#folder.shared, 'handover.sock'));
    this.#asked = socket;
    this.#askedAt = performance.now();
    // Without an answer the lock decides: an owner of another version, or a hung one, keeps it until it ends.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#asked === socket) this.#asked = undefined;
    });
    socket.resume();
    socket.write(`${JSON.stringify({ order: this.#folder.order })}\n`);
  }

  #listen(accept: (asker: Socket) => void): Promise<Server> {
    return listenPrivately(join(this.#folder.shared, 'handover.sock'), (socket) => {
      createInterface({ input: socket })
        .once('line', (line) => {
          if (readOrder(line) > this.#folder.order) accept(socket);
          else socket.destroy();
        })
        .on('error', () => undefined);
    });
  }
}

/** Returns the number of the asking pod, or 0 if the message is invalid. */
function readOrder(line: string): number {
  try {
    const message: unknown = JSON.parse(line);
    const order = typeof message === 'object' && message !== null && 'order' in message ? message.order : 0;
    return Number.isSafeInteger(order) ? Number(order) : 0;
  } catch {
    return 0;
  }
}

function untilClosed(socket: Socket): Promise<void> {
  return socket.destroyed ? Promise.resolve() : new Promise((resolve) => socket.once('close', () => resolve()));
}
