import { KernelError } from '../../../base/linux/kernel-error.ts';
import type { AttachmentId } from '../../model/attachment.ts';
import type { AttachmentState } from '../../model/state.ts';
import { removeAttachment } from '../attachments.ts';
import type { PluginParts, VerbContext } from '../context.ts';
import type { Call } from '../environment.ts';

/** DEL (CNI spec 1.1.0 §4): can be repeated, and missing objects are not an error. */
export function runDel(call: Extract<Call, { verb: 'DEL' }>, { parts, log }: VerbContext): void {
  log.debug('Called CNI DEL');
  detach(parts, call.id, call.netns);
}

/**
 * Removes an attachment from its namespace, found by the given path or by its state file, and deletes the state file.
 * Throws {@link KernelError}.
 */
export function detach(parts: PluginParts, id: AttachmentId, givenPath: string | undefined): void {
  const { store } = parts;
  const state = store.find(id);
  const path = givenPath ?? state?.netns.path ?? store.remains(id).netns?.path;
  const netns = path === undefined ? undefined : parts.identifyNamespace(path);
  if (path === undefined || netns === undefined) {
    store.remove(id);
    return;
  }
  const remembered = describesNamespace(state, netns.inode, store.bootId()) ? state : undefined;
  try {
    const kernel = parts.openKernel(path, remembered?.backend ?? 'auto');
    try {
      // Another call may have changed it before we acquired the lock.
      const now = store.find(id);
      removeAttachment(kernel, store, id, describesNamespace(now, netns.inode, store.bootId()) ? now : undefined);
    } finally {
      kernel.close();
    }
  } catch (error) {
    // The namespace disappeared before we entered it.
    if (!(error instanceof KernelError) || error.kind !== 'namespace-gone') throw error;
  }
  store.remove(id);
}

function describesNamespace(state: AttachmentState | undefined, inode: number, bootId: string): boolean {
  return state?.netns.inode === inode && state.bootId === bootId;
}
