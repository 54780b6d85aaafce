import { constants } from 'node:os';
import type { DaemonLog } from './log.ts';
import { OptionsError } from './reader.ts';

/** A signal that ends a daemon in order; Ctrl-C in a terminal sends SIGINT. */
export type EndSignal = 'SIGTERM' | 'SIGINT';

/** A running daemon. */
export interface RunningDaemon {
  /** Stops the daemon within the timeout of {@link runDaemon}. */
  stop(signal?: EndSignal): void | Promise<void>;
  /** What it serves, and where, for the log: `{ statistics: '127.0.0.1:1936' }`. */
  readonly serves?: Readonly<Record<string, unknown>>;
}

/**
 * Runs a daemon until SIGTERM or SIGINT, and then exits with 0. A second signal exits immediately. If the daemon
 * cannot start, logs the reason and exits with 1, or with 2 for invalid options. An uncaught error is logged and
 * exits with 1, because a restart is safer than an unknown state.
 *
 * @param name subject of log messages, such as `The controller`
 * @param stopTimeout milliseconds in which the daemon must stop
 */
export async function runDaemon(
  name: string,
  log: DaemonLog,
  start: () => Promise<RunningDaemon>,
  stopTimeout = 5000,
): Promise<void> {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.error({ err: error, event }, `${name} exits: uncaught error`);
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
        log.error({ err: error }, `${name} failed to stop cleanly`);
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
