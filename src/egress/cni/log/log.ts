// The browser build of pino: levels, format and destination are the same, but it loads no worker
// threads and no stream library. In the compiled executable the main build takes 5 ms to load, a
// third of a whole ADD; this one takes less than 1.
import pino from 'pino/browser.js';
import { escapeUnprintable } from '../../../base/model/text.ts';
import type { LogSink } from '../../linux/kernel-api.ts';
import type { LogLevel } from '../../model/attachment.ts';

/** The plugin's log of one process. No method ever throws. */
export interface PluginLog {
  panic(message: string): void;
  error(message: string): void;
  verbose(message: string): void;
  debug(message: string): void;
  /** Many lines by one write: 10,000 rules must not cost 10,000 system calls. */
  debugAll(messages: Iterable<string>): void;
  /** The file that the lines go to. */
  readonly file: string;
  /** Why nothing, or not everything, is written; to be told on standard error. */
  readonly problem: string | undefined;
  close(): void;
}

/** Higher is graver, as pino wants it; `debug` and `error` keep pino's own numbers. */
const levelValues: Readonly<Record<LogLevel, number>> = { panic: 60, error: 50, verbose: 30, debug: 20 };

/** What pino hands to the destination. */
interface LogRecord {
  readonly time: string;
  readonly level: number;
  readonly msg: string;
}

/**
 * The log that OpenShift's documentation tells people to read: lines such as
 * `2021-04-26T12:27:20Z [debug] Called CNI ADD`, UTC, whole seconds, each message on one line
 * whatever characters are in it. Where they cannot go to the file that was asked for, the first line
 * says so, at any level.
 *
 * @param clock milliseconds since 1970, UTC
 */
export function openPluginLog(sink: LogSink, level: LogLevel, clock: () => number = Date.now): PluginLog {
  const logger = pino<'panic' | 'verbose', false>({
    level,
    customLevels: levelValues,
    // The declared type wants a piece of JSON; this build takes the value as it is.
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
      // One record of many lines; no message can hold a line break of its own any more.
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
