import { readFileSync, statSync, truncateSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { type HostResources, hugePages, type ProcessHost, type ProcessPlace, type ProcessSignal } from './host.ts';
import { askMaster, type Processes, readProcesses } from './master.ts';

/** Bytes. */
const longestLog = 2 ** 20;

/** One HAProxy in master-worker mode. It outlives its supervisor. */
export class HaproxyProcess {
  readonly #place: ProcessPlace;
  readonly #host: ProcessHost;
  #watched = false;
  #pid: number | undefined;

  constructor(place: ProcessPlace, host: ProcessHost) {
    this.#place = place;
    this.#host = host;
  }

  /** Returns HAProxy's error messages about a configuration, or undefined if it is valid. */
  async check(configuration: string): Promise<string | undefined> {
    const { exitCode, all, message } = await execa(this.#place.binary, ['-c', '-f', configuration], {
      reject: false,
      all: true,
      cwd: '/',
      env: hugePages(),
    });
    return exitCode === 0 ? undefined : all || (message ?? 'no answer');
  }

  /** Starts HAProxy. While {@link isSpawned} is true, it may still become ready. Throws if it cannot be started. */
  async spawn(): Promise<void> {
    this.#pid = undefined;
    await this.#host.spawn();
  }

  /** Returns its output since the start, limited to the length of a message. */
  lastWords(): string {
    try {
      const lines = readFileSync(this.#place.log, 'utf8').split('\n');
      return lines
        .filter((line) => /ALERT|EMERG|rror/.test(line) && !line.includes('Lua filter'))
        .slice(-5)
        .join('; ')
        .slice(-1000);
    } catch {
      return '';
    }
  }

  /** Empties the file of its output when it is long: HAProxy prints a line for each exchange that a filter ends. */
  trimLog(): void {
    try {
      if (statSync(this.#place.log).size > longestLog) truncateSync(this.#place.log);
    } catch {
      // HAProxy has not been started here.
    }
  }

  /** Returns undefined if no master answers. */
  async processes(): Promise<Processes | undefined> {
    try {
      return readProcesses(await askMaster(this.#place.masterSocket, 'show proc'));
    } catch {
      return undefined;
    }
  }

  /**
   * Waits for a master that does not answer because it is reading its configuration, for example after the supervisor
   * was killed during a reload: a second master would share its ports, and the old configuration would be served
   * forever. A master that stays silent for `timeout` ms is killed together with its workers. Returns undefined if
   * there is none.
   */
  async awaitMaster(timeout: number): Promise<Processes | undefined> {
    const until = performance.now() + timeout;
    for (;;) {
      const processes = await this.processes();
      const silent = processes === undefined ? await this.#host.findMasters() : [];
      if (silent.length === 0) return processes;
      if (performance.now() > until) {
        for (const pid of silent) await this.#host.kill(pid, 'SIGKILL');
        return undefined;
      }
      await sleep(20);
    }
  }

  /**
   * Makes the master load its configuration again. A master that accepts no connection is executing itself for an
   * earlier reload, perhaps of a supervisor that was killed. The command is repeated for `timeout` ms, because a lost
   * one would be awaited in vain. Throws {@link SocketError}.
   */
  async reload(timeout: number): Promise<void> {
    const until = performance.now() + timeout;
    for (;;) {
      try {
        await askMaster(this.#place.masterSocket, 'reload');
        return;
      } catch (error) {
        if (performance.now() > until || (await this.#host.findMasters()).length === 0) throw error;
        await sleep(20);
      }
    }
  }

  /**
   * Waits at most `timeout` ms until no previous worker accepts connections. A new worker may answer before the old
   * one has received its signal. Until then clients get old answers, and our commands could reach the wrong worker.
   */
  async untilOldStop(timeout: number): Promise<void> {
    const until = performance.now() + timeout;
    const stopping = new Set<number>();
    for (;;) {
      const old = ((await this.processes())?.oldWorkers ?? []).filter((pid) => !stopping.has(pid));
      for (const pid of old) if (await this.#isStopping(pid)) stopping.add(pid);
      if (old.every((pid) => stopping.has(pid)) || performance.now() > until) return;
      await sleep(10);
    }
  }

  /**
   * Runs commands in the old workers, which keep their connections after a reload. Ignores workers that have exited
   * meanwhile. Rejects if a worker does not answer.
   */
  async tellOldWorkers(commands: readonly string[]): Promise<void> {
    const { oldWorkers = [] } = (await this.processes()) ?? {};
    for (const pid of oldWorkers)
      for (const command of commands) await askMaster(this.#place.masterSocket, `@!${pid} ${command}`);
  }

  async #isStopping(pid: number): Promise<boolean> {
    try {
      const answer = await askMaster(this.#place.masterSocket, `@!${pid} show info`, 1000);
      return /^Stopping: 1$/m.test(answer) || answer.startsWith("Can't find the target PID");
    } catch {
      return false;
    }
  }

  /** Returns whether the last started child is running. An adopted process is checked through its socket. */
  async isSpawned(): Promise<boolean> {
    return await this.#host.isSpawned();
  }

  /**
   * Calls `gone` once when the master has exited. A reload, during which the master re-executes itself, does not
   * count.
   */
  async watch(gone: () => void): Promise<void> {
    if (this.#watched) return;
    this.#watched = true;
    while (this.#watched) {
      await this.#untilClosed();
      // A master that reads a large configuration, or lacks CPU time, may not answer for a while.
      const deadline = performance.now() + 60_000;
      while (this.#watched && (await this.processes()) === undefined) {
        if (performance.now() > deadline || (await this.isGone())) {
          this.#watched = false;
          gone();
          return;
        }
        await sleep(20);
      }
    }
  }

  unwatch(): void {
    this.#watched = false;
  }

  /**
   * Returns whether the master has exited. While it re-executes itself, its socket rejects connections for a moment.
   */
  async isGone(): Promise<boolean> {
    return this.#pid !== undefined && !(await this.#host.kill(this.#pid, 0));
  }

  /** Records the process ID to check. */
  async notePid(): Promise<void> {
    this.#pid = (await this.processes())?.pid ?? this.#pid;
  }

  async #untilClosed(): Promise<void> {
    await new Promise<void>((resolve) => {
      const socket = connect(this.#place.masterSocket);
      socket.on('error', () => {});
      socket.on('close', () => resolve());
      socket.on('data', () => {});
      socket.unref();
    });
  }

  /** Sends a signal to the master. Returns false if it has exited. */
  async signal(signal: ProcessSignal | 0): Promise<boolean> {
    return this.#pid !== undefined && (await this.#host.kill(this.#pid, signal));
  }

  /** Stops accepting connections, and terminates HAProxy after the last connection or after `drain` ms. */
  async end(drain: number): Promise<void> {
    await this.notePid();
    const [silent] = this.#pid === undefined ? await this.#host.findMasters() : [];
    this.#pid ??= silent;
    await this.signal('SIGUSR1');
    const until = performance.now() + drain;
    while (performance.now() < until && (await this.signal(0))) await sleep(20);
    if (!(await this.signal('SIGTERM'))) return;
    for (let i = 0; i < 250 && (await this.signal(0)); i++) await sleep(20);
    await this.signal('SIGKILL');
  }

  /** Kills a hung HAProxy, whose workers ignore other signals. */
  async destroy(): Promise<void> {
    const { workers = [], pid } = (await this.processes()) ?? {};
    for (const one of workers) await this.#host.kill(one, 'SIGKILL');
    // A master exits after its worker has exited, unless it hangs itself.
    const masters = pid === undefined ? await this.#host.findMasters() : [pid];
    const until = performance.now() + 5000;
    for (const master of masters) {
      while (performance.now() < until && (await this.#host.kill(master, 0))) await sleep(50);
      await this.#host.kill(master, 'SIGKILL');
    }
  }

  async resources(): Promise<HostResources> {
    return await this.#host.resources();
  }

  /** Closes the host. HAProxy keeps running. */
  close(): void {
    this.unwatch();
    this.#host.close();
  }
}
