import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('./stall-probe.ts', import.meta.url));

interface Stall {
  readonly from: number;
  readonly to: number;
}

/**
 * Records when this machine did not run programs that were ready to run: one idle process per CPU notes how late its
 * timer fires. A test that measures an outage allows its bound plus the stalls of that time, so it fails because the
 * program is slow, not because the machine is. Times are milliseconds since 1970.
 */
export class StallWatch {
  readonly #probes: { readonly child: ChildProcess; readonly stalls: Stall[] }[] = [];
  readonly #waiting = new Map<string, () => void>();
  #next = 1;

  async start(): Promise<void> {
    await Promise.all(
      Array.from({ length: availableParallelism() }, (_, index) => {
        const child = fork(program, { execArgv: [] });
        const stalls: Stall[] = [];
        this.#probes.push({ child, stalls });
        const isUp = new Promise<void>((resolve) => this.#waiting.set(`${index} 0`, resolve));
        child.on('message', (message: Stall | { readonly id: number }) => {
          if ('from' in message) stalls.push(message);
          else this.#waiting.get(`${index} ${message.id}`)?.();
        });
        return isUp;
      }),
    );
  }

  /** Returns the longest stall since a moment in milliseconds. */
  async longest(from: number): Promise<number> {
    await this.during(from, from);
    const stalls = this.#probes.flatMap((probe) => probe.stalls);
    return Math.max(0, ...stalls.filter((one) => one.from >= from).map((one) => one.to - one.from));
  }

  /** Returns the milliseconds of the stalls within a time, of the process that stalled for longest. */
  async during(from: number, to: number): Promise<number> {
    const id = this.#next++;
    // A process that is stalled now reports it before it answers.
    await Promise.all(
      this.#probes.map(({ child }, index) => {
        return new Promise<void>((resolve) => {
          this.#waiting.set(`${index} ${id}`, resolve);
          child.send(id);
        });
      }),
    );
    const sums = this.#probes.map(({ stalls }) => {
      return stalls.reduce((sum, one) => sum + Math.max(0, Math.min(one.to, to) - Math.max(one.from, from)), 0);
    });
    return Math.max(...sums);
  }

  stop(): void {
    for (const { child } of this.#probes) child.kill('SIGKILL');
  }
}
