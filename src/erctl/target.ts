import { identifyNamespace } from '../base/linux/namespace.ts';
import { showValue } from '../base/read/show-value.ts';
import type { StateStore } from '../egress/linux/kernel-api.ts';
import type { AttachmentState } from '../egress/model/state.ts';
import { ErctlError } from './failure.ts';

/** Options that select a router. */
export interface TargetOptions {
  readonly netns?: string;
  readonly pid?: string;
  readonly attachment?: string;
  readonly pod?: string;
  readonly interface?: string;
}

/** A namespace with routers. */
export interface Target {
  readonly netns: string;
  readonly inode: number;
  /** Only the router of this interface. Absent: all routers. */
  readonly link?: string;
}

/** Finds the selected namespace, by default that of the node's only router. Throws {@link ErctlError}. */
export function findTarget(options: TargetOptions, store: StateStore): Target {
  requireRoot();
  const ways = (['netns', 'pid', 'attachment', 'pod'] as const).filter((key) => options[key] !== undefined);
  if (ways.length > 1) {
    throw new ErctlError(`--${ways[0]} and --${ways[1]} both select the router; remove one of them`);
  }
  if (options.netns !== undefined) return enterable(netnsPath(options.netns), '--netns', options.interface);
  if (options.pid !== undefined) {
    if (!/^[1-9]\d{0,9}$/.test(options.pid)) {
      throw new ErctlError(`--pid ${showValue(options.pid)}: must be the ID of a process in the pod`);
    }
    return enterable(`/proc/${options.pid}/ns/net`, '--pid', options.interface);
  }
  return remembered(chooseState(options, store), options.interface);
}

/** A name in `ip netns` is a file in its folder. */
function netnsPath(text: string): string {
  return text.includes('/') ? text : `/var/run/netns/${text}`;
}

/** Throws {@link ErctlError} for other users, who would see no routers at all. */
export function requireRoot(): void {
  if (process.geteuid?.() !== 0) {
    throw new ErctlError(
      'Only root can enter network namespaces and read /run/egress-router; run erctl with sudo on the node',
    );
  }
}

function enterable(path: string, option: string, link: string | undefined): Target {
  const found = identifyNamespace(path);
  if (found === undefined) {
    throw new ErctlError(
      `${option} ${showValue(path)}: no such network namespace; "erctl list" shows the namespaces of routers`,
    );
  }
  if (identifyNamespace('/proc/self/ns/net')?.inode === found.inode) {
    throw new ErctlError(
      `${option} ${showValue(path)}: is the network namespace of erctl itself; run erctl on the node, not in the pod, and name the pod's namespace`,
    );
  }
  return { netns: path, inode: found.inode, ...(link !== undefined && { link }) };
}

function remembered(state: AttachmentState, link: string | undefined): Target {
  const found = identifyNamespace(state.netns.path);
  const name = state.pod === undefined ? state.id.containerId : `${state.pod.namespace}/${state.pod.name}`;
  if (found?.inode !== state.netns.inode) {
    throw new ErctlError(
      `The network namespace of ${name}, ${state.netns.path}, is gone because the pod has ended; ` +
        'the container runtime deletes its state with DEL or GC',
    );
  }
  return { netns: state.netns.path, inode: found.inode, ...(link !== undefined && { link }) };
}

function chooseState(options: TargetOptions, store: StateStore): AttachmentState {
  const bootId = store.bootId();
  const living = store.list().filter((state) => state.bootId === bootId);
  const { attachment, pod } = options;
  const chosen = living.filter((state) => {
    if (pod !== undefined) return state.pod !== undefined && `${state.pod.namespace}/${state.pod.name}` === pod;
    if (attachment !== undefined) return `${state.id.containerId}@${state.id.ifname}`.startsWith(attachment);
    return true;
  });
  const namespaces = new Set(chosen.map((state) => state.netns.inode));
  const [first] = chosen;
  if (first !== undefined && namespaces.size === 1) return first;
  throw new ErctlError(explain(options, living, chosen));
}

function explain(
  { attachment, pod }: TargetOptions,
  living: readonly AttachmentState[],
  chosen: readonly AttachmentState[],
) {
  const known = living.map(nameOf).slice(0, 8).join(', ') || 'none';
  if (chosen.length > 1 && attachment === undefined && pod === undefined) {
    return `This node has ${chosen.length} egress routers; select one with --pod, --attachment, --netns or --pid: ${known}`;
  }
  if (pod !== undefined) {
    const form = pod.includes('/') ? '' : '; the format is NAMESPACE/NAME';
    return `--pod ${showValue(pod)}: this pod has no egress router on this node${form}; known routers: ${known}`;
  }
  if (attachment !== undefined) {
    const seen = chosen.length === 0 ? 'matches no attachment' : `matches ${chosen.length} attachments`;
    return `--attachment ${showValue(attachment)}: ${seen} on this node; known routers: ${known}`;
  }
  return "No egress router is attached on this node; select a namespace with --netns or --pid, or run erctl on the pod's node";
}

function nameOf(state: AttachmentState): string {
  if (state.pod !== undefined) return `${state.pod.namespace}/${state.pod.name}`;
  return `${state.id.containerId.slice(0, 13)}@${state.id.ifname}`;
}
