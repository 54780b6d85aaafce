import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { askMaster, type Processes, readProcesses } from './master.ts';

/** Where one HAProxy is and how it is started. */
export interface ProcessPlace {
  readonly binary: string;
  /** The folder of configuration files that it reads. */
  readonly configuration: string;
  readonly masterSocket: string;
  /** What it writes to stderr. */
  readonly log: string;
}

/** One HAProxy in master-worker mode; it outlives its supervisor. */
export class HaproxyProcess {
  readonly #place: ProcessPlace;
  #watched = false;
  #spawned = false;
  #pid: number | undefined;

  constructor(place: ProcessPlace) {
    this.#place = place;
  }

  /** What HAProxy says against a configuration; undefined when it takes it. */
  async check(configuration: string): Promise<string | undefined> {
    const { exitCode, all, message } = await execa(this.#place.binary, ['-c', '-f', configuration], {
      reject: false,
      all: true,
      cwd: '/',
    });
    return exitCode === 0 ? undefined : all || (message ?? 'no answer');
  }

  /** Starts it; while {@link spawned}, it may yet answer. Throws when there is no such program. */
  spawn(): void {
    const { binary, configuration, masterSocket, log } = this.#place;
    const stderr = openSync(log, 'w', 0o600);
    // Not execa: it keeps pipes and handlers of its own for a child that should outlive us.
    const child = spawn(binary, ['-W', '-S', `${masterSocket},mode,600`, '-f', configuration], {
      detached: true,
      cwd: '/',
      stdio: ['ignore', 'inherit', stderr],
    });
    closeSync(stderr);
    this.#pid = child.pid;
    this.#spawned = true;
    child.on('error', () => {
      this.#spawned = false;
    });
    child.on('exit', () => {
      this.#spawned = false;
    });
    child.unref();
  }

  /** What it wrote since it was started, at most so much as a message can bear. */
  lastWords(): string {
    try {
      const lines = readFileSync(this.#place.log, 'utf8').split('\n');
      return lines
        .filter((line) => /ALERT|EMERG|rror/.test(line))
        .slice(-5)
        .join('; ')
        .slice(-1000);
    } catch {
      return '';
    }
  }

  /** Undefined when no master answers. */
  async processes(): Promise<Processes | undefined> {
    try {
      return readProcesses(await askMaster(this.#place.masterSocket, 'show proc'));
    } catch {
      return undefined;
    }
  }

  /**
   * Waits for a master that cannot be asked because it reads its configuration, as after the supervisor
   * died in a reload: a second one beside it would share its ports and serve what it served for ever. One
   * that stays silent for `timeout` ms is killed, and its workers with it. Undefined when there is none.
   */
  async awaitMaster(timeout: number): Promise<Processes | undefined> {
    const until = Date.now() + timeout;
    for (;;) {
      const processes = await this.processes();
      const silent = processes === undefined ? this.#findMasters() : [];
      if (silent.length === 0) return processes;
      if (Date.now() > until) {
        for (const pid of silent) kill(pid, 'SIGKILL');
        return undefined;
      }
      await sleep(20);
    }
  }

  /**
   * Masters that have our socket on their command line; a worker has it too, but leads no session. While a
   * process starts itself again it has none for a moment: then its name has to do.
   */
  #findMasters(): number[] {
    const ours = `\0-S\0${this.#place.masterSocket},`;
    const program = basename(this.#place.binary).slice(0, 15);
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => {
        const commandLine = readProc(pid, 'cmdline');
        if (commandLine !== '' && !commandLine.includes(ours)) return false;
        const { name, state, session } = readStat(readProc(pid, 'stat'));
        return session === pid && state !== 'Z' && (commandLine !== '' || name === program);
      });
  }

  async reload(): Promise<void> {
    await askMaster(this.#place.masterSocket, 'reload');
  }

  /**
   * Waits until no worker of before a reload takes connections, at most `timeout` ms. The new worker
   * answers while the old one has yet to read its signal: until it has, clients get the old answers, and
   * our own commands could reach the wrong worker.
   */
  async untilOldStop(timeout: number): Promise<void> {
    const until = Date.now() + timeout;
    const stopping = new Set<number>();
    for (;;) {
      const old = ((await this.processes())?.oldWorkers ?? []).filter((pid) => !stopping.has(pid));
      for (const pid of old) if (await this.#isStopping(pid)) stopping.add(pid);
      if (old.every((pid) => stopping.has(pid)) || Date.now() > until) return;
      await sleep(10);
    }
  }

  async #isStopping(pid: number): Promise<boolean> {
    try {
      const answer = await askMaster(this.#place.masterSocket, `@!${pid} show info`, 1000);
      return /^Stopping: 1$/m.test(answer) || answer.startsWith("Can't find the target PID");
    } catch {
      return false;
    }
  }

  /** Whether the child that was spawned last is still there; an adopted one is asked by its socket. */
  get spawned(): boolean {
    return this.#spawned;
  }

  /** Calls once when the master is gone; a reload, in which it starts itself again, does not count. */
  async watch(gone: () => void): Promise<void> {
    if (this.#watched) return;
    this.#watched = true;
    while (this.#watched) {
      await this.#untilClosed();
      // A master that reads a large configuration, or is short of time, answers nobody for long.
      const deadline = Date.now() + 60_000;
      while (this.#watched && (await this.processes()) === undefined) {
        if (Date.now() > deadline || this.isGone) {
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

  /** While a master starts itself again its socket refuses for a moment; it is gone when its process is. */
  get isGone(): boolean {
    return this.#pid !== undefined && !kill(this.#pid, 0);
  }

  /** Remembers which process to look for. */
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

  /** Sends a signal to the master; false when it is gone. */
  signal(signal: 'SIGUSR1' | 'SIGTERM' | 'SIGKILL' | 0): boolean {
    return this.#pid !== undefined && kill(this.#pid, signal);
  }
}

/** False when there is no such process. */
function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Empty for a process that has ended. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** Of proc(5), `stat`: the name is in parentheses, and may itself hold some. */
function readStat(stat: string): { readonly name: string; readonly state: string; readonly session: number } {
  const end = stat.lastIndexOf(')');
  const [state = '', , , session] = stat.slice(end + 2).split(' ');
  return { name: stat.slice(stat.indexOf('(') + 1, end), state, session: Number(session) };
}
