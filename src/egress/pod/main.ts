import { writeSync } from 'node:fs';
import type { PodView } from '../../base/model/observed.ts';
import { awaitSuccessor } from './departure.ts';
import { PodArgumentsError, type PodCommand, parsePodCommand, podHelp } from './options.ts';
import { findUnreadiness } from './readiness.ts';

/**
 * Runs the program of a router's pod: waits for termination, or checks readiness. Sets the exit code.
 *
 * @param look reads the namespace; may throw
 */
export function runPodProgram(args: readonly string[], look: () => PodView): void {
  const command = readCommand(args);
  switch (command?.command) {
    case undefined:
      process.exitCode = 2;
      break;
    case 'help':
      writeSync(1, podHelp);
      break;
    case 'ready':
      process.exitCode = printReadiness(command, look);
      break;
    case 'run':
      // PID 1 receives only signals for which it has a handler.
      process.once('SIGTERM', () => awaitSuccessor(look, () => process.exit(0)));
      process.once('SIGINT', () => process.exit(0));
      // The kernel forwards the traffic; a timer keeps the process alive.
      setInterval(() => undefined, 24 * 60 * 60 * 1000);
  }
}

function readCommand(args: readonly string[]): PodCommand | undefined {
  try {
    return parsePodCommand(args);
  } catch (error) {
    if (!(error instanceof PodArgumentsError)) throw error;
    writeSync(2, `${error.message}\n`);
    return undefined;
  }
}

function printReadiness({ expected }: Extract<PodCommand, { command: 'ready' }>, look: () => PodView): number {
  try {
    const problems = findUnreadiness(expected, look());
    for (const problem of problems) writeSync(1, `${problem}\n`);
    return problems.length === 0 ? 0 : 1;
  } catch (error) {
    writeSync(2, `Cannot read the network namespace: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
}
