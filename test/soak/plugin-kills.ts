import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { Lab } from '../lab/lab.ts';
import { addresses as at } from '../lab/names.ts';
import { pathFor, pluginCommand, type Variant } from '../lab/plugin.ts';
import { configure } from '../netns/egress/cni/configurations.ts';
import { makeRandom } from './random.ts';

/** What a run of the harness saw. */
export interface KillFigures {
  kills: number;
  /** Calls that were let finish, and had to succeed. */
  calls: number;
  /** Packets with the reserved address that a capture on the wire saw. */
  packets: number;
  /** Frames that left net1 with another source, or a client's packet outside; a sample. */
  leaks: string[];
  /** What was there after a DEL and should not be; a sample. */
  leftovers: string[];
  /** Calls that failed, with their error. */
  failures: string[];
}

/** How a run goes. */
export interface KillOptions {
  readonly variant: Variant;
  readonly seconds: number;
  /** Begins the sequence of what is killed when. */
  readonly seed: number;
}

const mac = '02:00:00:00:00:99';
/** Milliseconds: a little longer than a call takes. */
const longestLife = 60;
const folder = '/run/egress-router';

/**
 * Kills the plugin (SIGKILL) at random moments of ADD and DEL, while clients and the pod itself send,
 * with a capture on the wire; after each kill an ADD or a DEL has to work, and after a DEL nothing may
 * be left.
 */
export async function killPlugin(prefix: string, { variant, seconds, seed }: KillOptions): Promise<KillFigures> {
  const lab = await Lab.up(prefix);
  try {
    return await run(lab, variant, seconds, makeRandom(seed));
  } finally {
    lab.down();
  }
}

async function run(lab: Lab, variant: Variant, seconds: number, random: () => number): Promise<KillFigures> {
  const figures: KillFigures = { kills: 0, calls: 0, packets: 0, leaks: [], leftovers: [], failures: [] };
  const config = configure([4, 6]);
  const call = async (verb: 'ADD' | 'DEL'): Promise<number> => {
    figures.calls++;
    const { status, stdout, json } = await lab.plugin(verb, config, { variant, args: `MAC=${mac}` });
    // A killed ADD may have been done already.
    if (verb === 'ADD' && json?.code === 103) return 0;
    if (status !== 0) figures.failures.push(`${verb} after ${figures.kills} kills: ${stdout}`);
    return status;
  };
  const captures = await beginTraffic(lab);
  // Empty tables that iptables leaves are there from the first call on.
  await call('ADD');
  await call('DEL');
  const untouched = await lab.describe('pod');
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end && figures.failures.length === 0) {
    await killDuring(lab, variant, 'ADD', config, random() * longestLife);
    figures.kills++;
    if (random() < 0.5) await call('ADD');
    if (random() < 0.5) {
      await killDuring(lab, variant, 'DEL', config, random() * longestLife);
      figures.kills++;
    }
    await call('DEL');
    const left = await lab.describe('pod');
    if (left !== untouched) figures.leftovers.push(firstDifference(untouched, left));
    figures.leftovers.push(...listFiles(`${lab.prefix}-`, `net-${statSync(lab.path('pod')).ino}`));
  }
  figures.leaks.push(...(await captures.wrong.stop()).slice(0, 5));
  figures.packets = (await captures.through.stop()).length;
  return figures;
}

async function beginTraffic(lab: Lab) {
  await lab.serveOutside({ tcp: [80, 443], udp: [80] });
  // A program in the pod tracks connections before the plugin runs; an outside host does not answer.
  await lab.run('pod', 'nft', ['-f', '-'], trackAll);
  await lab.run('outside', 'nft', ['-f', '-'], silence);
  const clients = [at.near, at.far].flatMap((host) => [`src host ${host[4]}`, `src host ${host[6]}`]).join(' or ');
  const own = `src host ${at.reserved[4]} or src host ${at.reserved[6]} or arp or src host :: or src host fe80::ff:fe00:99`;
  const wrong = await lab.capture('outside', 'eth0', `(ether src ${mac} and not (${own})) or (${clients})`);
  const through = await lab.capture('outside', 'eth0', `src host ${at.reserved[4]} or src host ${at.reserved[6]}`);
  const [far, near] = [await lab.agent('far'), await lab.agent('near')];
  await far.hammer('tcp', 'tcp', at.pod[4], 8080);
  await far.hammer('udp', 'udp', at.pod[4], 80);
  await near.hammer('tcp6', 'tcp', at.pod[6], 8080);
  for (const family of [4, 6] as const) await lab.run('pod', 'sh', ['-c', sendSteadily(family)]);
  return { wrong, through };
}

/** Starts a call and kills it after some milliseconds, unless it ended before. */
async function killDuring(
  lab: Lab,
  variant: Variant,
  verb: string,
  config: unknown,
  milliseconds: number,
): Promise<void> {
  const [program, ...args] = pluginCommand();
  const child = spawn('/sbin/ip', ['netns', 'exec', lab.netns('node'), program, ...args], {
    env: {
      PATH: pathFor(variant),
      CNI_COMMAND: verb,
      CNI_CONTAINERID: `${lab.prefix}-container`,
      CNI_NETNS: lab.path('pod'),
      CNI_IFNAME: 'net1',
      CNI_ARGS: `MAC=${mac}`,
    },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.stdin.on('error', () => {});
  child.stdin.end(JSON.stringify(config));
  setTimeout(() => child.kill('SIGKILL'), milliseconds);
  await ended;
}

/** States of the lab's containers, and the lock of its pod. */
function listFiles(prefix: string, lock: string): string[] {
  const states = readdirSync(folder).filter((name) => name.startsWith(prefix));
  return [...states, ...(existsSync(`${folder}/locks/${lock}`) ? [lock] : [])];
}

function firstDifference(one: string, other: string): string {
  const lines = new Set(one.split('\n'));
  return other.split('\n').find((line) => !lines.has(line)) ?? 'something is missing';
}

const trackAll = 'table inet mesh {\n chain out {\n type filter hook output priority 0;\n ct state new accept\n }\n}\n';
const silence = 'table inet quiet {\n chain in {\n type filter hook input priority 0;\n udp dport 9 drop\n }\n}\n';

/** Sends datagrams from the pod's own address to a silent host, until the lab is closed. */
function sendSteadily(family: 4 | 6): string {
  return `exec ${process.execPath} -e '
    const socket = require("node:dgram").createSocket("udp${family}");
    socket.on("error", () => {});
    socket.bind(45454, "${at.pod[family]}", () => setInterval(() => socket.send("steady", 9, "${at.web[family]}"), 10));
  ' >/dev/null 2>&1 &`;
}
