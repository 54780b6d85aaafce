import type { DaemonLog } from '../../src/base/daemon/log.ts';

/** A log that discards everything. */
export const silentLog: DaemonLog = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
