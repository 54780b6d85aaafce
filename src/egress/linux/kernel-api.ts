import type { Family } from '../../base/model/address.ts';
import type { Link, NamespaceId, NamespaceSnapshot, NodeReading, NodeSnapshot } from '../../base/model/network.ts';
import type { RuleProgram } from '../../base/model/rules.ts';
import type { RuleBackend } from '../../base/rules/transaction.ts';
import type { AttachmentId } from '../model/attachment.ts';
import type { LinkGuard } from '../model/guard.ts';
import type { Operation } from '../model/operation.ts';
import type { AttachmentState } from '../model/state.ts';

/** Everything that a plan may do in a pod's namespace and read from it. Calls block and are atomic. */
export interface Kernel {
  readonly netns: NamespaceId;
  /** The backend that installs rules. */
  readonly backend: RuleBackend;
  /**
   * Reads the namespace of the container runtime, which contains the masters. Routes are read only on request,
   * because a node may have very many. If only `master` is needed and exists, nothing else is read, because a node
   * has a link for each pod. Throws {@link KernelError}.
   */
  readNode(options: NodeReading): NodeSnapshot;
  /** Reads the pod's namespace, with routes and policy rules of these families, or both. Throws {@link KernelError}. */
  readNamespace(families?: readonly Family[]): NamespaceSnapshot;
  /** Reads one link of the pod's namespace. Throws {@link KernelError} (`missing`). */
  readLink(name: string): Link;
  /**
   * Executes one operation atomically. Returns optional parts that this kernel does not support, one sentence each.
   * Throws {@link KernelError}.
   */
  apply(operation: Operation): readonly string[];
  /** Returns the differences between the installed rules and a program and guard, one line each. */
  compareRules(program: RuleProgram, guard?: LinkGuard): readonly string[];
  /** Returns to the namespace of the container runtime. */
  close(): void;
}

/** Storage of states between calls. */
export interface StateStore {
  /** Returns all readable states. An unreadable one is recorded as a problem and does not stop the others. */
  list(): readonly AttachmentState[];
  find(id: AttachmentId): AttachmentState | undefined;
  /** Returns what can be read of a state that {@link find} could not read. */
  remains(id: AttachmentId): Partial<AttachmentState>;
  /** Problems of the states read so far, one sentence each. */
  readonly problems: readonly string[];
  save(state: AttachmentState): void;
  /** Removes a state. A missing state is not an error. */
  remove(id: AttachmentId): void;
  bootId(): string;
}

/** Destination of the plugin's log. No method throws. */
export interface LogSink {
  /** Path of the file, if one is written. */
  readonly path: string;
  /** Why the lines are not written to the configured file. Becomes the first line. */
  readonly notice?: string;
  /** Why nothing, or not everything, is written. */
  readonly problem: string | undefined;
  /** Appends whole lines in one write. After a failure the rest is dropped. */
  append(text: string): void;
  close(): void;
}
