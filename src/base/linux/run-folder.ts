import { lstatSync, mkdirSync } from 'node:fs';

/** Folder of states and locks. It is lost on reboot, as are the namespaces that its files describe. */
export const stateFolder = '/run/egress-router';

/**
 * Creates a folder that only root may access, because a writer in this folder controls what DEL does. Throws if
 * others can write to it.
 */
export function ensureFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0) {
    throw new Error(`${folder} is writable by others; run "chown 0:0 ${folder}; chmod 0700 ${folder}"`);
  }
}
