import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

const head = (threads: number | undefined): string => `global
  maxconn 4000
${threads === undefined ? '' : `  nbthread ${threads}\n`}defaults
  mode tcp
  maxconn 4000
  timeout connect 5s
  timeout client 1m
  timeout server 1m
`;

/** HAProxy in a namespace, as its package runs it: a master that starts a new worker on reload. */
export class Haproxy {
  readonly #process: ChildProcess;
  readonly #path: string;

  private constructor(process: ChildProcess, path: string) {
    this.#process = process;
    this.#path = path;
  }

  /**
   * `sections`: what follows the usual beginning of its configuration, which is kept at `path`.
   * `threads`: as many as processors unless told.
   */
  static start(netns: string, path: string, sections: string, threads?: number): Haproxy {
    writeFileSync(path, head(threads) + sections);
    const words = ['netns', 'exec', netns, '/usr/sbin/haproxy', '-W', '-db', '-f', path];
    return new Haproxy(spawn('ip', words, { stdio: 'ignore' }), path);
  }

  /** Writes a new configuration and has it read. */
  reload(sections: string): void {
    writeFileSync(this.#path, head(undefined) + sections);
    this.#process.kill('SIGUSR2');
  }

  /** The master's process number; `ip` has become it. */
  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /** The newest worker, which the master starts when it has read everything and holds every port. */
  get worker(): number | undefined {
    return childrenOf(this.pid).at(-1);
  }

  stop(): void {
    // The master takes its workers along.
    this.#process.kill('SIGTERM');
  }
}

/** A TCP port that leads to servers in turn. */
export function listen(port: number, servers: readonly string[]): string {
  const lines = servers.map((server, index) => `  server s${index} ${server}\n`);
  return `listen p${port}\n  bind *:${port}\n  balance roundrobin\n${lines.join('')}`;
}

/** An HTTP server that answers everything with two letters: quick, and the same for all contestants. */
export function answer(port: number): string {
  return `frontend answers\n  mode http\n  bind *:${port}\n  http-request return status 200 content-type text/plain string ok\n`;
}

/** Resident memory of a process and of what it started, in MiB. */
export function memoryOf(pid: number): number {
  let kibibytes = 0;
  for (const one of [pid, ...childrenOf(pid)]) {
    kibibytes += Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${one}/status`))?.[1] ?? 0);
  }
  return kibibytes / 1024;
}

/** Processor time of a process and of what it started, in milliseconds. */
export function processorTimeOf(pid: number): number {
  const ticks = [pid, ...childrenOf(pid)].map((one) => {
    // Behind the name, which may contain blanks.
    const fields = read(`/proc/${one}/stat`).split(') ').at(-1)?.split(' ') ?? [];
    return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  });
  return ticks.reduce((sum, one) => sum + one, 0) * 10;
}

function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`)
    .split(' ')
    .filter((word) => word !== '')
    .map(Number);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
