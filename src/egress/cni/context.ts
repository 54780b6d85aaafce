import type { NamespaceId } from '../../base/model/network.ts';
import type { RuleBackendChoice } from '../../base/rules/transaction.ts';
import type { AskedNames } from '../linux/ask-names.ts';
import type { Kernel, LogSink, StateStore } from '../linux/kernel-api.ts';
import type { NameRequest } from '../model/name-request.ts';
import type { PluginLog } from './log/log.ts';

/** The parts that the verbs work with; wired in `cmd`. */
export interface PluginParts {
  readonly store: StateStore;
  /**
   * Enters a namespace; the caller closes the kernel. `redirects`: how many there will be, for the choice
   * of a backend. Throws {@link KernelError}.
   */
  openKernel(path: string, backend: RuleBackendChoice, redirects?: number): Kernel;
  /** Which namespace a path leads to, if any. */
  identifyNamespace(path: string): NamespaceId | undefined;
  /** Throws {@link KernelError} where rules cannot be installed. */
  checkBackend(choice: RuleBackendChoice): void;
  /** The log that a configuration asks for, or where its lines go instead. Never throws. */
  openLog(file: string): LogSink;
  /** Names of the node's interfaces. Throws {@link KernelError} where netlink does not answer. */
  listNodeLinks(): readonly string[];
  /** Asks the node daemon for addresses of DNS names. Blocks for two seconds at most; never throws. */
  askNames(request: NameRequest): AskedNames;
}

/** One call with what every verb has at hand. */
export interface VerbContext {
  readonly parts: PluginParts;
  readonly configuration: Readonly<Record<string, unknown>>;
  readonly log: PluginLog;
}
