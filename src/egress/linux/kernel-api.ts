import type { Family } from '../../base/model/address.ts';
import type { Link, NamespaceId, NamespaceSnapshot, NodeReading, NodeSnapshot } from '../../base/model/network.ts';
import type { RuleProgram } from '../../base/model/rules.ts';
import type { RuleBackend } from '../../base/rules/transaction.ts';
import type { AttachmentId } from '../model/attachment.ts';
import type { LinkGuard } from '../model/guard.ts';
import type { Operation } from '../model/operation.ts';
import type { AttachmentState } from '../model/state.ts';

/** Everything that a plan may do to a pod's namespace and see of it. Calls block; nothing is half done. */
export interface Kernel {
  readonly netns: NamespaceId;
  /** Which programs install rules here. */
  readonly backend: RuleBackend;
  /**
   * The namespace of the container runtime, where masters live; its routes only when asked for,
   * since a node may have very many. Where only `master` is of interest and is there, nothing else is read: a
   * node has a link for each of its pods. Throws {@link KernelError}.
   */
  readNode(options: NodeReading): NodeSnapshot;
  /** The pod's namespace; routes and policy rules of these families, or both. Throws {@link KernelError}. */
  readNamespace(families?: readonly Family[]): NamespaceSnapshot;
  /** One link of the pod's namespace. Throws {@link KernelError} (`missing`). */
  readLink(name: string): Link;
  /**
   * Does one thing, wholly or not at all. Returns what of it this kernel cannot do and need not, a
   * sentence each. Throws {@link KernelError}.
   */
  apply(operation: Operation): readonly string[];
  /** Says how the rules installed differ from a program and a guard, a line each; empty where they do not. */
  compareRules(program: RuleProgram, guard?: LinkGuard): readonly string[];
  /** Returns to the namespace of the container runtime. */
  close(): void;
}

/** Where states are kept between calls. */
export interface StateStore {
  /** All states that can be read; what cannot is a problem, never a stop for the others. */
  list(): readonly AttachmentState[];
  find(id: AttachmentId): AttachmentState | undefined;
  /** What can still be read of a state that {@link find} could not. */
  remains(id: AttachmentId): Partial<AttachmentState>;
  /** What is wrong with states that were looked at, a sentence each. */
  readonly problems: readonly string[];
  save(state: AttachmentState): void;
  /** No error where there is none. */
  remove(id: AttachmentId): void;
  bootId(): string;
}

/** Where the lines of the plugin's log go. No method throws. */
export interface LogSink {
  /** The file that is written, if any is. */
  readonly path: string;
  /** Why the lines go elsewhere than was asked for; to be their first. */
  readonly notice?: string;
  /** Why nothing, or not everything, is written. */
  readonly problem: string | undefined;
  /** Appends whole lines in one write; after a failure the rest is dropped. */
  append(text: string): void;
  close(): void;
}
