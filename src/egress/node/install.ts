import { hash, randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { writeNew } from '../../base/files/write-whole.ts';

/** Which program goes where. */
export interface Installation {
  /** The executable to be installed. */
  readonly source: string;
  /** The folder of CNI plugins, as this process sees it. */
  readonly target: string;
  /** Its name there. */
  readonly name: string;
}

/** Temporary names begin so, and are swept: they are left-overs of a run that was cut off. */
const temporaryPrefix = '.egress-router-';

/**
 * Puts a program into a folder of the node, unless the very same is there. It is written under a
 * temporary name, synced and renamed: a runtime finds either the old one or the new one, whole, and
 * one that runs goes on. What stands there under the name is replaced, a link too, and never followed.
 * Returns whether something was done. Throws an Error that names the file and the reason.
 */
export function install({ source, target, name }: Installation): 'installed' | 'current' {
  const place = join(target, name);
  // First, because it costs nothing: a folder that is not there yet is asked for often.
  sweep(target);
  const content = attempt(`read ${source}`, () => readFileSync(source));
  if (isCurrent(place, content)) return 'current';
  const temporary = join(target, `${temporaryPrefix}${randomUUID()}`);
  try {
    attempt(`write ${temporary}`, () => writeNew(temporary, content, 0o755));
    attempt(`put ${name} into ${target}`, () => renameSync(temporary, place));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  return 'installed';
}

/** Takes the program away; no error where it is not there. Throws an Error that names the file and the reason. */
export function uninstall({ target, name }: Installation): void {
  attempt(`remove ${join(target, name)}`, () => rmSync(join(target, name), { force: true }));
}

function isCurrent(place: string, content: Buffer): boolean {
  let file: number;
  try {
    file = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    // Missing, a link, or not for us to read: it is written again.
    return false;
  }
  try {
    const { mode, size } = fstatSync(file);
    const isProgram = (mode & constants.S_IFMT) === constants.S_IFREG && (mode & 0o7777) === 0o755;
    return isProgram && size === content.length && hash('sha256', readFileSync(file)) === hash('sha256', content);
  } finally {
    closeSync(file);
  }
}

function sweep(folder: string): void {
  const names = attempt(`list ${folder}`, () => readdirSync(folder));
  for (const name of names.filter((one) => one.startsWith(temporaryPrefix))) {
    const path = join(folder, name);
    if (lstatSync(path, { throwIfNoEntry: false })?.isFile() === true) rmSync(path, { force: true });
  }
}

function attempt<T>(action: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    throw new Error(`Cannot ${action}: ${(cause as Error).message}`, { cause });
  }
}
