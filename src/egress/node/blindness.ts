import { existsSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { reasonOf } from '../../base/linux/reason.ts';
import { stateFolder } from '../../base/linux/run-folder.ts';
import type { AttachmentState } from '../model/state.ts';

/**
 * Returns why this process cannot see routers of the node, or undefined if it can. Deleting a namespace leaves its
 * folder in place. If the folder itself is missing, it is not mounted in this container, for example because the
 * runtime uses `/var/run/netns` and the image has no `/var/run`.
 */
export function findBlindness(states: readonly AttachmentState[], folder = stateFolder): string | undefined {
  try {
    readdirSync(folder);
  } catch (error) {
    return `cannot list the states of routers in ${folder}: ${reasonOf(error)}; mount the node's folder there`;
  }
  // A /proc/PID path disappears with its process, so a missing one does not indicate a missing mount.
  const folders = new Set(states.map(({ netns }) => dirname(netns.path)).filter((path) => !path.startsWith('/proc/')));
  const [missing] = [...folders].filter((path) => !existsSync(path)).sort();
  if (missing === undefined) return undefined;
  const count = states.filter(({ netns }) => dirname(netns.path) === missing).length;
  return (
    `cannot see the network namespaces of ${count === 1 ? 'a router' : `${count} routers`}: there is no ${missing} here; ` +
    "mount the node's folder of network namespaces at that path"
  );
}
