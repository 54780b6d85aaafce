import { presentText, readChoice } from '../../base/read/choice.ts';
import { ProblemList } from '../../base/read/problem-list.ts';
import { isRecord } from '../../base/read/shape.ts';
import type { LogLevel, LogSettings } from '../model/attachment.ts';

/** The log file in OpenShift's documentation. */
export const defaultLog: LogSettings = { file: '/tmp/egress-router-log', level: 'debug' };

/** All levels, most severe first. */
export const logLevels: readonly LogLevel[] = ['panic', 'error', 'verbose', 'debug'];

/** Reads `log_file` and `log_level`; replaces invalid values by the default and adds problems. */
export function readLogSettings(
  file: string | undefined,
  level: string | undefined,
  problems: ProblemList,
): LogSettings {
  return {
    file: readLogFile(presentText(file), problems),
    level: readChoice(level, logLevels, defaultLog.level, 'log_level', problems),
  };
}

function readLogFile(file: string | undefined, problems: ProblemList): string {
  if (file === undefined) return defaultLog.file;
  if (/^\/[^\p{C}]*[^/\p{C}]$/u.test(file) && Buffer.byteLength(file) < 4096) return file;
  problems.add('log_file', file, 'must be the absolute path of a file');
  return defaultLog.file;
}

/**
 * Returns the log settings of a configuration that may be invalid otherwise, so that its errors can be logged.
 * Uses the default for invalid values.
 */
export function findLogSettings(configuration: unknown): LogSettings {
  const { log_file: file, log_level: level } = isRecord(configuration) ? configuration : {};
  return readLogSettings(
    typeof file === 'string' ? file : undefined,
    typeof level === 'string' ? level : undefined,
    new ProblemList(),
  );
}
