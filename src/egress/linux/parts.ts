import { KernelError } from '../../base/linux/kernel-error.ts';
import { identifyNamespace, PodNamespace } from '../../base/linux/namespace.ts';
import { listAddresses } from '../../base/linux/netlink/address.ts';
import { NetlinkSocket, netlinkFamily } from '../../base/linux/netlink/socket.ts';
import { reasonOf } from '../../base/linux/reason.ts';
import { chooseBackend } from '../../base/linux/rule-tools.ts';
import type { NodeSnapshot } from '../../base/model/network.ts';
import type { RuleBackendChoice } from '../../base/rules/transaction.ts';
import { LinuxKernel } from './kernel.ts';
import type { Kernel, StateStore } from './kernel-api.ts';
import { LinkDirectory } from './link-directory.ts';

/**
 * Enters a pod's network namespace. Throws {@link KernelError}, also when it is the node's own: there
 * every rule and route would be the node's.
 *
 * @param redirects how many there will be, for the choice of a backend
 * @param patience milliseconds to wait for another call; the lock's own by default
 */
export function openLinuxKernel(
  path: string,
  choice: RuleBackendChoice,
  store: StateStore,
  redirects?: number,
  patience?: number,
): Kernel {
  const backend = chooseBackend(choice, redirects);
  const own = identifyNamespace('/proc/self/ns/net');
  const namespace = new PodNamespace(path, patience);
  try {
    if (own?.inode === namespace.id.inode) {
      throw new KernelError(
        'namespace-gone',
        `CNI_NETNS "${path}": is the node's own network namespace; a pod on the host network cannot be an egress router`,
      );
    }
    return new LinuxKernel(namespace, backend, store);
  } catch (error) {
    namespace.close();
    throw error;
  }
}

/** The interfaces in the namespace of this process, and their addresses. Throws {@link KernelError}. */
export function readNodeLinks(): Pick<NodeSnapshot, 'links' | 'addresses'> {
  try {
    const socket = new NetlinkSocket(netlinkFamily.route);
    try {
      const directory = new LinkDirectory(socket);
      const links = directory.list();
      const addresses = listAddresses(socket).flatMap(({ linkIndex, prefix }) => {
        const link = directory.nameOf(linkIndex);
        return link === undefined ? [] : [{ link, prefix }];
      });
      return { links, addresses };
    } finally {
      socket.close();
    }
  } catch (cause) {
    throw new KernelError('refused', `Cannot use netlink: ${reasonOf(cause)}`, { cause });
  }
}
