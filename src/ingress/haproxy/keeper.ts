import { access, chmod, mkdir } from 'node:fs/promises';
import type { Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { placeOf } from './engine.ts';
import { LocalHost, type ProcessHost } from './host.ts';
import { HaproxyProcess } from './process.ts';
import { hostSocket, serveHost } from './remote-host.ts';

/** How HAProxy is kept in a container of its own. Times are milliseconds. */
export interface KeeperOptions {
  /** The folder that this container shares with the supervisor. */
  readonly directory: string;
  readonly binary: string;
  /** HAProxy goes on taking connections for this long after {@link HaproxyKeeper.stop}. */
  readonly shutdownDelay: number;
  /** Then connections may take this long to end. */
  readonly shutdownTimeout: number;
  readonly onProblem: (message: string) => void;
}

/** Milliseconds. */
const firstWait = 500;
const longestWait = 10_000;

/**
 * The first process of HAProxy's container. It starts and signals HAProxy for the supervisor in the other
 * container; while none is connected, it lets HAProxy serve what is on the disk, and starts it again.
 */
export class HaproxyKeeper {
  readonly #options: KeeperOptions;
  readonly #host: ProcessHost;
  readonly #process: HaproxyProcess;
  #server: Server | undefined;
  #timer: NodeJS.Timeout | undefined;
  #supervisors = 0;
  #wait = firstWait;
  #isStopping = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    const place = placeOf(options);
    this.#host = new LocalHost(place);
    this.#process = new HaproxyProcess(place, this.#host);
  }

  async start(): Promise<void> {
    const { directory } = this.#options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await chmod(directory, 0o700);
    this.#server = await serveHost(`${directory}/${hostSocket}`, this.#host, (count) => {
      this.#supervisors = count;
      this.#wait = firstWait;
      this.#look();
    });
    this.#look();
  }

  /** Ends HAProxy gracefully, even while an agent is connected. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#timer);
    if (await this.#host.isSpawned()) {
      await sleep(this.#options.shutdownDelay);
      await this.#process.end(this.#options.shutdownTimeout);
    }
    this.#server?.close();
  }

  /** Starts HAProxy if it does not run and no agent would start it. */
  #look(): void {
    clearTimeout(this.#timer);
    if (this.#isStopping) return;
    this.#timer = setTimeout(() => {
      void this.#startAlone()
        .catch((error: unknown) => this.#options.onProblem(`Cannot start HAProxy: ${String(error)}`))
        .finally(() => this.#look());
    }, this.#wait);
  }

  async #startAlone(): Promise<void> {
    const isIdle = this.#supervisors === 0 && !(await this.#host.isSpawned());
    if (!isIdle) return;
    try {
      await access(`${this.#options.directory}/current/conf`);
    } catch {
      // Nothing to serve yet.
      return;
    }
    if (this.#supervisors > 0 || this.#isStopping) return;
    this.#options.onProblem('HAProxy does not run, and no agent is connected: serving what is on the disk');
    this.#wait = Math.min(longestWait, this.#wait * 2);
    await this.#host.spawn();
  }
}
