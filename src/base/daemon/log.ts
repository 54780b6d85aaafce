import pino, { type Logger } from 'pino';
import { describeError } from '../model/text.ts';

/** The subset of pino's logger that daemons use. */
export interface DaemonLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Log levels of daemons, most verbose first. */
export const daemonLogLevels = ['debug', 'info', 'warn', 'error'] as const;

/** Opens a daemon's log: JSON lines on standard output, written synchronously so that none is lost at exit. */
export function openDaemonLog(level = 'info'): Logger {
  const options = { level, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: describe } };
  return pino(options, pino.destination({ sync: true }));
}

/** Serializes an error like pino, without causes that the message already contains. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return { ...pino.stdSerializers.err(error), message: describeError(error) };
}

/** A log that discards everything. */
export const silentLog: DaemonLog = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
