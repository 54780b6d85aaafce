import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { syncFolder } from '../../../base/files/write-whole.ts';
import { KernelError } from '../../../base/linux/kernel-error.ts';
import { codeOf } from '../../../base/linux/libc/calls.ts';
import { reasonOf } from '../../../base/linux/reason.ts';
import { ensureFolder, stateFolder } from '../../../base/linux/run-folder.ts';
import type { AttachmentId } from '../../model/attachment.ts';
import type { AttachmentState } from '../../model/state.ts';
import type { StateStore } from '../kernel-api.ts';
import { isOfLaterVersion, listUnreadable, parseState, salvageState } from './state-schema.ts';

/** Bytes. A state with 65,535 IPv6 redirects per protocol has about 12 MB. */
const largestState = 16 * 1024 * 1024;

/** Age after which the writer of a temporary file must have been killed. */
const temporaryLifetimeMilliseconds = 60_000;

/** Treatment of damaged files. */
export interface StoreOptions {
  /** Renames broken files, so that they are reported once, and deletes leftovers of killed writers. */
  readonly tidies?: boolean;
}

/** A file without a valid state: the reason, and its readable content. */
interface Broken {
  readonly why: string;
  readonly document?: unknown;
}

/** States as JSON files with mode 0600, replaced atomically and readable by people. */
export class FileStateStore implements StateStore {
  readonly problems: string[] = [];
  readonly #folder: string;
  readonly #tidies: boolean;
  readonly #remains = new Map<string, Partial<AttachmentState>>();
  /** The last file read, because it is usually read again under the lock. */
  #last: { readonly name: string; readonly version: string; readonly state: AttachmentState } | undefined;

  constructor(folder: string = stateFolder, { tidies = false }: StoreOptions = {}) {
    this.#folder = folder;
    this.#tidies = tidies;
  }

  list(): readonly AttachmentState[] {
    let names: string[];
    try {
      names = readdirSync(this.#folder);
    } catch {
      return [];
    }
    if (this.#tidies) for (const name of names) if (name.endsWith('.tmp')) this.#removeForgotten(name);
    return names.filter((name) => name.endsWith('.json')).flatMap((name) => this.#read(name) ?? []);
  }

  find(id: AttachmentId): AttachmentState | undefined {
    const state = this.#read(nameOf(id));
    return state?.id.containerId === id.containerId && state.id.ifname === id.ifname ? state : undefined;
  }

  remains(id: AttachmentId): Partial<AttachmentState> {
    return this.#remains.get(nameOf(id)) ?? {};
  }

  save(state: AttachmentState): void {
    const path = this.#path(nameOf(state.id));
    // The caller holds the lock of the namespace, so no other process writes this file.
    const temporary = `${path}.tmp`;
    try {
      ensureFolder(this.#folder);
      writeSynced(temporary, `${JSON.stringify({ ...state, ...unreadableOf(path, state) }, undefined, 2)}\n`);
      renameSync(temporary, path);
      syncFolder(this.#folder);
    } catch (cause) {
      removeQuietly(temporary);
      throw new KernelError('io', `Cannot save the state of the attachment in ${path}: ${reasonOf(cause)}`, { cause });
    }
  }

  remove(id: AttachmentId): void {
    const path = this.#path(nameOf(id));
    try {
      rmSync(path, { force: true });
      rmSync(`${path}.tmp`, { force: true });
    } catch (cause) {
      throw new KernelError('io', `Cannot remove ${path}: ${reasonOf(cause)}`, { cause });
    }
  }

  bootId(): string {
    try {
      return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    } catch {
      return '';
    }
  }

  #path(name: string): string {
    return `${this.#folder}/${name}`;
  }

  /** Returns the state in a file. Returns undefined if there is none, or if the file is broken, which is reported. */
  #read(name: string): AttachmentState | undefined {
    let fd: number;
    try {
      fd = openSync(this.#path(name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') this.#setAside(name, { why: reasonOf(error) }, undefined);
      return undefined;
    }
    try {
      const version = versionOf(fd);
      if (this.#last?.name === name && this.#last.version === version) return this.#last.state;
      const read = readOpenState(fd);
      if (!('why' in read)) {
        this.#last = { name, version, state: read };
        return read;
      }
      this.#setAside(name, read, fstatSync(fd).ino);
      return undefined;
    } finally {
      closeSync(fd);
    }
  }

  /** Reports a broken file and renames it, so that it blocks nothing. */
  #setAside(name: string, { why, document }: Broken, inode: number | undefined): void {
    this.#remains.set(name, salvageState(document));
    const path = this.#path(name);
    let where = '';
    try {
      // Another call may have written a valid one in the meantime.
      if (inode !== undefined && lstatSync(path).ino !== inode) return;
      if (this.#tidies && !isOfLaterVersion(document)) {
        renameSync(path, `${path}.broken`);
        where = `; it is now ${path}.broken`;
      }
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return;
    }
    const problem = `Cannot use the state ${path}: ${why}${where}`;
    // A daemon that does not rename meets it again and again.
    if (!this.problems.includes(problem)) this.problems.push(problem);
  }

  #removeForgotten(name: string): void {
    try {
      const path = this.#path(name);
      // A time in the future dates from before the clock was set back.
      const age = Math.abs(Date.now() - lstatSync(path).mtimeMs);
      if (age > temporaryLifetimeMilliseconds) rmSync(path, { force: true });
    } catch {
      // The writer completed the file.
    }
  }
}

/** Returns a value that changes whenever the file is rewritten. */
function versionOf(fd: number): string {
  const { ino, size, mtimeNs, ctimeNs } = fstatSync(fd, { bigint: true });
  return [ino, size, mtimeNs, ctimeNs].join(' ');
}

/** Both parts are validated and contain no slash. */
function nameOf({ containerId, ifname }: AttachmentId): string {
  return `${containerId}@${ifname}.json`;
}

function writeSynced(path: string, text: string): void {
  // In a folder that only root can access, an existing file is a leftover of a killed writer.
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, 0o600);
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * What of the file that is about to be replaced a later version wrote in a form that this one cannot read, unless the
 * new state has something else in its place.
 */
function unreadableOf(path: string, state: AttachmentState): Readonly<Record<string, unknown>> {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const document = JSON.parse(readFileSync(fd, 'utf8'));
      const before = parseState(document);
      if (before?.bootId !== state.bootId || nameOf(before.id) !== nameOf(state.id)) return {};
      const isUnchanged = (key: string): boolean =>
        JSON.stringify(before[key as keyof AttachmentState]) === JSON.stringify(state[key as keyof AttachmentState]);
      return Object.fromEntries(Object.entries(listUnreadable(document)).filter(([key]) => isUnchanged(key)));
    } finally {
      closeSync(fd);
    }
  } catch {
    // There is none, as at every ADD.
    return {};
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The cause prevents the removal, too, and has been reported.
  }
}

function readOpenState(fd: number): AttachmentState | Broken {
  let document: unknown;
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return { why: 'it is not a regular file' };
    if (stats.uid !== process.getuid?.()) return { why: 'it belongs to another user' };
    if (stats.size > largestState) return { why: `it exceeds ${largestState} bytes` };
    document = JSON.parse(readFileSync(fd, 'utf8'));
  } catch (error) {
    return { why: reasonOf(error) };
  }
  const why = isOfLaterVersion(document)
    ? 'a later version of this program wrote it in a form that this one cannot read; update this one'
    : 'required fields are missing or have the wrong type';
  return parseState(document) ?? { why, document };
}
