import type { Address } from '../../base/model/address.ts';
import { formatPrefix } from '../../base/model/address.ts';
import type { Problem } from '../../base/model/problem.ts';
import { type Redirect, type RedirectSet, withAnswers } from '../../base/model/redirect.ts';
import { everySuffix } from '../api/dns-name.ts';
import { parseNetConf } from '../api/net-conf.ts';
import { recallAnswers, recallRedirects } from '../api/remembered.ts';
import type { Kernel } from '../linux/kernel-api.ts';
import type { AttachmentId, AttachmentSpec, LogSettings } from '../model/attachment.ts';
import type { AttachmentState } from '../model/state.ts';
import { type ChangePlan, planChange } from '../plan/change.ts';
import { PlanError } from '../plan/error.ts';
import { refuseOverlap } from '../plan/overlap.ts';
import { attachmentsIn } from './attachments.ts';
import type { PluginParts } from './context.ts';
import { openPluginLog, type PluginLog } from './log/log.ts';
import { describeChangedRules } from './log-lines.ts';
import { runSteps } from './steps.ts';

/** Result of applying a new configuration to a running attachment. */
export type ChangeOutcome =
  /** Applied and recorded in the state file. */
  | {
      readonly kind: 'changed';
      readonly state: AttachmentState;
      readonly added: RedirectSet;
      readonly removed: RedirectSet;
      /** Addresses that names lost, as redirects. Connections to them stay. */
      readonly lost: readonly Redirect[];
    }
  /** The configuration was already applied. */
  | { readonly kind: 'unchanged'; readonly state: AttachmentState }
  /** The change is not limited to redirects, so the pod must be replaced. Nothing was changed. */
  | { readonly kind: 'needs-replacement'; readonly reasons: readonly string[] }
  /** The configuration is invalid. Nothing was changed. */
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] }
  /** Another attachment of the pod redirects the same port. Nothing was changed. */
  | { readonly kind: 'conflict'; readonly message: string }
  /** The attachment has no state file, or its namespace does not exist. */
  | { readonly kind: 'gone' };

/** Dependencies of a change: a part of {@link PluginParts}. */
export type ChangeParts = Pick<PluginParts, 'store' | 'openKernel' | 'identifyNamespace' | 'openLog'>;

/** Usable addresses of DNS names, by name. A missing name has no usable address. */
export type NameAnswers = ReadonlyMap<string, readonly Address[]>;

/** Returns the usable addresses of the names of a set, for one attachment. */
export type AnswerNames = (set: RedirectSet, state: AttachmentState) => NameAnswers;

/**
 * Applies the redirects and fallbacks of a new network configuration to a running attachment, in one transaction and
 * under the lock of its namespace. Connections of kept redirects are not affected; those of removed redirects end. If
 * the process is killed during a change, the next call completes it.
 *
 * Throws {@link KernelError} if the kernel rejects the change or another call holds the lock, and `PlanError` if the
 * pod does not support it. Both leave the previous state.
 *
 * @param configuration the whole network configuration, as the plugin receives it on standard input
 * @param answerNames default: the addresses that the attachment already uses
 */
export function changeAttachment(
  parts: ChangeParts,
  id: AttachmentId,
  configuration: unknown,
  answerNames: AnswerNames = (_, { router }) => (router === undefined ? new Map() : recallAnswers(router)),
): ChangeOutcome {
  // The caller decides which names it resolves, so all suffixes are accepted here.
  const parsed = parseNetConf(configuration, undefined, everySuffix);
  if (!parsed.ok) return { kind: 'invalid', problems: parsed.problems };
  const spec = parsed.value;
  return changeLiving(parts, id, (kernel, state) => {
    const reasons = listReplacements(state, spec, () => masterMtu(kernel, state));
    if (reasons.length > 0) return { kind: 'needs-replacement', reasons };
    try {
      refuseOverlap(spec, attachmentsIn(parts.store, kernel.netns, id));
    } catch (error) {
      if (error instanceof PlanError) return { kind: 'conflict', message: error.message };
      throw error;
    }
    const next = withAnswers(spec.redirects, answerNames(spec.redirects, state));
    return carryOut(kernel, parts, state, next, spec.log);
  });
}

/**
 * Applies new addresses of DNS names to a running attachment, in the same way as {@link changeAttachment}. Established
 * connections are not affected.
 */
export function changeAnswers(parts: ChangeParts, id: AttachmentId, answerNames: AnswerNames): ChangeOutcome {
  return changeLiving(parts, id, (kernel, state) => {
    const { router } = state;
    if (router === undefined) return { kind: 'unchanged', state };
    const set = recallRedirects(router);
    const next = withAnswers(set, answerNames(set, state));
    return carryOut(kernel, parts, state, next, { file: router.logFile, level: 'debug' });
  });
}

