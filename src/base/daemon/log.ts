import pino, { type Logger } from 'pino';
import { describeError, escapeJson } from '../model/text.ts';
import { formatLogLine, type LogFormat, writesText } from './log-format.ts';

/** The subset of pino's logger that daemons use. */
export interface DaemonLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Log levels of daemons, most verbose first. */
export const daemonLogLevels = ['debug', 'info', 'warn', 'error'] as const;

/**
 * Opens a daemon's log: lines of JSON or text on standard output, written synchronously so that none is lost at
 * exit.
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

/** Serializes an error like pino, without causes that the message already contains. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return { ...pino.stdSerializers.err(error), message: describeError(error) };
}
