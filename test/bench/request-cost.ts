import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cpuOf, median } from './measure.ts';

const run = promisify(execFile);
const rounds = 7;

/** A request that is repeated on kept connections. */
export interface MeasuredRequest {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** A request, and the process whose CPU counts. */
export interface Contestant extends MeasuredRequest {
  readonly pid: number;
}

/**
 * Returns the CPU of one request of each contestant in microseconds: the median of its rounds, which take turns so that
 * other work on the machine meets all.
 *
 * @param folder for scripts
 */
export async function costsOf(folder: string, contestants: readonly Contestant[]): Promise<readonly number[]> {
  const figures = contestants.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, one] of contestants.entries()) {
      const figure = await measure(folder, one);
      // The first round warms up.
      if (round > 0) figures[index]?.push(figure);
    }
  }
  return figures.map(median);
}

async function measure(folder: string, { port, path, headers, pid }: Contestant): Promise<number> {
  const script = join(folder, 'request.lua');
  const words = Object.entries(headers).map(([name, value]) => `[${JSON.stringify(name)}] = ${JSON.stringify(value)}`);
  writeFileSync(
    script,
    `request = function() return wrk.format("GET", ${JSON.stringify(path)}, {${words.join(', ')}}) end`,
  );
  const before = cpuOf(pid);
  const { stdout } = await run('wrk', ['-t1', '-c32', '-d1s', '-s', script, `http://127.0.0.1:${port}/`]);
  if (/Non-2xx/.test(stdout)) throw new Error(`${path} was not served: ${stdout}`);
  return ((cpuOf(pid) - before) * 1000) / Number(/(\d+) requests in/.exec(stdout)?.[1]);
}
