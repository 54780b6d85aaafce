import { type ChildProcess, spawn } from 'node:child_process';
import { asManifestRuns } from '../../lab/rights.ts';

/** A daemon that runs as a process with the capabilities of its manifest, and what it has logged. */
export class Program {
  readonly #child: ChildProcess;
  readonly #ended = Promise.withResolvers<number | null>();
  #output = '';

  /**
   * @param environment replaces the process's own but for PATH
   * @param serviceAccount a folder to be mounted where a pod finds its account
   */
  constructor(
    path: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    serviceAccount?: string,
  ) {
    const env = { PATH: process.env.PATH ?? '', ...environment };
    const own = [...asManifestRuns(path), path, ...args];
    const command = serviceAccount === undefined ? own : [...asPod(serviceAccount), ...own];
    this.#child = spawn(command[0] ?? '', command.slice(1), { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    }
    this.#child.once('exit', (code) => this.#ended.resolve(code));
    this.#child.once('error', (error) => {
      this.#output += error.message;
      this.#ended.resolve(null);
    });
  }

  /** Everything it wrote, the log's messages without JSON's escapes. */
  get output(): string {
    return this.#output.replaceAll('\\"', '"');
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Ends it, and resolves to its exit status; null where the signal ended it. */
  end(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    this.#child.kill(signal);
    return this.#ended.promise;
  }

  /** Resolves to its exit status when it ends. */
  get ended(): Promise<number | null> {
    return this.#ended.promise;
  }
}

/** A mount namespace of its own, with an account at the place where the program looks. */
function asPod(folder: string): readonly string[] {
  const place = '/run/secrets/kubernetes.io/serviceaccount';
  const script = `mount -t tmpfs tmpfs /run && mkdir -p ${place} && mount --bind "$0" ${place} && exec "$@"`;
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, folder];
}
