import { KernelError } from '../../base/linux/kernel-error.ts';
import type { PodNamespace } from '../../base/linux/namespace.ts';
import { listAddresses } from '../../base/linux/netlink/address.ts';
import { findLink } from '../../base/linux/netlink/link.ts';
import { NftTables } from '../../base/linux/netlink/nft-tables.ts';
import { listPolicyRules } from '../../base/linux/netlink/policy-rule.ts';
import { listRoutes } from '../../base/linux/netlink/route.ts';
import { NetlinkSocket, netlinkFamily } from '../../base/linux/netlink/socket.ts';
import { reasonOf } from '../../base/linux/reason.ts';
import { readSysctl, routerSysctls } from '../../base/linux/sysctl.ts';
import type { Family } from '../../base/model/address.ts';
import {
  type Link,
  mainTable,
  type NamespaceId,
  type NamespaceSnapshot,
  type NodeReading,
  type NodeSnapshot,
} from '../../base/model/network.ts';
import type { RuleProgram } from '../../base/model/rules.ts';
import type { RuleBackend } from '../../base/rules/transaction.ts';
import type { LinkGuard } from '../model/guard.ts';
import type { Operation } from '../model/operation.ts';
import { compareGuard } from './guard.ts';
import type { Kernel, StateStore } from './kernel-api.ts';
import { LinkDirectory } from './link-directory.ts';
import { applyOperation, describeOperation } from './operations.ts';
import { explainRefusedLink } from './refused-link.ts';
import { changeRules, describeDifferences, listRules } from './rule-listing.ts';

/** The kernel seen from a pod's network namespace, in which the thread stays until `close`. */
export class LinuxKernel implements Kernel {
  readonly netns: NamespaceId;
  readonly backend: RuleBackend;
  readonly #namespace: PodNamespace;
  readonly #store: StateStore;
  readonly #node: NetlinkSocket;
  readonly #pod: NetlinkSocket;
  readonly #links: LinkDirectory;
  readonly #tables = new NftTables();

  /** Enters the namespace. Throws {@link KernelError}. */
  constructor(namespace: PodNamespace, backend: RuleBackend, store: StateStore) {
    this.netns = namespace.id;
    this.backend = backend;
    this.#namespace = namespace;
    this.#store = store;
    this.#node = openRouteSocket('the node');
    namespace.enter();
    this.#pod = openRouteSocket('the pod');
    this.#links = new LinkDirectory(this.#pod);
  }

