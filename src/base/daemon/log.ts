import pino, { type Logger } from 'pino';
import { describeError, escapeJson } from '../model/text.ts';
import { formatLogLine, type LogFormat, writesText } from './log-format.ts';

/** A daemon's log: what pino's loggers are, as far as daemons write. */
export interface DaemonLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Levels that a daemon's log can have, the most talkative first. */
export const daemonLogLevels = ['debug', 'info', 'warn', 'error'] as const;

/**
 * The log of a daemon: lines of JSON or text on standard output, written at once, so that the last words
 * before an end are there.
 */
export function openDaemonLog(
  level = 'info',
  format: LogFormat = 'auto',
  output: LogOutput = pino.destination({ sync: true }),
): Logger {
  const options = { level, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: describe } };
  // Names in manifests and messages of servers can have controls (C1) and direction marks, which JSON permits.
  const render = writesText(format) ? formatLogLine : escapeJson;
  return pino(options, { write: (line) => void output.write(render(line)) });
}

/** What a log is written to, line by line. */
export interface LogOutput {
  write(line: string): unknown;
}

/** As pino writes an error, but for causes that its message has already. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return { ...pino.stdSerializers.err(error), message: describeError(error) };
}

/** A log that keeps nothing. */
export const silentLog: DaemonLog = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
