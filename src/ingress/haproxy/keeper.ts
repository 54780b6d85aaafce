import { access, chmod, mkdir } from 'node:fs/promises';
import type { Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { placeOf } from './engine.ts';
import { LocalHost, type ProcessHost } from './host.ts';
import type { Peers } from './peers.ts';
import { HaproxyProcess } from './process.ts';
import { hostSocket, serveHost } from './remote-host.ts';

/** Options of HAProxy in its own container. Times are in milliseconds. */
export interface KeeperOptions {
  /** The folder shared with the supervisor's container. */
  readonly directory: string;
  readonly binary: string;
  /** How long HAProxy keeps accepting connections after {@link HaproxyKeeper.stop}. */
  readonly shutdownDelay: number;
  /** How long connections may take to end after that. */
  readonly shutdownTimeout: number;
  /** HAProxy processes of other pods on this node. Absent: there are none. */
  readonly peers?: Peers;
  readonly onProblem: (message: string) => void;
}

/** Milliseconds. */
const firstWait = 500;
const longestWait = 10_000;
const peerInterval = 200;

/**
 * The first process of HAProxy's container. It starts and signals HAProxy for the supervisor in the other container.
 * While none is connected, it runs HAProxy with the configuration on disk and restarts it when it exits.
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
    const { peers } = options;
    const place = { ...placeOf(options), ...(peers && { findListeners: async () => await peers.findSocket() }) };
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

  /**
   * Stops HAProxy gracefully, even while an agent is connected. HAProxy accepts connections for the delay, or until
   * another pod's HAProxy does.
   */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#timer);
    this.#options.peers?.noteEnding();
    if (await this.#host.isSpawned()) {
      await this.#awaitSuccessor();
      await this.#process.end(this.#options.shutdownTimeout);
    }
    this.#server?.close();
  }

  async #awaitSuccessor(): Promise<void> {
    const { peers, shutdownDelay } = this.#options;
    const until = performance.now() + shutdownDelay;
    for (let left = shutdownDelay; left > 0; left = until - performance.now()) {
      if ((await peers?.findSocket()) !== undefined) return;
      await sleep(peers === undefined ? left : Math.min(left, peerInterval));
    }
  }

  /** Starts HAProxy if it is not running and no agent is connected that would start it. */
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
      // There is no configuration yet.
      return;
    }
    if (this.#supervisors > 0 || this.#isStopping) return;
    this.#options.onProblem(
      'HAProxy is not running and no agent is connected; starting HAProxy with the configuration on disk',
    );
    this.#wait = Math.min(longestWait, this.#wait * 2);
    await this.#host.spawn();
  }
}
