import { KernelError } from '../../base/linux/kernel-error.ts';
import { identifyNamespace, PodNamespace } from '../../base/linux/namespace.ts';
import { listLinks } from '../../base/linux/netlink/link.ts';
import { NetlinkSocket, netlinkFamily } from '../../base/linux/netlink/socket.ts';
import { reasonOf } from '../../base/linux/reason.ts';
import { chooseBackend } from '../../base/linux/rule-tools.ts';
import type { RuleBackendChoice } from '../../base/rules/transaction.ts';
import { LinuxKernel } from './kernel.ts';
import type { Kernel, StateStore } from './kernel-api.ts';

/**
 * Enters a pod's network namespace. Throws {@link KernelError}, also for the node's own namespace, where every rule
 * and route would affect the node. `redirects` is their number, for the choice of a backend.
 */
export function openLinuxKernel(
  path: string,
  choice: RuleBackendChoice,
  store: StateStore,
  redirects?: number,
): Kernel {
  const backend = chooseBackend(choice, redirects);
  const own = identifyNamespace('/proc/self/ns/net');
  const namespace = new PodNamespace(path);
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

/** Returns the names of the interfaces in the namespace of this process. Throws {@link KernelError}. */
export function listNodeLinks(): string[] {
  try {
    const socket = new NetlinkSocket(netlinkFamily.route);
    try {
      return listLinks(socket).map((link) => link.name);
    } finally {
      socket.close();
    }
  } catch (cause) {
    throw new KernelError('refused', `Cannot use netlink: ${reasonOf(cause)}`, { cause });
  }
}
