import { formatPrefix } from '../../../base/model/address.ts';
import type { NamespaceSnapshot } from '../../../base/model/network.ts';
import { withAnswers } from '../../../base/model/redirect.ts';
import { everySuffix } from '../../api/dns-name.ts';
import { parseNetConf } from '../../api/net-conf.ts';
import { type PreviousResult, parsePreviousResult } from '../../api/prev-result.ts';
import { recallAnswers } from '../../api/remembered.ts';
import type { StateStore } from '../../linux/kernel-api.ts';
import type { AttachmentId } from '../../model/attachment.ts';
import type { AttachmentState } from '../../model/state.ts';
import { listDeviations } from '../../plan/check.ts';
import { describeDesired } from '../../plan/desired.ts';
import { nodeReadingFor, type Resolved, resolveMaster } from '../../plan/resolve.ts';
import { attachmentsIn } from '../attachments.ts';
import type { VerbContext } from '../context.ts';
import { demand } from '../demand.ts';
import type { Call } from '../environment.ts';
import { CniError, errorCodes } from '../error.ts';

/**
 * CHECK (CNI spec 1.1.0 §4): compares everything that ADD installed with the configuration and `prevResult`. Throws a
 * {@link CniError} whose details contain one line per difference.
 */
export function runCheck(
  call: Extract<Call, { verb: 'ADD' | 'CHECK' }>,
  { parts, configuration, log }: VerbContext,
): void {
  const written = demand(parseNetConf(configuration, call.args.mac, everySuffix));
  const previous = demand(parsePreviousResult(configuration));
  log.debug('Called CNI CHECK');
  if (previous === undefined) {
    throw new CniError(
      errorCodes.invalidNetworkConfig,
      'Invalid network configuration: prevResult: is missing; CHECK needs the result of ADD',
    );
  }
  const kernel = parts.openKernel(call.netns, findAttachment(parts.store, call.id).backend);
  try {
    // Read under the lock, because a live change may have ended only now.
    const state = findAttachment(parts.store, call.id);
    // Names as they were answered when the rules were installed: CHECK asks no server.
    const answers = state.router === undefined ? new Map() : recallAnswers(state.router);
    const spec = { ...written, redirects: withAnswers(written.redirects, answers) };
    const pod = kernel.readNamespace();
    const resolved: Resolved = {
      spec,
      ...resolveMaster(spec, kernel.readNode(nodeReadingFor(spec))),
      podLinks: Object.fromEntries(state.podLinks.map(({ family, link }) => [family, link])),
      oldDefaults: state.oldDefaults,
      // ADD recorded its treatment of them together with the routes.
      podDefaults: [],
      slot: state.slot,
    };
    const desired = describeDesired(call.id, state.link, resolved, pod);
    report([
      ...(kernel.netns.inode === state.netns.inode
        ? []
        : [`the attachment is in ${state.netns.path}, not in ${call.netns}`]),
      ...listDeviations(desired, resolved, state, pod, attachmentsIn(parts.store, kernel.netns, call.id)),
      ...kernel.compareRules(desired.program, desired.guard),
      ...comparePrevious(previous, state, pod),
    ]);
  } finally {
    kernel.close();
  }
}

function findAttachment(store: StateStore, id: AttachmentId): AttachmentState {
  const state = store.find(id);
  if (state !== undefined) return state;
  throw new CniError(
    errorCodes.unknownContainer,
    `Cannot check: container ${id.containerId} has no attachment ${id.ifname}; run ADD`,
  );
}

/** Compares with the runtime's view: the interface, its hardware address, its addresses. */
function comparePrevious(previous: PreviousResult, state: AttachmentState, pod: NamespaceSnapshot): string[] {
  const link = pod.links.find((one) => one.name === state.link);
  const told = previous.interfaces.find((one) => one.name === state.link && one.sandbox !== undefined);
  if (told === undefined) return [`prevResult has no interface ${state.link}`];
  const problems: string[] = [];
  if (link !== undefined && told.mac !== undefined && told.mac !== link.mac) {
    problems.push(`interface ${state.link} was replaced: its hardware address is ${link.mac}, not ${told.mac}`);
  }
  const index = previous.interfaces.indexOf(told);
  for (const ip of previous.ips) {
    if (ip.interface !== index) continue;
    const text = formatPrefix(ip.address);
    const there = pod.addresses.some((one) => one.link === state.link && formatPrefix(one.prefix) === text);
    // Reserved addresses have already been reported.
    const named = state.addresses.some((prefix) => formatPrefix(prefix) === text);
    if (!there && !named) problems.push(`address ${text} of prevResult is missing on ${state.link}`);
  }
  return problems;
}

function report(deviations: readonly string[]): void {
  if (deviations.length === 0) return;
  const more = deviations.length > 1 ? `, and ${deviations.length - 1} more (see details)` : '';
  throw new CniError(
    errorCodes.checkFailed,
    `The attachment does not match its configuration: ${deviations[0]}${more}; delete the pod to have it recreated`,
    deviations.join('\n'),
  );
}
