import { readFileSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { writeWhole } from '../../../base/files/write-whole.ts';
import { identifyNamespace } from '../../../base/linux/namespace.ts';
import { ensureFolder, stateFolder } from '../../../base/linux/run-folder.ts';
import type { StateStore } from '../kernel-api.ts';

/** A file next to the states: the last router's DEL must remove the plugin of this name. */
const markName = 'remove-plugin';

/** Whether a router still needs the plugin for its DEL: remembered since this boot, in a namespace that is still there. */
export function hasRouters(store: Pick<StateStore, 'list' | 'bootId'>): boolean {
  const bootId = store.bootId();
  return store
    .list()
    .some((state) => state.bootId === bootId && identifyNamespace(state.netns.path)?.inode === state.netns.inode);
}

/** Makes the plugin remove its own executable after the last router's DEL. Throws an Error. */
export function markForRemoval(pluginName: string, folder: string = stateFolder): void {
  ensureFolder(folder);
  writeWhole(`${folder}/${markName}`, `${pluginName}\n`, 0o600);
}

/** Undoes {@link markForRemoval}; no error where there is no mark. Throws an Error. */
export function clearRemovalMark(folder: string = stateFolder): void {
  rmSync(`${folder}/${markName}`, { force: true });
}

/**
 * Removes the executable of the plugin if the node's daemon asked for that and no router is left. Never throws: a DEL
 * does not fail for it.
 *
 * @param executable path of the plugin that runs
 */
export function removeIfMarked(
  store: Pick<StateStore, 'list' | 'bootId'>,
  executable: string,
  folder: string = stateFolder,
): void {
  try {
    if (readFileSync(`${folder}/${markName}`, 'utf8').trim() !== basename(executable) || hasRouters(store)) return;
    rmSync(executable, { force: true });
    clearRemovalMark(folder);
  } catch {
    // There is no mark, as almost always.
  }
}
