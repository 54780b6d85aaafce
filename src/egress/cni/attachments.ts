import type { NamespaceId, NamespaceSnapshot } from '../../base/model/network.ts';
import { ownerComment } from '../../base/rules/owner.ts';
import type { Kernel, StateStore } from '../linux/kernel-api.ts';
import type { AttachmentId } from '../model/attachment.ts';
import type { AttachmentState } from '../model/state.ts';
import { isHalfMade, ownerOf } from '../plan/desired.ts';
import { PlanError } from '../plan/error.ts';
import { ownerOfAlias, recoverState } from '../plan/recover.ts';
import { planRemoval } from '../plan/remove.ts';
import { runRemoval } from './steps.ts';

/** Returns the other attachments in a namespace according to the state files. */
export function attachmentsIn(store: StateStore, netns: NamespaceId, except: AttachmentId): AttachmentState[] {
  const bootId = store.bootId();
  return store
    .list()
    .filter((state) => state.netns.inode === netns.inode && state.bootId === bootId)
    .filter(({ id }) => id.containerId !== except.containerId || id.ifname !== except.ifname);
}

/** Returns whether the namespace contains the link of a state, completely set up and with the state's alias. */
function hasOwnLink(state: AttachmentState, pod: NamespaceSnapshot): boolean {
  return pod.links.some((link) => link.name === state.link && link.alias === ownerComment(ownerOf(state.id)));
}

/**
 * Removes leftovers of earlier calls that block a new attachment: after a missing DEL, or an ADD that was killed.
 * Returns whether anything was removed. Throws {@link PlanError} if the attachment exists or another interface has
 * the link's name, and {@link KernelError}.
 */
export function removeLeftovers(
  kernel: Kernel,
  store: StateStore,
  id: AttachmentId,
  link: string,
  pod: NamespaceSnapshot,
): boolean {
  const bootId = store.bootId();
  const own = store.find(id);
  const ownIsHere = own !== undefined && own.netns.inode === kernel.netns.inode && own.bootId === bootId;
  if (ownIsHere && hasOwnLink(own, pod)) {
    throw new PlanError(
      'exists',
      `container ${id.containerId} has an attachment ${id.ifname} already (interface ${own.link}); run DEL first`,
    );
  }
  const others = attachmentsIn(store, kernel.netns, id);
  const stale = [
    ...(ownIsHere ? [own] : []),
    ...others.filter((state) => state.link === link || !hasOwnLink(state, pod)),
  ];
  // The removed part may belong to a family that the caller did not read.
  let now = stale.length > 0 ? kernel.readNamespace() : pod;
  for (const state of stale) {
    const staying = others.filter((other) => !stale.includes(other));
    runRemoval(kernel, planRemoval(state, now, staying));
    now = kernel.readNamespace();
  }
  const removedForeign = removeUnremembered(
    kernel,
    link,
    id.ifname,
    now,
    others.filter((other) => !stale.includes(other)),
  );
  const halfMade = now.links.filter(isHalfMade);
  runRemoval(
    kernel,
    halfMade.map(({ name }) => ({ do: 'delete-link', link: name })),
  );
  return stale.length > 0 || removedForeign || halfMade.length > 0;
}

function removeUnremembered(
  kernel: Kernel,
  link: string,
  ifname: string,
  pod: NamespaceSnapshot,
  others: readonly AttachmentState[],
): boolean {
  const present = pod.links.find((one) => one.name === link);
  if (present === undefined) return false;
  const owner = ownerOfAlias(present.alias);
  if (owner === undefined) {
    throw new PlanError(
      'environment',
      `CNI_IFNAME "${link}": the pod already has an interface of this name; ` +
        'delete it, or choose another name for the attachment',
    );
  }
  const now = kernel.readNamespace();
  const state = recoverState(link, owner, ifname, now, kernel.netns);
  runRemoval(kernel, planRemoval(state, now, others, ['iptables', 'nftables']));
  return true;
}

/** Returns what can be read of a broken state, unless it belongs to another namespace. */
function remainsHere(kernel: Kernel, store: StateStore, id: AttachmentId): Partial<AttachmentState> {
  const remains = store.remains(id);
  const isHere = (remains.netns?.inode ?? kernel.netns.inode) === kernel.netns.inode;
  return isHere && (remains.bootId ?? store.bootId()) === store.bootId() ? remains : {};
}

/** Removes an attachment from its namespace. Missing parts are not an error. Throws {@link KernelError}. */
export function removeAttachment(
  kernel: Kernel,
  store: StateStore,
  id: AttachmentId,
  remembered: AttachmentState | undefined,
): void {
  const pod = kernel.readNamespace();
  const others = attachmentsIn(store, kernel.netns, id);
  if (remembered !== undefined) {
    runRemoval(kernel, planRemoval(remembered, pod, others));
    return;
  }
  const link = pod.links.find((one) => ownerOfAlias(one.alias) === ownerOf(id))?.name ?? id.ifname;
  const foreign = pod.links.some((one) => one.name === link && ownerOfAlias(one.alias) !== ownerOf(id));
  // The name belongs to another interface, or to another attachment of this plugin.
  if (foreign || others.some((other) => other.link === link)) return;
  const state = {
    ...recoverState(link, ownerOf(id), id.ifname, pod, kernel.netns),
    ...remainsHere(kernel, store, id),
    id,
  };
  runRemoval(kernel, planRemoval(state, pod, others, ['iptables', 'nftables']));
}
