import { constants } from 'node:os';
import type { DaemonLog } from './log.ts';
import { OptionsError } from './reader.ts';

/** A signal that ends a daemon in order; a terminal's Ctrl-C sends SIGINT. */
export type EndSignal = 'SIGTERM' | 'SIGINT';

/** A daemon that runs. */
export interface RunningDaemon {
  /** Ends it; what takes longer than the timeout is cut off. */
  stop(signal?: EndSignal): void | Promise<void>;
  /** What it serves, and where, for the log: `{ statistics: '127.0.0.1:1936' }`. */
  readonly serves?: Readonly<Record<string, unknown>>;
}

/**
 * Runs a daemon until SIGTERM or SIGINT, which end the process with 0. One that cannot start ends it with 1,
 * one with wrong options with 2, each with the reason in the log. A second signal ends it at once. An
 * error that nobody caught is told in the log and ends the process with 1: a daemon in an unknown state is
 * worse than one that its supervisor starts again.
 *
 * @param name for the log: `The controller`
 * @param stopTimeout milliseconds that a daemon may take to end
 */
export async function runDaemon(
  name: string,
  log: DaemonLog,
  start: () => Promise<RunningDaemon>,
  stopTimeout = 5000,
): Promise<void> {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.error({ err: error, event }, `${name} ends: an error that nobody caught`);
      process.exit(1);
    });
  }
  let daemon: RunningDaemon | undefined;
  let isEnding = false;
  const end = async (signal: EndSignal): Promise<void> => {
    if (isEnding) process.exit(128 + constants.signals[signal]);
    isEnding = true;
    log.info({ signal }, `${name} ends`);
    setTimeout(() => process.exit(1), stopTimeout).unref();
    await daemon?.stop(signal);
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      end(signal).catch((error: unknown) => {
        log.error({ err: error }, `${name} did not end in order`);
        process.exit(1);
      });
    });
  }
  try {
    daemon = await start();
    log.info(daemon.serves ?? {}, `${name} runs`);
  } catch (error) {
    log.error({ err: error }, `${name} cannot start`);
    process.exit(error instanceof OptionsError ? 2 : 1);
  }
}
