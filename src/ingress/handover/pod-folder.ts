import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeWhole } from '../../base/files/write-whole.ts';
import { FileLock } from '../../base/linux/file-lock.ts';
import { ensureFolder } from '../../base/linux/run-folder.ts';

/** A container of the agent's pod. */
export type Role = 'agent' | 'keeper';

/** Milliseconds to wait for another process that has locked the shared folder. */
const patience = 10_000;

/** Characters of the UID in the folder's name. The paths of HAProxy's sockets must be short. */
const nameLength = 13;

const podUid = /^[0-9A-Za-z][0-9A-Za-z-]{0,62}$/;

/** Parses the UID of a pod. Returns undefined for anything else. */
export function parsePodUid(text: string): string | undefined {
  return podUid.test(text) ? text : undefined;
}

/** Returns the folder of a pod in the folder that the pods of a node share. */
export function podPath(shared: string, uid: string): string {
  return join(shared, uid.slice(0, nameLength));
}

/**
 * The folder of this pod in the folder that the agents of a node share: `SHARED/UID`. Pods have numbers in the order in
 * which they started for the first time, because the pod that started later takes over from the others. The folder is
 * accessible to root only.
 */
export class PodFolder {
  readonly shared: string;
  readonly path: string;
  /** Greater than the numbers of earlier pods. Survives restarts of containers. */
  readonly order: number;
  readonly #lock: FileLock;

  private constructor(shared: string, path: string, order: number, lock: FileLock) {
    this.shared = shared;
    this.path = path;
    this.order = order;
    this.#lock = lock;
  }

  /**
   * Creates or opens the folder for one container of the pod, and deletes folders of pods without processes. Throws if
   * another process has this role in this pod, or if others may write to the folder.
   */
  static async open(shared: string, uid: string, role: Role): Promise<PodFolder> {
    ensureFolder(shared);
    return await withLock(shared, () => {
      const path = podPath(shared, uid);
      mkdirSync(path, { recursive: true, mode: 0o700 });
      ensureFolder(path);
      const lock = FileLock.tryAcquire(join(path, `${role}.lock`));
      if (lock === undefined) throw new Error(`Cannot use ${path}: another process of this pod uses it`);
      const order = readOrder(path) ?? 1 + Math.max(0, ...listFolders(shared).map((other) => readOrder(other) ?? 0));
      writeWhole(join(path, 'order'), `${order}\n`, 0o600);
      for (const other of listFolders(shared)) if (other !== path && !isUsed(other)) removeFolder(other);
      return new PodFolder(shared, path, order, lock);
    });
  }

  /** Folders of the other pods, latest first. */
  listOthers(): readonly string[] {
    return listFolders(this.shared)
      .filter((path) => path !== this.path)
      .sort((one, other) => (readOrder(other) ?? 0) - (readOrder(one) ?? 0));
  }

  /**
   * Releases the folder. Deletes it, including the private keys in it, if the pod's other container does not
   * run.
   */
  async close(): Promise<void> {
    await withLock(this.shared, () => {
      this.#lock.release();
      if (!isUsed(this.path)) removeFolder(this.path);
    });
  }
}

async function withLock<T>(shared: string, work: () => T): Promise<T> {
  const path = join(shared, 'pods.lock');
  for (const deadline = performance.now() + patience; ; await sleep(20)) {
    const lock = FileLock.tryAcquire(path);
    if (lock !== undefined) {
      try {
        return work();
      } finally {
        lock.release();
      }
    }
    if (performance.now() > deadline) throw new Error(`Cannot lock ${path}: another process has held it for 10 s`);
  }
}

function listFolders(shared: string): string[] {
  return readdirSync(shared, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(shared, name));
}

function readOrder(path: string): number | undefined {
  try {
    const text = readFileSync(join(path, 'order'), 'utf8').trim();
    return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a container of the folder's pod is running. */
function isUsed(path: string): boolean {
  return (['agent', 'keeper'] satisfies Role[]).some((role) => {
    const lock = FileLock.tryAcquire(join(path, `${role}.lock`));
    lock?.release();
    return lock === undefined;
  });
}

function removeFolder(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // An exiting process may still create a file; the next pod deletes it.
  }
}
