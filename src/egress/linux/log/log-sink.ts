import { closeSync, mkdirSync } from 'node:fs';
import { codeOf } from '../../../base/linux/libc/calls.ts';
import type { LogSink } from '../kernel-api.ts';
import { endsWithinLine, openLogFile, rotateAtBytes, writeWhole } from './log-file.ts';
import { type LogPolicy, nodeLogPolicy, objectToLogFile } from './log-policy.ts';

/**
 * Opens the log that a network configuration requests if this node allows it, otherwise the default log with a
 * notice. Never throws. A log that cannot be written safely is not written.
 */
export function openLogSink(wanted: string, policy: LogPolicy = nodeLogPolicy, rotateAt = rotateAtBytes): LogSink {
  const objection = objectToLogFile(wanted, policy);
  if (objection === undefined) {
    const opened = tryOpen(wanted, policy, rotateAt);
    if (typeof opened === 'number') return new FileSink(wanted, opened);
    if (wanted === policy.defaultFile) return new FileSink(wanted, undefined, describe(wanted, opened));
    return openDefault(`cannot be written: ${opened}`);
  }
  return openDefault(objection);

  function openDefault(why: string): LogSink {
    const file = policy.defaultFile;
    const notice = `log_file ${JSON.stringify(wanted)}: ${why}; writing to ${file} instead`;
    const opened = tryOpen(file, policy, rotateAt);
    if (typeof opened === 'number') return new FileSink(file, opened, undefined, notice);
    return new FileSink(file, undefined, describe(file, opened), notice);
  }
}

function describe(file: string, reason: string): string {
  return `Cannot write the log ${file}: ${reason}`;
}

/** Returns the open file, or the reason why it cannot be opened. */
function tryOpen(file: string, policy: LogPolicy, rotateAt: number): number | string {
  try {
    return openLogFile(file, rotateAt);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || !file.startsWith(`${policy.ownFolder}/`)) return reasonOf(error);
  }
  try {
    mkdirSync(policy.ownFolder, { mode: 0o755 });
  } catch {
    // The folder exists, or its parent does not: the second attempt reports it.
  }
  try {
    return openLogFile(file, rotateAt);
  } catch (error) {
    return reasonOf(error);
  }
}

class FileSink implements LogSink {
  readonly path: string;
  readonly notice?: string;
  problem: string | undefined;
  #fd: number | undefined;
  /** Ends the incomplete line of a killed writer. */
  #head = '';

  constructor(path: string, fd: number | undefined, problem?: string, notice?: string) {
    this.path = path;
    this.problem = problem;
    if (notice !== undefined) this.notice = notice;
    this.#fd = fd;
    if (fd !== undefined && endsWithinLine(fd)) this.#head = '\n';
  }

  append(text: string): void {
    if (this.#fd === undefined) return;
    try {
      writeWhole(this.#fd, Buffer.from(this.#head + text));
      this.#head = '';
    } catch (error) {
      this.problem = `Cannot write the log: ${reasonOf(error)}`;
      this.close();
    }
  }

  close(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd === undefined) return;
    try {
      closeSync(fd);
    } catch {
      // No data is lost, because everything has been written.
    }
  }
}

const reasons: Readonly<Record<string, string>> = {
  ELOOP: 'it is a symbolic link (ELOOP); remove it',
  EISDIR: 'it is a folder (EISDIR); remove it',
};

function reasonOf(error: unknown): string {
  const known = reasons[codeOf(error) ?? ''];
  if (known !== undefined) return known;
  return error instanceof Error ? error.message : String(error);
}
