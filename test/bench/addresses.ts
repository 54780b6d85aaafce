import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { AddressLab, type NodeName, nodeNames, ownAddress, pause, virtualAddress } from '../lab/address-lab.ts';
import { outageOf } from '../lab/address-watch.ts';
import { until } from '../until.ts';
import { formatTable, median } from './measure.ts';

const address = virtualAddress(10, 4);
const rounds = 3;
const keepalived = '/usr/sbin/keepalived';

/** A program that holds the address on three nodes. */
interface Contestant {
  readonly name: string;
  start(lab: AddressLab): Promise<void>;
  signal(lab: AddressLab, node: NodeName, signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
  /** Starts the program of a node again if it has ended or is about to. */
  run(lab: AddressLab, node: NodeName): Promise<void>;
  stop(): void;
}

const ours: Contestant = {
  name: 'ingress-addresses',
  start: (lab) => lab.start([address], ['--share-delay', '1h']),
  signal: (lab, node, signal) => lab.signal(node, signal),
  run: async (lab, node) => {
    const isEnding = lab.state(node)?.members.find((one) => one.node === node)?.ready === false;
    if (lab.isRunning(node) && !isEnding) return;
    await until(
      () => !lab.isRunning(node),
      () => lab.log,
      60_000,
    );
    lab.forget(node);
    lab.run(node, ['--share-delay', '1h']);
  },
  stop: () => {},
};

/** keepalived with unicast peers, without preemption. */
function keepalivedEach(advert: number): Contestant {
  const running = new Map<NodeName, ChildProcess>();
  const run = async (lab: AddressLab, node: NodeName): Promise<void> => {
    if (running.get(node)?.exitCode === null && running.get(node)?.signalCode === null) return;
    const file = join(lab.folder, `${node}.conf`);
    const peers = nodeNames.filter((one) => one !== node).map((one) => ownAddress(one, 4));
    const lines = [
      'vrrp_instance one {',
      'state BACKUP',
      'interface eth0',
      'virtual_router_id 7',
      `priority ${150 - 50 * nodeNames.indexOf(node)}`,
      `advert_int ${advert}`,
      'version 3',
      'nopreempt',
      `unicast_src_ip ${ownAddress(node, 4)}`,
      `unicast_peer {\n${peers.join('\n')}\n}`,
      `virtual_ipaddress {\n${address}/32 dev eth0\n}`,
      '}',
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    const pid = join(lab.folder, node);
    const words = ['-n', '-P', '-f', file, '-p', `${pid}.pid`, '-r', `${pid}.vrrp`];
    const child = spawn('ip', ['netns', 'exec', lab.netns(node), keepalived, ...words], { stdio: 'ignore' });
    running.set(node, child);
  };
  return {
    name: `keepalived, advert ${advert} s`,
    run,
    start: async (lab) => {
      for (const node of nodeNames) await run(lab, node);
    },
    signal: async (_lab, node, signal) => {
      const child = running.get(node);
      // All processes, as an end of the container does. The parent first: it starts children again.
      const { stdout } = await execa('pgrep', ['-P', `${child?.pid}`], { reject: false });
      for (const pid of [`${child?.pid}`, ...stdout.split('\n').filter((one) => one !== '')]) {
        if (signal !== 'SIGKILL' && pid !== `${child?.pid}`) continue;
        try {
          process.kill(Number(pid), signal);
        } catch {
          // It ended with its parent.
        }
      }
    },
    stop: () => {
      for (const child of running.values()) child.kill('SIGTERM');
      running.clear();
    },
  };
}

const events = [
  ['cable cut', (lab: AddressLab, node: NodeName) => lab.plug(node, false)],
  ['switch drops', (lab: AddressLab, node: NodeName) => lab.plug(node, false, true)],
  ['SIGTERM', (lab: AddressLab, node: NodeName, by: Contestant) => by.signal(lab, node, 'SIGTERM')],
  // Last: what a killed program leaves on its node may disturb further moves.
  ['process killed', (lab: AddressLab, node: NodeName, by: Contestant) => by.signal(lab, node, 'SIGKILL')],
] as const;

/** Returns the milliseconds until another node answers, and the longest time without any answer. */
async function measure(lab: AddressLab, by: Contestant, event: (typeof events)[number][1]): Promise<[number, number]> {
  await lab.ask(address);
  const before = await lab.answering(address, () => true);
  const holder = before.at(-1)?.node as NodeName;
  const begin = Date.now();
  await event(lab, holder, by);
  const spans = await lab.answering(address, (node) => node !== holder).catch(() => []);
  const { from, to } = outageOf([...before, ...spans], holder);
  // Back to three nodes.
  await lab.plug(holder, true);
  await lab.plug(holder, true, true);
  await by.run(lab, holder);
  await pause(4000);
  return [to - begin, to - from];
}

/** How long until another node answers for an address, beside keepalived. */
export async function benchAddresses(): Promise<string> {
  const contestants = [ours, keepalivedEach(1), keepalivedEach(0.3)];
  const rows = new Map<string, string[]>(events.map(([name]) => [name, [name]]));
  for (const contestant of contestants) {
    // Separate nodes: rules and addresses of the previous program would remain.
    const lab = new AddressLab();
    await lab.up();
    try {
      await contestant.start(lab);
      await pause(6000);
      for (const [name, event] of events) {
        const results: [number, number][] = [];
        for (let round = 0; round < rounds; round++) results.push(await measure(lab, contestant, event));
        const moved = results.filter(([time]) => !Number.isNaN(time));
        const [until, gap] = [0, 1].map((at) => Math.round(median(moved.map((one) => one[at] ?? Number.NaN))));
        const missed = rounds - moved.length;
        const note = missed === 0 ? '' : `, ${missed} of ${rounds} not within 20 s`;
        rows.get(name)?.push(moved.length === 0 ? 'not within 20 s' : `${until} (${gap})${note}`);
      }
      contestant.stop();
    } finally {
      lab.down();
    }
  }
  const head = [
    'holder’s end: ms until another node answers (without any answer)',
    ...contestants.map(({ name }) => name),
  ];
  return formatTable(head, [...rows.values()]);
}
