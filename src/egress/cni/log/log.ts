// The browser build of pino has the same levels, format and destination, but loads no worker threads and no stream
// library. In the compiled executable it loads in less than 1 ms; the main build takes 5 ms, a third of an ADD.
import pino from 'pino/browser.js';
import { escapeUnprintable } from '../../../base/model/text.ts';
import type { LogSink } from '../../linux/kernel-api.ts';
import type { LogLevel } from '../../model/attachment.ts';

/** The plugin's log for one process. No method throws. */
export interface PluginLog {
  panic(message: string): void;
  error(message: string): void;
  verbose(message: string): void;
  debug(message: string): void;
  /** Writes many lines at once: 10,000 rules must not cost 10,000 system calls. */
  debugAll(messages: Iterable<string>): void;
  /** The file that is written. */
  readonly file: string;
  /** Why nothing, or not everything, is written; reported on standard error. */
  readonly problem: string | undefined;
  close(): void;
}

/** pino requires higher values for more severe levels. `debug` and `error` keep pino's own numbers. */
const levelValues: Readonly<Record<LogLevel, number>> = { panic: 60, error: 50, verbose: 30, debug: 20 };

/** A record that pino passes to the destination. */
interface LogRecord {
  readonly time: string;
  readonly level: number;
  readonly msg: string;
}

/**
 * Opens the log described in OpenShift's documentation: lines such as `2021-04-26T12:27:20Z [debug] Called CNI ADD`
 * in UTC with whole seconds, each message on one line regardless of its characters. If the configured file cannot be
 * used, the first line reports it at any level.
 *
 * @param clock milliseconds since 1970, UTC
 */
export function openPluginLog(sink: LogSink, level: LogLevel, clock: () => number = Date.now): PluginLog {
  const logger = pino<'panic' | 'verbose', false>({
    level,
    customLevels: levelValues,
    // The declared type expects a fragment of JSON; this build takes the value itself.
    timestamp: () => formatTime(clock()),
    browser: { write: (record) => sink.append(formatRecord(record as LogRecord)) },
  });
  if (sink.notice !== undefined) {
    const record = { time: formatTime(clock()), level: levelValues.error, msg: escapeUnprintable(sink.notice) };
    sink.append(formatRecord(record));
  }
  return {
    panic: (message) => logger.panic(escapeUnprintable(message)),
    error: (message) => logger.error(escapeUnprintable(message)),
    verbose: (message) => logger.verbose(escapeUnprintable(message)),
    debug: (message) => logger.debug(escapeUnprintable(message)),
    debugAll: (messages) => {
      if (!logger.isLevelEnabled('debug')) return;
      // One record with many lines. Escaped messages contain no line breaks.
      const lines = Array.from(messages, escapeUnprintable).join('\n');
      if (lines !== '') logger.debug(lines);
    },
    file: sink.path,
    get problem() {
      return sink.problem;
    },
    close: () => sink.close(),
  };
}

function formatTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}

function formatRecord({ time, level, msg }: LogRecord): string {
  const head = `${time} [${nameOf(level)}] `;
  return `${head}${msg.replaceAll('\n', `\n${head}`)}\n`;
}

function nameOf(level: number): string {
  return Object.entries(levelValues).find(([, value]) => value === level)?.[0] ?? 'error';
}
