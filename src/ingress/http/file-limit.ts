import { readFileSync } from 'node:fs';

/** Files that HAProxy needs beside connections: listeners, checks, its own sockets. */
const overhead = 1000;

/** How many connections the limit of open files of this process allows; each needs a file on both sides. */
export function readConnectionLimit(path = '/proc/self/limits'): number | undefined {
  try {
    const [, , hard] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(readFileSync(path, 'utf8')) ?? [];
    const files = Number(hard);
    return Number.isInteger(files) ? Math.max(100, Math.floor((files - overhead) / 2)) : undefined;
  } catch {
    return undefined;
  }
}