/** Calls `change` in the namespace of a running attachment, under its lock. */
function changeLiving(
  parts: ChangeParts,
  id: AttachmentId,
  change: (kernel: Kernel, state: AttachmentState) => ChangeOutcome,
): ChangeOutcome {
  const known = findLiving(parts, id);
  if (known === undefined) return { kind: 'gone' };
  const kernel = parts.openKernel(known.netns.path, known.backend);
  try {
    // Another call may have changed or removed the attachment before this one acquired the lock.
    const state = findLiving(parts, id);
    if (state === undefined || state.netns.inode !== kernel.netns.inode) return { kind: 'gone' };
    return change(kernel, state);
  } finally {
    kernel.close();
  }
}

function findLiving({ store, identifyNamespace }: ChangeParts, id: AttachmentId): AttachmentState | undefined {
  const state = store.find(id);
  if (state === undefined || state.bootId !== store.bootId()) return undefined;
  return identifyNamespace(state.netns.path)?.inode === state.netns.inode ? state : undefined;
}

function carryOut(
  kernel: Kernel,
  parts: ChangeParts,
  state: AttachmentState,
  next: RedirectSet,
  { file, level }: LogSettings,
): ChangeOutcome {
  const pod = kernel.readNamespace();
  const log = openPluginLog(parts.openLog(file), level);
  try {
    const plan = planChange(state, next, pod, log.file);
    if (plan.steps.length === 0) return { kind: 'unchanged', state };
    log.debug('Changing the redirects of a running egress router');
    runSteps(kernel, plan.steps);
    tellChange(log, plan);
    const { added, removed, answers } = plan;
    return { kind: 'changed', state: plan.state, added, removed, lost: answers.removed };
  } catch (error) {
    log.error(
      `Cannot change the redirects of ${state.link}: ${error instanceof Error ? error.message : String(error)}`,
    );
    throw error;
  } finally {
    log.close();
  }
}

function tellChange(log: PluginLog, { state, added, removed, answers }: ChangePlan): void {
  const podLinks = Object.fromEntries(state.podLinks.map(({ family, link }) => [family, link]));
  const gone = { ...removed, redirects: [...removed.redirects, ...answers.removed] };
  const come = { ...added, redirects: [...added.redirects, ...answers.added] };
  log.debugAll(describeChangedRules('Removed', gone, podLinks, state.link, state.backend));
  log.debugAll(describeChangedRules('Added', come, podLinks, state.link, state.backend));
}

function masterMtu(kernel: Kernel, state: AttachmentState): number | undefined {
  return kernel.readNode({ routes: false, master: state.master }).links.find(({ name }) => name === state.master)?.mtu;
}

/** Returns the parts of a configuration that cannot change while the pod runs, one sentence each. */
function listReplacements(
  { router, addresses, master, backend, network }: AttachmentState,
  spec: AttachmentSpec,
  readMasterMtu: () => number | undefined,
): string[] {
  if (router === undefined)
    return ['the attachment was created by an earlier version that did not record its configuration'];
  const reasons: string[] = [];
  const compare = (path: string, is: string, wanted: string | undefined): void => {
    if (wanted !== undefined && wanted !== is) reasons.push(`${path} is "${is}" and cannot become "${wanted}"`);
  };
  compare('name', network, spec.network);
  compare(
    'ip.addresses',
    list(addresses.map(formatPrefix)),
    list(spec.reserved.map(({ prefix }) => formatPrefix(prefix))),
  );
  for (const [index, { gateway }] of spec.reserved.entries()) {
    compare('ip.gateway', router.gateways[index]?.text ?? '', gateway?.text);
  }
  compare('interfaceArgs.master', master, spec.master);
  compare('interfaceType', router.linkType ?? 'macvlan', spec.kind.type);
  compare('interfaceArgs.mode', router.mode, spec.kind.mode);
  compare('interfaceArgs.mtu', `${router.mtu}`, `${spec.mtu ?? readMasterMtu() ?? router.mtu}`);
  if (router.mac !== undefined) compare('mac', router.mac, spec.mac);
  else if (spec.mac !== undefined) reasons.push(`mac was chosen by the kernel and cannot become "${spec.mac}"`);
  if (router.clusterNetworks !== undefined) {
    compare('clusterNetworks', list(router.clusterNetworks), list(spec.clusterNetworks.map(formatPrefix)));
  }
  compare('ruleBackend', backend, spec.ruleBackend === 'auto' ? undefined : spec.ruleBackend);
  return reasons;
}

function list(texts: readonly string[]): string {
  return texts.join(', ');
}
