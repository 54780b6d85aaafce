import { readFileSync } from 'node:fs';
import type { LaneReport } from '../test/reporter.ts';

/** How a process of tests ended. */
export interface LaneEnd {
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
}

/**
 * Returns the totals and failures that a lane of tests wrote into a file. Throws if there are none, or if the process failed although
 * no test did: it crashed after its last test.
 */
export function readTotals(lane: string, path: string, { exitCode, signal }: LaneEnd): LaneReport {
  const end = signal ?? `exit code ${exitCode}`;
  let totals: LaneReport;
  try {
    totals = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    throw new Error(`The ${lane} tests ended without totals: ${end}`);
  }
  if (totals.failures === 0 && exitCode !== 0) {
    throw new Error(`The ${lane} tests failed after the last test: ${end}`);
  }
  return totals;
}
