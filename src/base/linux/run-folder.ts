import { lstatSync, mkdirSync } from 'node:fs';

/** Where states and locks live; gone after a reboot, as the namespaces are that they are about. */
export const stateFolder = '/run/egress-router';

/** Makes a folder, which must be root's alone: who can write here decides what DEL does. Throws where it is not. */
export function ensureFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0) {
    throw new Error(`${folder} is writable by others; run "chown 0:0 ${folder}; chmod 0700 ${folder}"`);
  }
}
