import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../until.ts';
import type { AnswerSpan } from './address-host.ts';
import { type AddressLab, type NodeName, nodeNames } from './address-lab.ts';
import { StallWatch } from './stall-watch.ts';

/** When a node's interface had an address. Times are milliseconds since 1970; `to` is absent until it has lost it. */
interface Holding {
  readonly address: string;
  readonly node: NodeName;
  readonly from: number;
  to?: number;
}

/** Two nodes that had an address at the same time. */
export interface Overlap {
  readonly address: string;
  readonly nodes: readonly [NodeName, NodeName];
  readonly from: number;
  readonly to: number;
}

/** Watches addresses of a lab: in the kernels of the nodes, from a client, and how late this machine runs programs. */
export class AddressWatch {
  readonly stalls = new StallWatch();
  readonly #lab: AddressLab;
  readonly #addresses: readonly string[];
  readonly #monitors: ChildProcess[] = [];
  readonly holdings: Holding[] = [];

  constructor(lab: AddressLab, addresses: readonly string[]) {
    this.#lab = lab;
    this.#addresses = addresses;
  }

  /** Starts to record. The nodes must not have the addresses yet. */
  async start(): Promise<void> {
    await this.stalls.start();
    await Promise.all(nodeNames.map((node) => this.#monitor(node)));
  }

  stop(): void {
    this.stalls.stop();
    for (const child of this.#monitors) child.kill('SIGKILL');
  }

  /** Waits until different nodes hold the addresses, every node knows them, and clients reach them; returns them. */
  async settle(longest = 20_000): Promise<Map<string, NodeName>> {
    const holders = new Map<string, NodeName>();
    const isCalm = async (): Promise<boolean> => {
      await pause(100);
      for (const address of this.#addresses) {
        const [node, second] = await this.#lab.holders(address);
        if (node === undefined || second !== undefined) return false;
        holders.set(address, node);
      }
      if (new Set(holders.values()).size !== this.#addresses.length) return false;
      return nodeNames.every((node) => {
        const state = this.#lab.state(node);
        if (state?.members.every(({ alive, ready }) => alive && ready) !== true) return false;
        return this.#addresses.every((address) => this.#lab.sight(node, address)?.holder === holders.get(address));
      });
    };
    await until(isCalm, () => [nodeNames.map((node) => this.#lab.state(node)), this.#lab.log], longest);
    for (const address of this.#addresses) {
      await this.#lab.ask(address);
      await this.#lab.answering(address, (node) => node === holders.get(address));
    }
    return holders;
  }

  /** Times at which two nodes had one address, since a moment. */
  overlapsSince(begin: number): Overlap[] {
    const now = Date.now();
    const overlaps: Overlap[] = [];
    for (const [index, one] of this.holdings.entries()) {
      for (const other of this.holdings.slice(index + 1)) {
        const from = Math.max(begin, one.from, other.from);
        const to = Math.min(one.to ?? now, other.to ?? now);
        if (one.address !== other.address || one.node === other.node || from >= to) continue;
        overlaps.push({ address: one.address, nodes: [one.node, other.node], from, to });
      }
    }
    return overlaps;
  }

  async #monitor(node: NodeName): Promise<void> {
    // Without stdbuf, ip writes a pipe only once its buffer is full.
    const words = ['stdbuf', '-oL', 'ip', '-o', '-ts', 'monitor', 'address'];
    const child = spawn('ip', ['netns', 'exec', this.#lab.netns(node), ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#monitors.push(child);
    createInterface({ input: child.stdout }).on('line', (line) => this.#record(node, line));
    await once(child, 'spawn');
  }

  /** A line is `[TIME] 2: eth0 inet 192.0.2.10/32 …`, with `Deleted` before the index where the address has gone. */
  #record(node: NodeName, line: string): void {
    const [, time = '', deleted, address = ''] = /^\[(\S+)\] *(Deleted )?\d+: eth0 +inet6? ([^/]+)\//.exec(line) ?? [];
    if (!this.#addresses.includes(address)) return;
    const at = Date.parse(time);
    const open = this.holdings.find((one) => one.address === address && one.node === node && one.to === undefined);
    if (deleted === undefined) {
      if (open === undefined) this.holdings.push({ address, node, from: at });
    } else if (open !== undefined) open.to = at;
  }
}

/** Returns the milliseconds between the last answer of a node and the first of another. */
export function outageOf(spans: readonly AnswerSpan[], node: string): { readonly from: number; readonly to: number } {
  const last = spans.findLast((span) => span.node === node);
  const next = spans.find((span) => span.node !== node && span.first > (last?.last ?? 0));
  return { from: last?.last ?? Number.NaN, to: next?.first ?? Number.NaN };
}
