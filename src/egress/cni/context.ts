import type { NamespaceId, NodeSnapshot } from '../../base/model/network.ts';
import type { RuleBackendChoice } from '../../base/rules/transaction.ts';
import type { AskedNames } from '../linux/ask-names.ts';
import type { Kernel, LogSink, StateStore } from '../linux/kernel-api.ts';
import type { NameRequest } from '../model/name-request.ts';
import type { PluginLog } from './log/log.ts';

/** Dependencies of the verbs, wired in `cmd`. */
export interface PluginParts {
  readonly store: StateStore;
  /**
   * Enters a namespace. The caller closes the kernel. `redirects` is their number, for the choice of a backend.
   * Throws {@link KernelError}.
   */
  openKernel(path: string, backend: RuleBackendChoice, redirects?: number): Kernel;
  /** Returns the namespace that a path refers to, if any. */
  identifyNamespace(path: string): NamespaceId | undefined;
  /** Throws {@link KernelError} if rules cannot be installed. */
  checkBackend(choice: RuleBackendChoice): void;
  /** Opens the configured log, or the default one instead. Never throws. */
  openLog(file: string): LogSink;
  /** The node's interfaces and their addresses. Throws {@link KernelError} where netlink does not answer. */
  readNodeLinks(): Pick<NodeSnapshot, 'links' | 'addresses'>;
  /** Asks the node daemon for addresses of DNS names. Blocks for two seconds at most; never throws. */
  askNames(request: NameRequest): AskedNames;
}

/** One call with everything that the verbs need. */
export interface VerbContext {
  readonly parts: PluginParts;
  readonly configuration: Readonly<Record<string, unknown>>;
  readonly log: PluginLog;
}
