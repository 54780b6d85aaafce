import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { enterNetworkNamespace } from '../../base/linux/libc/calls.ts';
import { identifyNamespace } from '../../base/linux/namespace.ts';
import { NetlinkSocket, netlinkFamily } from '../../base/linux/netlink/socket.ts';
import { readRuleGeneration } from '../../base/linux/rule-generation.ts';
import { WireConversation, type WireQuestion } from '../../base/linux/wire-probe.ts';
import type { Link, NamespaceSnapshot } from '../../base/model/network.ts';
import type { Claimant, Flow } from '../../base/model/observed.ts';
import { formatProblem } from '../../base/model/problem.ts';
import type { Redirect, RedirectSet } from '../../base/model/redirect.ts';
import { type AnswerNames, type ChangeParts, changeAnswers, changeAttachment } from '../cni/change.ts';
import { runRemoval, runSteps } from '../cni/steps.ts';
import { flowsOf } from '../inspect/flows.ts';
import { resolveRemembered } from '../inspect/remembered.ts';
import { NamespaceInspector } from '../linux/inspection.ts';
import type { Kernel } from '../linux/kernel-api.ts';
import { LinkDirectory } from '../linux/link-directory.ts';
import { openLogSink } from '../linux/log/log-sink.ts';
import { openLinuxKernel } from '../linux/parts.ts';
import { listRules } from '../linux/rule-listing.ts';
import { FileStateStore } from '../linux/state/state-store.ts';
import type { AttachmentId } from '../model/attachment.ts';
import type { AddressRival, AttachmentState } from '../model/state.ts';
import { listDeviations } from '../plan/check.ts';
import { type Desired, describeDesired, ownerOf } from '../plan/desired.ts';
import { inwardMark, markMask } from '../plan/marks.ts';
import { listClosing, planReopening } from '../plan/reopen.ts';
import type { Resolved } from '../plan/resolve.ts';
import type { AnswersOutcome, ApplyOutcome, AskingManner, NodeRouters, WireAnswer } from './routers-api.ts';
import { RuleVariants, readVariant } from './rule-variant.ts';

/** Milliseconds between two reads of answers, and in total. */
const wire = { step: 75, whole: 375 };

/** Frames that are taken in at one look: a wire full of questions of others must not hold us up. */
const mostFrames = 64;

/**
 * The routers of this node as Linux has them. The process must be in the node's network namespace, to
 * which every call returns.
 */
export class LinuxRouters implements NodeRouters {
  readonly #store = new FileStateStore();
  readonly #parts: ChangeParts = {
    store: this.#store,
    openKernel: (path, backend) => openLinuxKernel(path, backend, this.#store),
    identifyNamespace,
    openLog: openLogSink,
  };
  readonly #variants = new RuleVariants();
  /**
   * Sockets on the wires of routers. They are kept, since to open and to close one takes the kernel ten
   * milliseconds each; they hold the namespace, so those of routers that are gone are closed at once.
   */
  readonly #conversations = new Map<string, WireConversation>();
  #living: readonly AttachmentState[] = [];
  /** The rules that were last found right, by attachment: to see that they are still these is much cheaper. */
  readonly #checked = new Map<string, string>();

  list(): readonly AttachmentState[] {
    const bootId = this.#store.bootId();
    return this.#store.list().filter((state) => state.bootId === bootId && this.isAlive(state));
  }

  isAlive({ netns }: AttachmentState): boolean {
    return identifyNamespace(netns.path)?.inode === netns.inode;
  }

  apply(id: AttachmentId, configuration: unknown, answerNames?: AnswerNames): ApplyOutcome {
    const state = this.#store.find(id);
    if (state === undefined) return { kind: 'gone' };
    const outcome = this.#withVariant(state, () => changeAttachment(this.#parts, id, configuration, answerNames));
    switch (outcome.kind) {
      case 'unchanged':
        return { kind: 'applied', added: 0, removed: 0 };
      case 'changed':
        return { kind: 'applied', added: sizeOf(outcome.added), removed: sizeOf(outcome.removed) };
      case 'needs-replacement':
        return { kind: 'needs-replacement', message: outcome.reasons.join('; ') };
      case 'invalid':
        return { kind: 'invalid', message: outcome.problems.slice(0, 5).map(formatProblem).join('; ') };
      case 'gone':
        return { kind: 'gone' };
    }
  }

