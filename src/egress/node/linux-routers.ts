import { sharedTimers } from '../../base/daemon/shared-timers.ts';
import { identifyNamespace } from '../../base/linux/namespace.ts';
import { releaseEgress, swallowEgress, swallowsEgress } from '../../base/linux/netlink/qdisc.ts';
import { WireConversation, type WireQuestion } from '../../base/linux/wire-probe.ts';
import type { Link } from '../../base/model/network.ts';
import type { Claimant, Flow } from '../../base/model/observed.ts';
import { formatProblem } from '../../base/model/problem.ts';
import type { RedirectSet } from '../../base/model/redirect.ts';
import { recallRedirects } from '../api/remembered.ts';
import { type AnswerNames, type ChangeParts, changeAnswers, changeAttachment } from '../cni/change.ts';
import { runRemoval, runSteps } from '../cni/steps.ts';
import { flowsOf } from '../inspect/flows.ts';
import { countTracked, NamespaceInspector } from '../linux/inspection.ts';
import type { Kernel } from '../linux/kernel-api.ts';
import { openLogSink } from '../linux/log/log-sink.ts';
import { openLinuxKernel } from '../linux/parts.ts';
import { readLinkView } from '../linux/pod-view.ts';
import { FileStateStore } from '../linux/state/state-store.ts';
import type { AttachmentId } from '../model/attachment.ts';
import type { AddressRival, AttachmentState } from '../model/state.ts';
import { listPorts } from '../plan/change.ts';
import { listDeviations } from '../plan/check.ts';
import { inwardMark, markMask } from '../plan/marks.ts';
import { listClosing, planReopening } from '../plan/reopen.ts';
import { findBlindness } from './blindness.ts';
import type { LostTargets } from './drains.ts';
import { listKernelProblems, PodChanges } from './pod-changes.ts';
import { findEthernetLink, keyOf, withinPod, withNetlink } from './pod-namespace.ts';
import { describeRouter, identifyRules, listOwnRules } from './router-rules.ts';
import type {
  AnswersOutcome,
  ApplyOutcome,
  AskingManner,
  CheckOutcome,
  NodeRouters,
  WireAnswer,
} from './routers-api.ts';
import { RuleVariants } from './rule-variant.ts';
import { beat } from './watched.ts';
import { hasCarrier } from './wire.ts';

/** Minimum milliseconds from a probe to the first read of answers, and from the first to the second read. */
const wire = { first: 75, last: 300 };

/** Maximum number of frames processed at once, so that a busy link does not delay the daemon. */
const mostFrames = 64;

/**
 * Milliseconds to wait for a lock that the plugin holds. The wait blocks the whole daemon, so it is short and callers
 * retry.
 */
const lockPatience = 50;

/**
 * Implements {@link NodeRouters} on Linux. The process must be in the node's network namespace, to which every call
 * returns.
 */
export class LinuxRouters implements NodeRouters {
  readonly #store = new FileStateStore();
  readonly #parts: ChangeParts = {
    store: this.#store,
    openKernel: (path, backend) => openLinuxKernel(path, backend, this.#store, undefined, lockPatience),
    identifyNamespace,
    openLog: openLogSink,
  };
  readonly #variants = new RuleVariants();
  /**
   * Sockets on the links of routers. They are kept open, because opening and closing one takes the kernel ten
   * milliseconds each. Open sockets keep the namespace alive, so those of removed routers are closed at once.
   */
  readonly #conversations = new Map<string, WireConversation>();
  readonly #changes = new PodChanges();
  blindness: string | undefined;
  #living: readonly AttachmentState[] = [];
  /**
   * The rules that were last found correct, by attachment. Detecting that they are unchanged is much cheaper than
   * checking them.
   */
  readonly #checked = new Map<string, string>();

