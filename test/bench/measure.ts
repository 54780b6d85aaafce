import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The middle of some figures. */
export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** One run of a program: milliseconds from start to end. Throws where it fails. */
export function timeProcess(program: string, input: string, environment: Readonly<Record<string, string>>): number {
  const begin = process.hrtime.bigint();
  const { status, stdout, stderr } = spawnSync(program, [], { input, env: { ...environment } });
  const end = process.hrtime.bigint();
  if (status !== 0)
    throw new Error(`${program} ended with ${status ?? 'a signal'}: ${stdout.toString()}${stderr.toString()}`);
  return Number(end - begin) / 1e6;
}

/** Peak memory of one run, in MiB. Throws where it fails. */
export function peakMemory(program: string, input: string, environment: Readonly<Record<string, string>>): number {
  const { status, stderr } = spawnSync('/usr/bin/time', ['-f', '%M', program], { input, env: { ...environment } });
  if (status !== 0) throw new Error(`${program} ended with ${status}`);
  return Number(stderr.toString().trim().split('\n').at(-1)) / 1024;
}

/**
 * Milliseconds that a process has computed so far, with `children` also the programs that it ran and that
 * have ended; the kernel counts hundredths of a second.
 */
export function cpuOf(pid: number, { children = false } = {}): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return (children ? [11, 12, 13, 14] : [11, 12]).reduce((sum, field) => sum + Number(fields[field]), 0) * 10;
}

/** A table in Markdown. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
