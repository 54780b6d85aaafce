import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism, loadavg } from 'node:os';
import { AddressLab, nodeNames, pause, virtualAddress } from '../lab/address-lab.ts';
import { AddressWatch } from '../lab/address-watch.ts';

/** What a run of the harness saw. */
export interface AddressMoveFigures {
  seconds: number;
  /** Load average of one minute at the end. */
  load: number;
  /** Longest stall of the machine in milliseconds: programs that were ready did not run. */
  longestStall: number;
  /** Moves although no node had a fault. */
  moves: string[];
  /** Times at which two nodes had an address. */
  twins: string[];
}

/** How a run goes. */
export interface AddressMoveOptions {
  readonly seconds: number;
  /** Runnable processes besides those of the lab. */
  readonly load: number;
}

/** Holds two addresses on three nodes of a busy machine. No node has a fault, so no address may move. */
export async function keepAddresses({ seconds, load }: AddressMoveOptions): Promise<AddressMoveFigures> {
  const addresses = [virtualAddress(10, 4), virtualAddress(10, 6)];
  const lab = new AddressLab();
  const watch = new AddressWatch(lab, addresses);
  const busy: ChildProcess[] = [];
  try {
    await lab.up();
    await watch.start();
    await lab.start(addresses);
    await watch.settle(60_000);
    const begin = Date.now();
    // Each spends its time in system calls and in computing, as a busy server does.
    for (let index = 0; index < load; index++) busy.push(spawn('dd', ['if=/dev/urandom', 'of=/dev/null', 'bs=1M']));
    await pause(seconds * 1000);
    const moves = nodeNames.flatMap((node) => (lab.state(node)?.moves ?? []).map((move) => ({ node, ...move })));
    return {
      seconds,
      load: Math.round(loadavg()[0] ?? 0),
      longestStall: await watch.stalls.longest(begin),
      moves: moves.filter(({ at }) => at >= begin).map((move) => JSON.stringify(move)),
      twins: watch.overlapsSince(begin).map((overlap) => JSON.stringify(overlap)),
    };
  } finally {
    for (const child of busy) child.kill('SIGKILL');
    watch.stop();
    lab.down();
  }
}

/** The load of the requirement: 14 runnable processes on two processors. */
export const usualLoad = 7 * availableParallelism();
