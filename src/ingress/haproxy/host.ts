import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename } from 'node:path';

/** Paths and program of one HAProxy. */
export interface ProcessPlace {
  readonly binary: string;
  /** The folder of its configuration files. */
  readonly configuration: string;
  readonly masterSocket: string;
  /** The file for its standard error. */
  readonly log: string;
  /** Returns the runtime socket of another HAProxy whose listening sockets a new one takes over. */
  readonly findListeners?: () => Promise<string | undefined>;
}

/** Resources of HAProxy's container. Absent if they cannot be read. */
export interface HostResources {
  /** Memory limit of the container in bytes. */
  readonly memoryLimit?: number;
  /** Bytes that the container can still allocate. */
  readonly memoryAvailable?: number;
  /** Memory of the largest HAProxy process in bytes. */
  readonly workerMemory?: number;
  /** Open file limit of a process. */
  readonly files?: number;
}

export type ProcessSignal = 'SIGUSR1' | 'SIGTERM' | 'SIGKILL';

/** Starts and terminates the processes of one HAProxy, in this container or through the socket of another. */
export interface ProcessHost {
  /** Starts HAProxy unless one started here is running. */
  spawn(): Promise<void>;
  /** Returns whether the last started process is running. */
  isSpawned(): Promise<boolean>;
  /** Returns the masters that use our socket, whether or not they answer. */
  findMasters(): Promise<number[]>;
  /** Sends a signal. Returns false if the process has exited. */
  kill(pid: number, signal: ProcessSignal | 0): Promise<boolean>;
  resources(): Promise<HostResources>;
  /** Closes connections. HAProxy keeps running. */
  close(): void;
}

/**
 * Returns the variable with which glibc 2.35 and later allocates memory in huge pages, where the kernel lets a program
 * choose. HAProxy then reads thousands of backends in a third of the time, most of which page faults would take. Other
 * settings of the operator are kept and take precedence.
 */
export function hugePages(): { readonly GLIBC_TUNABLES: string } {
  const { GLIBC_TUNABLES: own } = process.env;
  return { GLIBC_TUNABLES: ['glibc.malloc.hugetlb=1', ...(own ? [own] : [])].join(':') };
}

/** HAProxy in this container. */
export class LocalHost implements ProcessHost {
  readonly #place: ProcessPlace;
  #spawned = false;

  constructor(place: ProcessPlace) {
    this.#place = place;
  }

  async spawn(): Promise<void> {
    if (this.#spawned) return;
    this.#spawned = true;
    try {
      this.#start(await this.#place.findListeners?.().catch(() => undefined));
    } catch (error) {
      this.#spawned = false;
      throw error;
    }
  }

  #start(other: string | undefined): void {
    const { binary, configuration, masterSocket, log } = this.#place;
    const takeOver = other === undefined ? [] : ['-x', other];
    // Appending, so that the supervisor can empty the file.
    rmSync(log, { force: true });
    const stderr = openSync(log, 'a', 0o600);
    // Not execa, which keeps pipes and handlers for a child that should outlive this process.
    const child = spawn(binary, ['-W', '-S', `${masterSocket},mode,600`, '-f', configuration, ...takeOver], {
      detached: true,
      cwd: '/',
      env: { ...process.env, ...hugePages() },
      stdio: ['ignore', 'inherit', stderr],
    });
    closeSync(stderr);
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
   * A worker has our socket on its command line, too, but is not a session leader. A process that re-executes itself
   * has no command line for a moment; then its name must suffice.
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
      // The first process of a container does not always wait for processes whose parent has exited.
      return readStat(readProc(pid, 'stat')).state !== 'Z';
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
 * Returns the memory limit of the cgroup (version 2, otherwise 1), and the memory that is left of it or of the node,
 * whichever is less. File pages that the kernel can drop count as free.
 */
function readMemory(root = '/sys/fs/cgroup'): Pick<HostResources, 'memoryLimit' | 'memoryAvailable'> {
  const free = 1024 * Number(/^MemAvailable:\s+(\d+)/m.exec(readText('/proc/meminfo'))?.[1] ?? Number.NaN);
  const limit = readNumber(`${root}/memory.max`) ?? readNumber(`${root}/memory/memory.limit_in_bytes`);
  const used = readNumber(`${root}/memory.current`) ?? readNumber(`${root}/memory/memory.usage_in_bytes`);
  const stat = readText(`${root}/memory.stat`) || readText(`${root}/memory/memory.stat`);
  const droppable = Number(/^(?:total_)?inactive_file (\d+)/m.exec(stat)?.[1] ?? 0);
  // Version 1 represents "none" as a number near 2⁶³.
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

/** Returns an empty string for a process that has exited. */
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

/** Parses `stat` of proc(5). The name is in parentheses and may contain some itself. */
function readStat(stat: string): { readonly name: string; readonly state: string; readonly session: number } {
  const end = stat.lastIndexOf(')');
  const [state = '', , , session] = stat.slice(end + 2).split(' ');
  return { name: stat.slice(stat.indexOf('(') + 1, end), state, session: Number(session) };
}