  applyAnswers(id: AttachmentId, answerNames: AnswerNames): AnswersOutcome {
    const state = this.#store.find(id);
    if (state === undefined) return { kind: 'gone' };
    const outcome = this.#withVariant(state, () => changeAnswers(this.#parts, id, answerNames));
    if (outcome.kind === 'changed') return { kind: 'changed', lost: outcome.lost };
    return { kind: outcome.kind === 'unchanged' ? 'unchanged' : 'gone' };
  }

  endConnections(state: AttachmentState, redirects: readonly Redirect[]): void {
    this.#withKernel(state, (kernel) => {
      kernel.apply({
        do: 'forget-redirected',
        value: inwardMark(state.slot),
        mask: markMask,
        redirects,
        fallbacks: [],
        ports: new Set(),
      });
    });
  }

  listFlows(state: AttachmentState): readonly Flow[] {
    return within(state, () => {
      const inspector = new NamespaceInspector();
      try {
        // The kernel walks its whole table, which takes milliseconds also where it is empty.
        if (inspector.readTracking()?.count === 0) return [];
        return flowsOf({ flows: inspector.listFlows(), state });
      } finally {
        inspector.close();
      }
    });
  }

  check(known: AttachmentState): readonly string[] {
    return this.#withKernel(known, (kernel) => {
      // Addresses of names may have changed since the last look.
      const state = this.#newest(known);
      const pod = kernel.readNamespace();
      const key = keyOf(state);
      const seen = JSON.stringify([
        identifyRules(state),
        state.router?.destinations,
        state.router?.fallbacks,
        state.router?.answers,
      ]);
      const isKnown = this.#checked.get(key) === seen;
      const rules = isKnown && state.router !== undefined ? [] : listOwnRules(state);
      const { resolved, desired } = describeRouter(kernel, state, pod, rules);
      const others = this.#living.filter((one) => one.netns.inode === state.netns.inode && keyOf(one) !== key);
      const differences = isKnown ? [] : kernel.compareRules(desired.program, desired.guard);
      if (differences.length === 0) this.#checked.set(key, seen);
      else this.#checked.delete(key);
      return [...listDeviations(desired, resolved, state, pod, others), ...differences];
    });
  }

  announce(state: AttachmentState): void {
    const key = keyOf(state);
    const conversation = this.#conversations.get(key);
    try {
      for (const { address } of state.addresses) conversation?.announce(address);
    } catch (error) {
      // The link may be another one now.
      this.#release(key);
      throw error;
    }
  }

  async ask(state: AttachmentState, manner: AskingManner = 'open'): Promise<WireAnswer> {
    const claimants = await this.#converse(state, manner);
    const isClaimed = (text: string): boolean => claimants.some(({ address }) => address.text === text);
    const gateways = (state.router?.gateways ?? []).map(({ text }) => ({ address: text, answers: isClaimed(text) }));
    const conflicts = claimants
      .filter(({ address }) => state.addresses.some((one) => one.address.text === address.text))
      .map(({ address, mac }) => ({ address: address.text, mac }));
    return { gateways, conflicts, isCutOff: isCutOff(gateways) };
  }

  /**
   * One round of probes; without a carrier no machine answers. Gateways are asked last, and only
   * where nobody else has an address: to ask under it would lead its packets here, and whoever was cut off
   * may find that another machine has it by now.
   */
  async #converse(state: AttachmentState, manner: AskingManner): Promise<readonly Claimant[]> {
    const questions = [
      ...(state.router?.gateways ?? []).map((gateway, index) => {
        const asker = manner === 'open' ? state.addresses[index]?.address : undefined;
        return { address: gateway, ...(asker !== undefined && { asker }) };
      }),
      // With an empty sender address, so that the probe claims nothing (RFC 5227 §2.1.1).
      ...state.addresses.map(({ address }) => ({ address })),
    ];
    const own = new Set(state.addresses.map(({ address }) => address.text));
    const key = keyOf(state);
    const conversation = this.#conversations.get(key) ?? this.#begin(state, questions);
    if (conversation === undefined) return [];
    this.#conversations.set(key, conversation);
    try {
      // Announcements since the last round count: another machine may have claimed an address.
      conversation.ask('anonymous');
      for (let waited = 0; waited < wire.whole; waited += wire.step) {
        await sleep(wire.step);
        for (let frames = 0; frames < mostFrames && conversation.listen(); frames++);
        if (waited === 0 && !conversation.claimants.some(({ address }) => own.has(address.text)))
          conversation.ask('named');
      }
      const { claimants } = conversation;
      conversation.forget();
      return claimants;
    } catch (error) {
      // The link may be another one now.
      this.#release(key);
      throw error;
    }
  }

  retain(states: readonly AttachmentState[]): void {
    this.#living = states;
    const living = new Set(states.map(keyOf));
    for (const key of this.#conversations.keys()) if (!living.has(key)) this.#release(key);
    for (const key of this.#checked.keys()) if (!living.has(key)) this.#checked.delete(key);
  }

  #begin(state: AttachmentState, questions: readonly WireQuestion[]): WireConversation | undefined {
    return within(state, () => {
      const link = findLink(state.link);
      return link && new WireConversation(link, questions, 0);
    });
  }

  #release(key: string): void {
    this.#conversations.get(key)?.close();
    this.#conversations.delete(key);
  }

  close(state: AttachmentState, rival: AddressRival): void {
    this.#release(keyOf(state));
    this.#withKernel(state, (kernel) => runRemoval(kernel, listClosing(this.#newest(state), rival)));
  }

  listen(state: AttachmentState): void {
    this.#release(keyOf(state));
    this.#withKernel(state, (kernel) => kernel.apply({ do: 'set-link-up', link: state.link }));
  }

  reopen(state: AttachmentState): void {
    this.#release(keyOf(state));
    this.#withKernel(state, (kernel) => {
      const newest = this.#newest(state);
      const pod = kernel.readNamespace();
      const { desired } = describeRouter(kernel, newest, pod, newest.router === undefined ? listOwnRules(newest) : []);
      runSteps(kernel, planReopening(newest, desired, pod));
    });
  }

  /** Reads the state again, because redirects may have changed. Call it under the lock of the namespace. */
  #newest(state: AttachmentState): AttachmentState {
    return this.#store.find(state.id) ?? state;
  }

  #withKernel<T>(state: AttachmentState, use: (kernel: Kernel) => T): T {
    return this.#withVariant(state, () => {
      const kernel = openLinuxKernel(state.netns.path, state.backend, this.#store);
      try {
        return use(kernel);
      } finally {
        kernel.close();
      }
    });
  }

  #withVariant<T>(state: AttachmentState, run: () => T): T {
    if (state.backend !== 'iptables') return run();
    return this.#variants.within((read) => within(state, read), run);
  }
}

