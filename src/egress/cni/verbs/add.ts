import { formatDestination } from '../../../base/model/format.ts';
import type { NamespaceSnapshot } from '../../../base/model/network.ts';
import type { CniVersion } from '../../api/cni-version.ts';
import { everySuffix } from '../../api/dns-name.ts';
import { parseNetConf } from '../../api/net-conf.ts';
import { type PreviousResult, parsePreviousResult } from '../../api/prev-result.ts';
import type { Kernel } from '../../linux/kernel-api.ts';
import type { AttachmentSpec } from '../../model/attachment.ts';
import type { NameReply } from '../../model/name-request.ts';
import type { PodName } from '../../model/state.ts';
import { type AddPlan, planAdd } from '../../plan/add.ts';
import { nodeReadingFor, type Resolved, resolveMaster, resolvePod } from '../../plan/resolve.ts';
import { attachmentsIn, removeLeftovers } from '../attachments.ts';
import type { VerbContext } from '../context.ts';
import { demand } from '../demand.ts';
import type { Call } from '../environment.ts';
import { describeDone, describeRequest, describeRules } from '../log-lines.ts';
import { answerNames, askForNames } from '../names.ts';
import { formatResult } from '../result.ts';
import { runSteps } from '../steps.ts';

type ContainerCall = Extract<Call, { verb: 'ADD' | 'CHECK' }>;

/** ADD (CNI spec 1.1.0 §4): creates the attachment completely or not at all. Returns the result to print. */
export function runAdd(call: ContainerCall, version: CniVersion, context: VerbContext): string {
  // The node daemon decides which names it resolves.
  const spec = demand(parseNetConf(context.configuration, call.args.mac, everySuffix));
  const previous = demand(parsePreviousResult(context.configuration));
  context.log.debug('Called CNI ADD');
  const reply = askForNames(call, spec, context);
  const { redirects, named = [] } = spec.redirects;
  const kernel = context.parts.openKernel(call.netns, spec.ruleBackend, redirects.length + named.length);
  try {
    const { plan, resolved, pod, link } = prepare(call, spec, reply, previous, kernel, context);
    execute(kernel, plan, resolved, pod, link, context);
    return describeResult(version, call, link, kernel, resolved, previous);
  } finally {
    kernel.close();
  }
}

function prepare(
  call: ContainerCall,
  written: AttachmentSpec,
  reply: NameReply,
  previous: PreviousResult | undefined,
  kernel: Kernel,
  context: VerbContext,
): { plan: AddPlan; resolved: Resolved; pod: NamespaceSnapshot; link: string } {
  const {
    parts: { store },
    log,
    configuration,
  } = context;
  const families = written.reserved.map(({ prefix }) => prefix.address.family);
  const before = kernel.readNamespace(families);
  const link = chooseLink(call.id.ifname, previous, before);
  const master = resolveMaster(written, kernel.readNode(nodeReadingFor(written)));
  const removed = removeLeftovers(kernel, store, call.id, link, before);
  if (removed) log.verbose(`Removed leftovers of an earlier attachment in ${call.netns}`);
  const pod = removed ? kernel.readNamespace(families) : before;
  const inPod = resolvePod(written, pod, attachmentsIn(store, kernel.netns, call.id));
  const spec = answerNames(written, reply, { ...master, ...inPod }, pod, context);
  const resolved: Resolved = { spec, ...master, ...inPod };
  for (const line of describeRequest(resolved, writtenDestinations(configuration, spec))) log.debug(line);
  for (const { prefix } of resolved.reserved) {
    const { family } = prefix.address;
    if (inPod.podDefaults.some((route) => route.family === family)) continue;
    log.verbose(`The pod has no IPv${family} default route; replies to clients use its other routes`);
  }
  const podName = podNameOf(call);
  const plan = planAdd({
    id: call.id,
    link,
    resolved,
    pod,
    netns: kernel.netns,
    bootId: store.bootId(),
    backend: kernel.backend,
    logFile: log.file,
    ...(podName === undefined ? {} : { podName }),
  });
  return { plan, resolved, pod, link };
}

function podNameOf({ args: { podNamespace, podName } }: ContainerCall): PodName | undefined {
  return podNamespace && podName ? { namespace: podNamespace, name: podName } : undefined;
}

/**
 * Chooses the interface's name: `CNI_IFNAME`, unless an earlier plugin in a chain created that interface, as in a
 * list after the plugin that creates eth0; then the first free `netN`.
 */
function chooseLink(ifname: string, previous: PreviousResult | undefined, pod: NamespaceSnapshot): string {
  const taken = previous?.interfaces.some((one) => one.name === ifname && one.sandbox !== undefined) ?? false;
  if (!taken) return ifname;
  for (let number = 1; ; number++) {
    const name = `net${number}`;
    if (!pod.links.some((link) => link.name === name)) return name;
  }
}

function execute(
  kernel: Kernel,
  plan: AddPlan,
  resolved: Resolved,
  pod: NamespaceSnapshot,
  link: string,
  { log }: VerbContext,
): void {
  runSteps(kernel, plan.steps, (operation, shortcomings) => {
    log.debugAll(describeDone(operation, pod));
    for (const shortcoming of shortcomings) log.verbose(shortcoming);
  });
  // The rules are installed first but logged last, which is their order in OpenShift's log.
  log.debugAll(describeRules(resolved, link, kernel.backend));
}

/** Returns the destinations as written in the configuration. For an EgressRouter object, returns their equivalent. */
function writtenDestinations(configuration: Readonly<Record<string, unknown>>, spec: AttachmentSpec): string[] {
  const ip = configuration.ip;
  const written = typeof ip === 'object' && ip !== null && 'destinations' in ip ? ip.destinations : undefined;
  if (Array.isArray(written)) return written.filter((one): one is string => typeof one === 'string');
  return [...spec.redirects.redirects, ...(spec.redirects.named ?? [])].map(formatDestination);
}

function describeResult(
  version: CniVersion,
  call: ContainerCall,
  link: string,
  kernel: Kernel,
  resolved: Resolved,
  previous: PreviousResult | undefined,
): string {
  const made = kernel.readLink(link);
  return formatResult(
    version,
    {
      ifname: link,
      mac: made.mac,
      mtu: made.mtu,
      netns: call.netns,
      addresses: resolved.reserved,
      routes: resolved.reserved.map(({ prefix, gateway }) => ({
        destination: {
          address: { family: prefix.address.family, text: prefix.address.family === 4 ? '0.0.0.0' : '::' },
          length: 0,
        },
        gateway,
      })),
    },
    previous,
  );
}
