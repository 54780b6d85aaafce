import { existsSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { reasonOf } from '../../base/linux/reason.ts';
import { stateFolder } from '../../base/linux/run-folder.ts';
import type { AttachmentState } from '../model/state.ts';

/**
 * Says why this process cannot see routers of the node; undefined if it can. A namespace that is gone leaves the
 * folder of namespaces behind. Where the folder itself is missing, the namespaces are not mounted here: an image
 * without `/var/run`, for example, when the runtime names them so.
 */
export function findBlindness(states: readonly AttachmentState[], folder = stateFolder): string | undefined {
  try {
    readdirSync(folder);
  } catch (error) {
    return `cannot list the states of routers in ${folder}: ${reasonOf(error)}; mount the node's folder there`;
  }
  // By process: gone with it, or a process that this container does not see, as every one that ended.
  const folders = new Set(states.map(({ netns }) => dirname(netns.path)).filter((path) => !path.startsWith('/proc/')));
  const [missing] = [...folders].filter((path) => !existsSync(path)).sort();
  if (missing === undefined) return undefined;
  const count = states.filter(({ netns }) => dirname(netns.path) === missing).length;
  return (
    `cannot see the network namespaces of ${count === 1 ? 'a router' : `${count} routers`}: there is no ${missing} here; ` +
    "mount the node's folder of network namespaces at that path"
  );
}