/** A router as ADD left it, from what is remembered. */
function describeRouter(
  kernel: Kernel,
  state: AttachmentState,
  pod: NamespaceSnapshot,
  rules: readonly string[],
): { readonly resolved: Resolved; readonly desired: Desired } {
  const node = kernel.readNode({ routes: false, ...(state.master !== '' && { master: state.master }) });
  const resolved = resolveRemembered(state, node, pod, rules);
  return { resolved, desired: describeDesired(state.id, state.link, resolved, pod) };
}

/** No gateway answers. */
function isCutOff(gateways: WireAnswer['gateways']): boolean {
  return gateways.length > 0 && gateways.every(({ answers }) => !answers);
}

function keyOf({ id }: AttachmentState): string {
  return `${id.containerId}@${id.ifname}`;
}

/** What changes whenever a rule of the namespace that the thread is in does. */
function identifyRules(state: AttachmentState): unknown {
  const generation = readVariant() === 'legacy' ? undefined : readRuleGeneration();
  return generation ?? listOwnRules(state);
}

function listOwnRules(state: AttachmentState): string[] {
  const names = { name: state.link, owner: ownerOf(state.id), families: [4, 6] as const, chains: [], tables: [] };
  return listRules(state.backend, names);
}

function sizeOf({ redirects, named = [], fallbacks, fallbackName }: RedirectSet): number {
  return redirects.length + named.length + fallbacks.length + (fallbackName === undefined ? 0 : 1);
}

/** Looks at something in a router's namespace, without the lock that changes take. */
function within<T>({ netns }: AttachmentState, look: () => T): T {
  const home = openSync('/proc/self/ns/net', 'r');
  try {
    const there = openSync(netns.path, 'r');
    try {
      enterNetworkNamespace(there);
      return look();
    } finally {
      enterNetworkNamespace(home);
      closeSync(there);
    }
  } finally {
    closeSync(home);
  }
}

/** The link, if it can be asked on. */
function findLink(name: string): Link | undefined {
  const socket = new NetlinkSocket(netlinkFamily.route);
  try {
    const link = new LinkDirectory(socket).list().find((one) => one.name === name);
    const isOpen = link?.up === true && link.carrier !== false && /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(link.mac);
    return isOpen ? link : undefined;
  } finally {
    socket.close();
  }
}
