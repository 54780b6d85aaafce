import { spawn } from 'node:child_process';
import { findTool } from '../../../base/linux/rule-tools.ts';

/** Milliseconds after which a hung nft is killed. */
const deadline = 10_000;

/**
 * Loads scripts with nft, one at a time and without blocking this thread, because heartbeats and renewals must
 * continue. Of several waiting scripts, only the latest is loaded.
 */
export class Ruleset {
  readonly #render: () => string;
  readonly #removal: () => string;
  /** Whether this process created the tables, so that it can replace their content. */
  #isOwn = false;
  #running: Promise<void> | undefined;
  #waiting: Promise<void> | undefined;
  #loaded = '';
  #loading = '';
  #isClosed = false;

  /**
   * @param render returns the script for the desired rules at the time of the call
   * @param removal returns the script that removes tables of another process, or of a failed load
   */
  constructor(render: () => string, removal: () => string) {
    this.#render = render;
    this.#removal = removal;
  }

  /** Whether the desired rules differ from the loaded ones. */
  get isStale(): boolean {
    return this.#render() !== this.#loaded;
  }

  /** Whether nft runs or will run. */
  get isLoading(): boolean {
    return this.#running !== undefined || this.#waiting !== undefined;
  }

  /** Loads the rules that are desired now or at the start of the load. Rejects with nft's message. */
  load(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    if (this.#running === undefined) return this.#start();
    if (this.#waiting === undefined && this.#loading === this.#render()) return this.#running;
    // A load that has not begun will render the rules desired then, so one load is enough for all callers.
    this.#waiting ??= this.#running.then(
      () => this.#next(),
      () => this.#next(),
    );
    return this.#waiting;
  }

  /** Waits for a running load, removes the tables, and ignores all later loads. Rejects with nft's message. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled([this.#running, this.#waiting]);
    await loadScript(this.#removal());
  }

  #next(): Promise<void> {
    this.#waiting = undefined;
    if (this.#isClosed) return Promise.resolve();
    return this.#start();
  }

  #start(): Promise<void> {
    const script = this.#render();
    this.#loading = script;
    const running = loadScript(this.#isOwn ? script : `${this.#removal()}${script}`).then(
      () => {
        this.#isOwn = true;
        this.#loaded = script;
      },
      (error: unknown) => {
        this.#isOwn = false;
        this.#loaded = '';
        throw error;
      },
    );
    this.#running = running;
    const end = (): void => {
      if (this.#running === running) this.#running = undefined;
    };
    running.then(end, end);
    return running;
  }
}

/** Runs `nft -f -`. Rejects with the end of its standard error. */
function loadScript(script: string): Promise<void> {
  const path = findTool('nft');
  if (path === undefined) return Promise.reject(new Error('Cannot load rules: nft is not in PATH; install nftables'));
  return new Promise((resolve, reject) => {
    const child = spawn(path, ['-f', '-'], {
      stdio: ['pipe', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH, LC_ALL: 'C' },
    });
    // Own timer: an address whose rules never finish loading would block the node that takes it.
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`Cannot load rules: nft did not exit within ${deadline / 1000} s`));
    }, deadline);
    let errors = '';
    child.stderr.on('data', (data: Buffer) => {
      errors = (errors + data.toString()).slice(-400);
    });
    child.stdin.on('error', () => {});
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) return resolve();
      // Output may arrive after the exit event.
      const fail = (): void =>
        reject(new Error(`Cannot load rules: nft exited with ${code ?? signal}: ${errors.replaceAll(/\s+/g, ' ')}`));
      setTimeout(fail, 50);
    });
    child.stdin.end(script);
  });
}
