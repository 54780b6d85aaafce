import { KernelError } from '../../base/linux/kernel-error.ts';
import { listFlows } from '../../base/linux/netlink/flow.ts';
import { listNeighbours } from '../../base/linux/netlink/neighbour.ts';
import { swallowsEgress } from '../../base/linux/netlink/qdisc.ts';
import { lookUpRoute } from '../../base/linux/netlink/route-lookup.ts';
import { NetlinkSocket, netlinkFamily } from '../../base/linux/netlink/socket.ts';
import { reasonOf } from '../../base/linux/reason.ts';
import { readSysctl } from '../../base/linux/sysctl.ts';
import { askOnWire, type WireQuestion } from '../../base/linux/wire-probe.ts';
import type { Claimant, Flow, Neighbour, RouteAnswer, RouteQuestion } from '../../base/model/observed.ts';
import { LinkDirectory } from './link-directory.ts';

/** Reads what observations need beyond the snapshots of plans. The thread must be in the namespace. */
export class NamespaceInspector {
  readonly #socket: NetlinkSocket;
  readonly #links: LinkDirectory;

  /** Throws {@link KernelError}. */
  constructor() {
    this.#socket = reading('netlink', () => new NetlinkSocket(netlinkFamily.route));
    this.#links = new LinkDirectory(this.#socket);
  }

  /** Throws {@link KernelError}. */
  listNeighbours(): Neighbour[] {
    return reading('neighbours', () => listNeighbours(this.#socket));
  }

  /** Returns whether a link's queueing discipline drops everything that the kernel sends. Throws {@link KernelError}. */
  isSuspended(linkName: string): boolean {
    const link = this.#links.list().find((one) => one.name === linkName);
    return link !== undefined && reading(`queueing of ${linkName}`, () => swallowsEgress(this.#socket, link.index));
  }

  /** Asks the kernel for the route of a packet. Throws {@link KernelError}. */
  lookUpRoute(question: RouteQuestion): RouteAnswer {
    return reading('routes', () => lookUpRoute(this.#socket, question, this.#links));
  }

  /** Returns the connections tracked in the namespace. Throws {@link KernelError}. */
  listFlows(): Flow[] {
    return reading('connections', () => {
      const socket = new NetlinkSocket(netlinkFamily.netfilter);
      try {
        return listFlows(socket);
      } finally {
        socket.close();
      }
    });
  }

  /**
   * Returns the number of tracked connections, the maximum, and the timeout in seconds of an unanswered SYN.
   * Undefined if the namespace tracks no connections.
   */
  readTracking(): { count: number; maximum: number; synSentTimeout: number } | undefined {
    const count = countTracked();
    const [maximum, synSentTimeout = '120'] = ['max', 'tcp_timeout_syn_sent'].map((word) =>
      readSysctl(`net/netfilter/nf_conntrack_${word}`),
    );
    if (count === undefined || maximum === undefined) return undefined;
    return { count, maximum: Number(maximum), synSentTimeout: Number(synSentTimeout) };
  }

  /** Returns the hosts on the link that claim these addresses, or undefined if the link cannot send probes. */
  askOnWire(linkName: string, questions: readonly WireQuestion[], milliseconds: number): Claimant[] | undefined {
    const link = this.#links.list().find((one) => one.name === linkName);
    if (
      link === undefined ||
      !link.up ||
      link.carrier === false ||
      !/^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(link.mac)
    ) {
      return undefined;
    }
    return reading(`the wire of ${linkName}`, () => askOnWire(link, questions, milliseconds));
  }

  close(): void {
    this.#socket.close();
  }
}

/**
 * Returns the number of tracked connections of the thread's network namespace, or undefined if it tracks none. Much
 * cheaper than a {@link NamespaceInspector}.
 */
export function countTracked(): number | undefined {
  const count = readSysctl('net/netfilter/nf_conntrack_count');
  return count === undefined ? undefined : Number(count);
}

function reading<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof KernelError) throw cause;
    throw new KernelError('refused', `Cannot read ${what}: ${reasonOf(cause)}`, { cause });
  }
}
