import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

/** Where one HAProxy is and how it is started. */
export interface ProcessPlace {
  readonly binary: string;
  /** The folder of configuration files that it reads. */
  readonly configuration: string;
  readonly masterSocket: string;
  /** What it writes to stderr. */
  readonly log: string;
}

/** What the container that HAProxy runs in has for it; what cannot be read is absent. */
export interface HostResources {
  /** Bytes that the container may have. */
  readonly memoryLimit?: number;
  /** Bytes that it may still take. */
  readonly memoryAvailable?: number;
  /** Bytes that the largest process of HAProxy has. */
  readonly workerMemory?: number;
  /** Open files that a process may have. */
  readonly files?: number;
}

export type ProcessSignal = 'SIGUSR1' | 'SIGTERM' | 'SIGKILL';

/** Starts and ends the processes of one HAProxy: in this container, or through the socket of another. */
export interface ProcessHost {
  /** Starts HAProxy where none runs that was started here. */
  spawn(): Promise<void>;
  /** Whether what was spawned last still runs. */
  isSpawned(): Promise<boolean>;
  /** Masters that have our socket, whether they answer or not. */
  findMasters(): Promise<number[]>;
  /** Sends a signal; false when there is no such process. */
  kill(pid: number, signal: ProcessSignal | 0): Promise<boolean>;
  resources(): Promise<HostResources>;
  /** Forgets connections; HAProxy goes on. */
  close(): void;
}

/** HAProxy in this very container. */
export class LocalHost implements ProcessHost {
  readonly #place: ProcessPlace;
  #spawned = false;

  constructor(place: ProcessPlace) {
    this.#place = place;
  }

  async spawn(): Promise<void> {
    if (this.#spawned) return;
    const { binary, configuration, masterSocket, log } = this.#place;
    const stderr = openSync(log, 'w', 0o600);
    // Not execa: it keeps pipes and handlers of its own for a child that should outlive us.
    const child = spawn(binary, ['-W', '-S', `${masterSocket},mode,600`, '-f', configuration], {
      detached: true,
      cwd: '/',
      stdio: ['ignore', 'inherit', stderr],
    });
    closeSync(stderr);
    this.#spawned = true;
    for (const event of ['error', 'exit']) {
      child.on(event, () => {
        this.#spawned = false;
      });
    }
    child.unref();
  }

  async isSpawned(): Promise<boolean> {
    return this.#spawned;
  }

  /**
   * A worker has our socket on its command line too, but leads no session. While a process starts itself
   * again it has no command line for a moment: then its name has to do.
   */
  async findMasters(): Promise<number[]> {
    const ours = `\0-S\0${this.#place.masterSocket},`;
    const program = this.#program;
    return listProcesses().filter((pid) => {
      const commandLine = readProc(pid, 'cmdline');
      if (commandLine !== '' && !commandLine.includes(ours)) return false;
      const { name, state, session } = readStat(readProc(pid, 'stat'));
      return session === pid && state !== 'Z' && (commandLine !== '' || name === program);
    });
  }

  async kill(pid: number, signal: ProcessSignal | 0): Promise<boolean> {
    try {
      process.kill(pid, signal);
      return true;
    } catch {
      return false;
    }
  }

  async resources(): Promise<HostResources> {
    const memory = readMemory();
    const ours = `\0-S\0${this.#place.masterSocket},`;
    const sizes = listProcesses()
      .filter((pid) => readProc(pid, 'cmdline').includes(ours))
      .map((pid) => 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readProc(pid, 'status'))?.[1] ?? 0));
    const files = Number(/^Max open files\s+\S+\s+(\d+)/m.exec(readProc('self', 'limits'))?.[1]);
    return {
      ...memory,
      ...(sizes.length > 0 && { workerMemory: Math.max(...sizes) }),
      ...(Number.isInteger(files) && { files }),
    };
  }

  close(): void {}

  get #program(): string {
    return basename(this.#place.binary).slice(0, 15);
  }
}

/**
 * Memory of the container: the limit of its cgroup (version 2, else 1), and what is left of it or of the
 * node, whichever is less. Pages of files that the kernel can drop count as left.
 */
export function readMemory(root = '/sys/fs/cgroup'): Pick<HostResources, 'memoryLimit' | 'memoryAvailable'> {
  const free = 1024 * Number(/^MemAvailable:\s+(\d+)/m.exec(readText('/proc/meminfo'))?.[1] ?? Number.NaN);
  const limit = readNumber(`${root}/memory.max`) ?? readNumber(`${root}/memory/memory.limit_in_bytes`);
  const used = readNumber(`${root}/memory.current`) ?? readNumber(`${root}/memory/memory.usage_in_bytes`);
  const stat = readText(`${root}/memory.stat`) || readText(`${root}/memory/memory.stat`);
  const droppable = Number(/^(?:total_)?inactive_file (\d+)/m.exec(stat)?.[1] ?? 0);
  // Version 1 writes "none" as a number near 2⁶³.
  const isLimited = limit !== undefined && limit < 2 ** 60;
  const left = isLimited && used !== undefined ? Math.max(0, limit - used + droppable) : Number.NaN;
  const available = Math.min(...[free, left].filter((value) => !Number.isNaN(value)));
  return {
    ...(isLimited && { memoryLimit: limit }),
    ...(Number.isFinite(available) && { memoryAvailable: available }),
  };
}

function readNumber(path: string): number | undefined {
  const text = readText(path).trim();
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function listProcesses(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Empty for a process that has ended. */
function readProc(pid: number | 'self', file: string): string {
  return readText(`/proc/${pid}/${file}`);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
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
