import { escapeUnprintable } from '../model/text.ts';
import type { OptionReader } from './reader.ts';
import { defineOptions } from './table.ts';

/** How a daemon writes its log; `auto`: text when standard error is a terminal, else JSON. */
const logFormats = ['auto', 'text', 'json'] as const;

/** One of {@link logFormats}. */
export type LogFormat = (typeof logFormats)[number];

/** Options that every daemon has. */
export const daemonTable = defineOptions({
  'log-format': {
    value: 'FORMAT',
    help: 'text, json, or auto: text when standard error is a terminal, else JSON',
    variable: 'LOG_FORMAT',
    initial: 'auto',
  },
  version: { help: 'print the version' },
});

/** Reads `--log-format`; what is wrong with it is in the reader. */
export function readLogFormat(reader: OptionReader<keyof typeof daemonTable>): LogFormat {
  const find = (text: string) => logFormats.find((one) => one === text);
  return reader.read('log-format', find, `must be one of ${logFormats.join(', ')}`) ?? 'auto';
}

/** Whether lines are written as text, on this process's standard error. */
export function writesText(format: LogFormat): boolean {
  return format === 'text' || (format === 'auto' && process.stderr.isTTY === true);
}

const levelNames: Readonly<Record<number, string>> = { 20: 'DEBUG', 30: 'INFO', 40: 'WARN', 50: 'ERROR', 60: 'FATAL' };

/** A line of the log as pino writes it, for people: time, level, message, fields. Never a control character. */
export function formatLogLine(json: string): string {
  const { level, time, msg, pid: _pid, hostname: _hostname, err, ...fields } = JSON.parse(json) as LogLine;
  const words = [
    time,
    (levelNames[level] ?? `${level}`).padEnd(5),
    msg,
    ...Object.entries(fields).map(([key, value]) => `${key}=${formatValue(value)}`),
    ...(err === undefined ? [] : [`error=${formatValue(err.message ?? err)}`]),
  ];
  return `${escapeUnprintable(words.join(' '))}\n`;
}

interface LogLine {
  readonly level: number;
  readonly time: string;
  readonly msg: string;
  readonly pid?: unknown;
  readonly hostname?: unknown;
  readonly err?: { readonly message?: string };
  readonly [field: string]: unknown;
}

/** A word without blanks as it is; anything else as JSON. */
function formatValue(value: unknown): string {
  return typeof value === 'string' && /^[!#-<>-~]+$/.test(value) ? value : JSON.stringify(value);
}
