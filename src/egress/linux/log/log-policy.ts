import { closeSync, constants, fstatSync, readFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { codeOf } from '../../../base/linux/libc/calls.ts';
import { openAt, openFolderWithoutLinks } from '../../../base/linux/libc/files.ts';

/** Where logs may be written on this node. */
export interface LogPolicy {
  /** File for lines without another destination, or with a forbidden one. */
  readonly defaultFile: string;
  /** A folder that is always allowed, and created on demand. */
  readonly ownFolder: string;
  /** The administrator's additions: `{ "logFolders": ["/var/log/routers"] }`. */
  readonly configuration: string;
}

/** The plugin's policy. */
export const nodeLogPolicy: LogPolicy = {
  defaultFile: '/tmp/egress-router-log',
  ownFolder: '/var/log/egress-router',
  configuration: '/etc/egress-router/config.json',
};

const largestConfiguration = 64 * 1024;

/** Created on demand, so that the plugin does not pay for it at every start. */
function makeSchema() {
  const absoluteFolder = z.string().check(z.regex(/^(?:\/(?!\.{1,2}(?:\/|$))[^/\p{C}]+)+\/?$/u));
  return z.object({ logFolders: z.optional(z.array(absoluteFolder)) });
}

/**
 * Returns why a network configuration may not write its log to a file, or undefined if it may. Authors of network
 * configurations are not root on the node, so only folders that root allowed are used.
 */
export function objectToLogFile(file: string, policy: LogPolicy): string | undefined {
  if (file === policy.defaultFile || isInside(file, policy.ownFolder)) return undefined;
  const { folders, problem } = readFolders(policy.configuration);
  if (folders.some((folder) => isInside(file, folder))) return undefined;
  const allowed = [policy.ownFolder, ...folders].join(', ');
  return (
    `is not in a folder that this node allows (${allowed}); ` +
    (problem ?? `root can add its folder to logFolders in ${policy.configuration}`)
  );
}

/** Returns whether a file is in a folder or below it, judged by its path alone. `..` is never inside. */
function isInside(file: string, folder: string): boolean {
  const head = folder.endsWith('/') ? folder : `${folder}/`;
  if (!file.startsWith(head)) return false;
  return file
    .slice(head.length)
    .split('/')
    .every((name) => name !== '' && name !== '.' && name !== '..');
}

/** Returns the folders that the administrator added. Returns none if the file is writable by others or unreadable. */
function readFolders(path: string): { folders: readonly string[]; problem?: string } {
  try {
    const text = readRootFile(path);
    if (text === undefined) return { folders: [] };
    const parsed = makeSchema().safeParse(JSON.parse(text));
    if (parsed.success) return { folders: parsed.data.logFolders ?? [] };
    return { folders: [], problem: `${path} is ignored: logFolders must be a list of absolute paths` };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { folders: [], problem: `${path} is ignored: ${reason}` };
  }
}

/** Returns the content of a file that only root can have written, or undefined if it does not exist. */
function readRootFile(path: string): string | undefined {
  const slash = path.lastIndexOf('/');
  let fd: number;
  try {
    const folder = openFolderWithoutLinks(path.slice(0, slash));
    try {
      fd = openAt(folder, path.slice(slash + 1), constants.O_RDONLY | constants.O_NONBLOCK);
    } finally {
      closeSync(folder);
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() || stats.uid !== 0 || (stats.mode & 0o022) !== 0) {
      throw new Error('it must be a regular file that only root can write; run "chown 0:0", "chmod 0644"');
    }
    if (stats.size > largestConfiguration) throw new Error(`it has more than ${largestConfiguration} bytes`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
