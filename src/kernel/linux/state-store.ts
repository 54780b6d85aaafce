import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import type { AttachmentId } from '../../model/attachment.ts';
import type { AttachmentState } from '../../model/state.ts';
import { KernelError, type StateStore } from '../port.ts';
import { reasonOf } from './namespace.ts';

/** Where states live; gone after a reboot, as the namespaces are that they describe. */
const stateFolder = '/run/egress-router';

/** Bytes; 65,535 redirects of IPv6 for each protocol are about 12 MB. */
const largestState = 16 * 1024 * 1024;

/** States as one JSON file each: mode 0600, written whole or not at all, readable by a person. */
export class FileStateStore implements StateStore {
  readonly #folder: string;

  constructor(folder: string = stateFolder) {
    this.#folder = folder;
  }

  list(): readonly AttachmentState[] {
    let names: string[];
    try {
      names = readdirSync(this.#folder);
    } catch {
      return [];
    }
    return names.filter((name) => name.endsWith('.json')).flatMap((name) => readState(`${this.#folder}/${name}`) ?? []);
  }

  find(id: AttachmentId): AttachmentState | undefined {
    const state = readState(this.#path(id));
    return state?.id.containerId === id.containerId && state.id.ifname === id.ifname ? state : undefined;
  }

  save(state: AttachmentState): void {
    const path = this.#path(state.id);
    const temporary = `${path}.${process.pid}.tmp`;
    try {
      ensureFolder(this.#folder);
      rmSync(temporary, { force: true });
      const fd = openSync(
        temporary,
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
        0o600,
      );
      try {
        writeFileSync(fd, `${JSON.stringify(state, undefined, 2)}\n`);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(temporary, path);
    } catch (cause) {
      removeQuietly(temporary);
      throw new KernelError('io', `Cannot save the state of the attachment in ${path}: ${reasonOf(cause)}`, { cause });
    }
  }

  remove(id: AttachmentId): void {
    try {
      rmSync(this.#path(id), { force: true });
    } catch (cause) {
      throw new KernelError('io', `Cannot remove ${this.#path(id)}: ${reasonOf(cause)}`, { cause });
    }
  }

  bootId(): string {
    try {
      return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    } catch {
      return '';
    }
  }

  /** Both parts are validated names without a slash. */
  #path({ containerId, ifname }: AttachmentId): string {
    return `${this.#folder}/${containerId}@${ifname}.json`;
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // What kept us from writing keeps us from removing, and is told already.
  }
}

/** The folder must be root's alone: who can write here decides what DEL does. */
function ensureFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0) {
    throw new Error(`${folder} is writable by others; run "chown 0:0 ${folder}; chmod 0700 ${folder}"`);
  }
}

/** A file that is torn, foreign or of another version describes nothing that can be relied on. */
function readState(path: string): AttachmentState | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const { uid, size } = fstatSync(fd);
    if (uid !== process.getuid?.() || size > largestState) return undefined;
    const state = JSON.parse(readFileSync(fd, 'utf8')) as AttachmentState;
    return state.version === 1 && typeof state.id?.containerId === 'string' ? state : undefined;
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}
