import { closeSync, constants, fstatSync, readFileSync } from 'node:fs';
import * as z from 'zod/mini';
import { codeOf } from '../../../base/linux/libc/calls.ts';
import { openAt, openFolderWithoutLinks } from '../../../base/linux/libc/files.ts';

/** Where on this node logs may be written. */
export interface LogPolicy {
  /** Where lines go that nobody wants elsewhere, or that may not go there. */
  readonly defaultFile: string;
  /** A folder that is always allowed, and made when it is needed first. */
  readonly ownFolder: string;
  /** What the node's administrator adds: `{ "logFolders": ["/var/log/routers"] }`. */
  readonly configuration: string;
}

/** As the plugin has it. */
export const nodeLogPolicy: LogPolicy = {
  defaultFile: '/tmp/egress-router-log',
  ownFolder: '/var/log/egress-router',
  configuration: '/etc/egress-router/config.json',
};

const largestConfiguration = 64 * 1024;

/** Made when it is needed: the plugin need not pay for it at every start. */
function makeSchema() {
  const absoluteFolder = z.string().check(z.regex(/^(?:\/(?!\.{1,2}(?:\/|$))[^/\p{C}]+)+\/?$/u));
  return z.object({ logFolders: z.optional(z.array(absoluteFolder)) });
}

/**
 * Why a log may not be written where a network configuration wants it; undefined where it may. A network
 * configuration is written by people who are not root on the node, so only what root allowed counts.
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

/** Whether a file is in a folder or below it, by its name alone: `..` leads nowhere. */
function isInside(file: string, folder: string): boolean {
  const head = folder.endsWith('/') ? folder : `${folder}/`;
  if (!file.startsWith(head)) return false;
  return file
    .slice(head.length)
    .split('/')
    .every((name) => name !== '' && name !== '.' && name !== '..');
}

/** The folders that the administrator added; of a file that is not root's alone, or cannot be read, none. */
function readFolders(path: string): { folders: readonly string[]; problem?: string } {
  try {
    const text = readRootFile(path);
    if (text === undefined) return { folders: [] };
    const parsed = makeSchema().safeParse(JSON.parse(text));
    if (parsed.success) return { folders: parsed.data.logFolders ?? [] };
    return { folders: [], problem: `${path} counts for nothing: logFolders must be a list of absolute paths` };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { folders: [], problem: `${path} counts for nothing: ${reason}` };
  }
}

/** What stands in a file that only root can have written; undefined where there is none. */
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
      throw new Error('it must be a regular file of root that nobody else can write; run "chown 0:0", "chmod 0644"');
    }
    if (stats.size > largestConfiguration) throw new Error(`it has more than ${largestConfiguration} bytes`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