  readNode({ routes, master }: NodeReading): NodeSnapshot {
    return reading("the node's network", () => {
      const only = routes || master === undefined ? undefined : findLink(this.#node, master);
      if (only !== undefined) return this.#readMaster(only);
      const directory = new LinkDirectory(this.#node);
      const links = directory.list();
      const addresses = listAddresses(this.#node).flatMap(({ linkIndex, prefix }) => {
        const link = directory.nameOf(linkIndex);
        return link === undefined ? [] : [{ link, prefix }];
      });
      if (!routes) return { links, addresses, defaultRoutes: [] };
      this.#node.checkStrictly();
      const defaultRoutes = ([4, 6] as const)
        .flatMap((family) => listRoutes(this.#node, family, directory, { table: mainTable }))
        .filter((route) => route.destination.length === 0 && route.type === 'unicast')
        .sort((one, other) => (one.metric ?? 0) - (other.metric ?? 0));
      return { links, addresses, defaultRoutes };
    });
  }

  #readMaster(master: Link): NodeSnapshot {
    this.#node.checkStrictly();
    const addresses = listAddresses(this.#node, master.index)
      // Kernels before 5.0 do not support this filter.
      .filter(({ linkIndex }) => linkIndex === master.index)
      .map(({ prefix }) => ({ link: master.name, prefix }));
    return { links: [master], addresses, defaultRoutes: [] };
  }

  readNamespace(families: readonly Family[] = [4, 6]): NamespaceSnapshot {
    return reading(`the network namespace ${this.netns.path}`, () => {
      const links = this.#links.list();
      const addresses = listAddresses(this.#pod).flatMap(({ linkIndex, prefix }) => {
        const link = this.#links.nameOf(linkIndex);
        return link === undefined ? [] : [{ link, prefix }];
      });
      const sysctls = new Map<string, string>();
      for (const key of routerSysctls(links)) {
        const value = readSysctl(key);
        if (value !== undefined) sysctls.set(key, value);
      }
      return {
        links,
        addresses,
        routes: families.flatMap((family) => listRoutes(this.#pod, family, this.#links)),
        policyRules: families.flatMap((family) => listPolicyRules(this.#pod, family)),
        sysctls,
      };
    });
  }

  readLink(name: string): Link {
    return reading(`interface ${name}`, () => this.#links.find(name));
  }

  apply(operation: Operation): readonly string[] {
    try {
      return applyOperation(operation, {
        node: this.#node,
        pod: this.#pod,
        links: this.#links,
        tables: this.#tables,
        netnsFd: this.#namespace.fd,
        backend: this.backend,
        store: this.#store,
      });
    } catch (cause) {
      if (cause instanceof KernelError) throw cause;
      const what = `Cannot ${describeOperation(operation)}: ${reasonOf(cause)}`;
      const why = this.#explain(operation, cause);
      if (why !== undefined) throw new KernelError('refused', `${what}: ${why}`, { cause });
      throw new KernelError(kindOf(cause), what, { cause });
    }
  }

  /** Returns why the kernel refuses an operation, if the links of node and pod explain it. */
  #explain(operation: Operation, error: unknown): string | undefined {
    const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
    if (typeof code !== 'string' || !['EBUSY', 'EINVAL', 'EADDRINUSE'].includes(code)) return undefined;
    try {
      return explainRefusedLink(operation, code, new LinkDirectory(this.#node).list(), this.#links.list());
    } catch {
      // The failure itself is what matters.
      return undefined;
    }
  }

  compareRules(program: RuleProgram, guard?: LinkGuard): readonly string[] {
    const actual = listRules(this.backend, program);
    const differences = describeDifferences(this.#listElsewhere(program, new NftTables()), actual);
    // Compared with a listing of the backend's own tool, which live changes use and which may print the same rule
    // differently.
    const isSpelling =
      differences.length > 0 &&
      this.backend === 'nftables' &&
      describeDifferences(this.#listElsewhere(program), actual).length === 0;
    return [...(isSpelling ? [] : differences), ...(guard === undefined ? [] : this.#compareGuard(guard))];
  }

  /**
   * Returns the backend's own listing of a program in an empty namespace, so that a version that prints rules
   * differently causes no difference.
   */
  #listElsewhere(program: RuleProgram, tables?: NftTables): string[] {
    return this.#namespace.tryElsewhere(() => {
      try {
        changeRules(this.backend, undefined, program, false, tables);
        return listRules(this.backend, program);
      } finally {
        tables?.close();
      }
    });
  }

  #compareGuard(guard: LinkGuard): string[] {
    const link = this.#links.list().find((one) => one.name === guard.link);
    // The missing link is reported separately.
    if (link === undefined) return [];
    return reading(`the guard of ${guard.link}`, () =>
      compareGuard(guard, link.mac, (install) => this.#namespace.tryElsewhere(install)),
    );
  }

  close(): void {
    this.#tables.close();
    this.#pod.close();
    this.#node.close();
    this.#namespace.leave();
    this.#namespace.close();
  }
}

function openRouteSocket(where: string): NetlinkSocket {
  return reading(`netlink of ${where}`, () => new NetlinkSocket(netlinkFamily.route));
}

function reading<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof KernelError) throw cause;
    throw new KernelError('refused', `Cannot read ${what}: ${reasonOf(cause)}`, { cause });
  }
}

function kindOf(error: unknown): KernelError['kind'] {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  if (code === 'EEXIST') return 'exists';
  if (code === 'ENOENT' || code === 'ESRCH' || code === 'ENODEV' || code === 'EADDRNOTAVAIL') return 'missing';
  if (code === 'EBUSY') return 'busy';
  return 'refused';
}
