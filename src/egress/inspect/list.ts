import { formatPrefix } from '../../base/model/address.ts';
import type { NamespaceId } from '../../base/model/network.ts';
import type { AttachmentState } from '../model/state.ts';
import type { ListDocument, ListedAttachment } from './list-document.ts';

/** Lists attachments from their state files, ordered by pod and container. */
export function describeList(
  states: readonly AttachmentState[],
  bootId: string,
  identify: (path: string) => NamespaceId | undefined,
): ListDocument {
  const attachments = states.map((state): ListedAttachment => {
    const here = identify(state.netns.path)?.inode === state.netns.inode;
    return {
      container: state.id.containerId,
      interface: state.link,
      ...(state.pod !== undefined && { pod: `${state.pod.namespace}/${state.pod.name}` }),
      network: state.network,
      netns: state.netns.path,
      addresses: state.addresses.map(formatPrefix),
      master: state.master,
      backend: state.backend,
      ...(state.router !== undefined && { redirects: state.router.destinations.length }),
      state: state.bootId !== bootId ? 'earlier-boot' : here ? 'attached' : 'namespace-gone',
    };
  });
  return {
    schema: 'erctl.list/v1',
    attachments: attachments.sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1)),
  };
}

function keyOf({ pod, container, interface: link }: ListedAttachment): string {
  return `${pod ?? '~'} ${container} ${link}`;
}