  list(): readonly AttachmentState[] {
    const bootId = this.#store.bootId();
    const all = this.#store.list().filter((state) => state.bootId === bootId);
    this.blindness = findBlindness(all);
    return all.filter((state) => this.isAlive(state));
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
      case 'conflict':
      case 'gone':
        return outcome;
    }
  }

  applyAnswers(id: AttachmentId, answerNames: AnswerNames): AnswersOutcome {
    const state = this.#store.find(id);
    if (state === undefined) return { kind: 'gone' };
    const outcome = this.#withVariant(state, () => changeAnswers(this.#parts, id, answerNames));
    if (outcome.kind === 'changed') return { kind: 'changed', lost: outcome.lost.length };
    return { kind: outcome.kind === 'unchanged' ? 'unchanged' : 'gone' };
  }

  endConnections(state: AttachmentState, { redirects, fallbacks }: LostTargets): void {
    this.#withKernel(state, (kernel) => {
      const { router } = this.#newest(state);
      const set = router === undefined ? undefined : recallRedirects(router);
      kernel.apply({
        do: 'forget-redirected',
        value: inwardMark(state.slot),
        mask: markMask,
        redirects,
        fallbacks,
        ports: new Set(fallbacks.length === 0 || set === undefined ? [] : listPorts(set)),
      });
    });
  }

  listFlows(state: AttachmentState): readonly Flow[] {
    return withinPod(state, () => {
      // The kernel walks its whole table, which takes milliseconds even if it is empty.
      if (countTracked() === 0) return [];
      const inspector = new NamespaceInspector();
      try {
        return flowsOf({ flows: inspector.listFlows(), state });
      } finally {
        inspector.close();
      }
    });
  }

  check(known: AttachmentState): CheckOutcome {
    return this.#withKernel(known, (kernel) => {
      // Addresses of names may have changed since the last scan.
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
      return {
        differences: [...listDeviations(desired, resolved, state, pod, others), ...differences],
        problems: listKernelProblems(state, pod),
      };
    });
  }

  announce(state: AttachmentState): void {
    const key = keyOf(state);
    const conversation = this.#conversations.get(key);
    try {
      for (const { address } of state.addresses) conversation?.announce(address);
    } catch (error) {
      // The link may have been replaced.
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
   * Performs one round of probes. Without a carrier no machine answers. Gateways are probed last, and only if no
   * other machine has the address: a probe with the address as sender would redirect its packets here, and after a
   * disconnection another machine may have the address.
   */
  async #converse(state: AttachmentState, manner: AskingManner): Promise<readonly Claimant[]> {
    const questions = [
      ...(state.router?.gateways ?? []).map((gateway, index) => {
        const asker = manner === 'open' ? state.addresses[index]?.address : undefined;
        return { address: gateway, stays: true, ...(asker !== undefined && { asker }) };
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
      // Announcements since the last round count, because another machine may have claimed an address.
      conversation.ask('anonymous');
      const listen = (): void => {
        for (let frames = 0; frames < mostFrames && conversation.listen(); frames++);
      };
      const hasRival = (): boolean => conversation.claimants.some(({ address }) => own.has(address.text));
      await sharedTimers.wait(wire.first, beat);
      listen();
      if (!hasRival()) conversation.ask('named');
      await sharedTimers.wait(wire.last, beat);
      listen();
      if (!hasRival() && conversation.askSilent()) {
        await sharedTimers.wait(wire.last, beat);
        listen();
      }
      const { claimants } = conversation;
      conversation.forget();
      return claimants;
    } catch (error) {
      // The link may have been replaced.
      this.#release(key);
      throw error;
    }
  }

  listProblems(state: AttachmentState): readonly string[] {
    return listKernelProblems(state, withinPod(state, readLinkView));
  }

  listChanged(): readonly AttachmentState[] {
    return this.#changes.list();
  }

  retain(states: readonly AttachmentState[]): void {
    this.#living = states;
    this.#changes.retain(states);
    const living = new Set(states.map(keyOf));
    for (const key of this.#conversations.keys()) if (!living.has(key)) this.#release(key);
    for (const key of this.#checked.keys()) if (!living.has(key)) this.#checked.delete(key);
  }

  #begin(state: AttachmentState, questions: readonly WireQuestion[]): WireConversation | undefined {
    return withinPod(state, () => {
      const link = findOpenLink(state.link);
      return link && new WireConversation(link, questions, 0);
    });
  }

  #release(key: string): void {
    this.#conversations.get(key)?.close();
    this.#conversations.delete(key);
  }

  suspend(state: AttachmentState): void {
    withinPod(state, () => {
      const link = findEthernetLink(state.link);
      if (link !== undefined) withNetlink((socket) => swallowEgress(socket, link.index));
    });
  }

  isSuspended(state: AttachmentState): boolean {
    return withinPod(state, () => {
      const link = findEthernetLink(state.link);
      return link !== undefined && withNetlink((socket) => swallowsEgress(socket, link.index));
    });
  }

  resume(state: AttachmentState): void {
    // Under the lock: a DEL closes the link in the same way before it deletes it.
    this.#withKernel(state, () => releaseLink(state));
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
      // The interface has no address yet.
      releaseLink(newest);
      runSteps(kernel, planReopening(newest, desired, pod));
    });
  }

  /** Reads the state again, because redirects may have changed. Call it under the lock of the namespace. */
  #newest(state: AttachmentState): AttachmentState {
    return this.#store.find(state.id) ?? state;
  }

  #withKernel<T>(state: AttachmentState, use: (kernel: Kernel) => T): T {
    return this.#withVariant(state, () => {
      const kernel = openLinuxKernel(state.netns.path, state.backend, this.#store, undefined, lockPatience);
      try {
        return use(kernel);
      } finally {
        kernel.close();
      }
    });
  }

  #withVariant<T>(state: AttachmentState, run: () => T): T {
    if (state.backend !== 'iptables') return run();
    return this.#variants.within((read) => withinPod(state, read), run);
  }
}

/** Returns whether there are gateways but none answered. */
function isCutOff(gateways: WireAnswer['gateways']): boolean {
  return gateways.length > 0 && gateways.every(({ answers }) => !answers);
}

function sizeOf({ redirects, named = [], fallbacks, fallbackName }: RedirectSet): number {
  return redirects.length + named.length + fallbacks.length + (fallbackName === undefined ? 0 : 1);
}

/** Lets the kernel send on a link of the current namespace again. */
function releaseLink({ link: name }: AttachmentState): void {
  const link = findEthernetLink(name);
  if (link !== undefined) withNetlink((socket) => releaseEgress(socket, link.index));
}

/** Returns the link if probes can be sent on it. */
function findOpenLink(name: string): Link | undefined {
  const link = findEthernetLink(name);
  return hasCarrier(link) ? link : undefined;
}
