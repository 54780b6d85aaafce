import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { AddressState, Wanted } from '../../src/ingress/addresses/documents.ts';
import { until } from '../until.ts';
import type { AddressCommand, AddressReply, AnswerSpan } from './address-host.ts';
import { executable } from './executable.ts';
import { childOf } from './http-node.ts';
import { addNamespaces, dropNamespaces, runIn, runIp } from './namespaces.ts';
import { asPrivileged } from './rights.ts';

const hostProgram = fileURLToPath(new URL('./address-host.ts', import.meta.url));

/** Names of the nodes, and all hosts of the segment with their last number. */
export const nodeNames = ['a', 'b', 'c'] as const;
export type NodeName = (typeof nodeNames)[number];
type HostName = NodeName | 'client' | 'stranger' | 'endpoint';
const numbers: Readonly<Record<HostName, number>> = { a: 1, b: 2, c: 3, client: 100, stranger: 66, endpoint: 50 };

/** Port of the servers on the nodes, and the port that each node's kernel forwards to an endpoint. */
export const ports = { local: 80, forwarded: 5432, closed: 22, heartbeat: 1941 } as const;

/** Virtual addresses of the lab by number. */
export function virtualAddress(number: number, family: 4 | 6): string {
  return family === 4 ? `192.0.2.${number}` : `2001:db8:a::${number}`;
}

/** A node's own address. */
export function ownAddress(host: HostName, family: 4 | 6): string {
  return virtualAddress(numbers[host], family);
}

/** The URL of a source file, for programs that run in a namespace. */
export function sourceOf(path: string): string {
  return new URL(`../../src/${path}`, import.meta.url).href;
}

/** Three nodes, a client, a stranger and an endpoint on one bridge; `ingress-addresses` as built runs on the nodes. */
export class AddressLab {
  readonly folder = mkdtempSync(join(tmpdir(), 'erva-'));
  readonly #hosts = new Map<string, ChildProcess>();
  readonly #programs = new Map<NodeName, ChildProcess>();
  readonly #previous: ChildProcess[] = [];
  readonly #waiting = new Map<string, (answer: AddressReply) => void>();
  readonly #keys = { version: 1, keys: [{ id: 'one', secret: randomBytes(32).toString('base64') }] };
  readonly #wanted = new Map<NodeName, Wanted>();
  readonly #silent = new Set<NodeName>();
  #timer: NodeJS.Timeout | undefined;
  #next = 1;
  #log = '';

  get names(): string[] {
    return [...Object.keys(numbers), 'switch'].map((name) => this.netns(name));
  }

  get wholeLog(): string {
    return this.#log;
  }

  /** The end of the programs' log, for messages of failed tests. */
  get log(): string {
    return this.#log.slice(-6000);
  }

  netns(host: string): string {
    return `erva-${host}`;
  }

  async up(): Promise<void> {
    dropNamespaces(this.names);
    await addNamespaces(this.names);
    await runIp(this.netns('switch'), ['link add br0 type bridge mcast_snooping 0', 'link set br0 up']);
    for (const [host, number] of Object.entries(numbers)) {
      await runIp(this.netns('switch'), [
        `link add to-${host} type veth peer name eth0 address 02:00:00:00:00:${number.toString(16).padStart(2, '0')} netns ${this.netns(host)}`,
        `link set to-${host} master br0 up`,
      ]);
      await runIp(this.netns(host), [
        'link set lo up',
        'link set eth0 up',
        `address add ${virtualAddress(number, 4)}/24 dev eth0`,
        `address add ${virtualAddress(number, 6)}/64 dev eth0 nodad`,
      ]);
    }
    await Promise.all([...nodeNames, 'client', 'endpoint', 'stranger'].map((host) => this.#startHost(host)));
    for (const name of nodeNames) {
      mkdirSync(this.#folderOf(name), { mode: 0o700 });
      await this.tell(name, { do: 'serve', name, port: ports.local });
      const rules = [4, 6].map((family) => {
        const [word, endpoint] = family === 4 ? ['ip', '192.0.2.50'] : ['ip6', '[2001:db8:a::50]'];
        return `table ${word} forward {
          chain pre { type nat hook prerouting priority -100
            fib daddr type local tcp dport ${ports.forwarded} dnat to ${endpoint}:${ports.local}
          }
          chain post { type nat hook postrouting priority 100
            ct status dnat masquerade
          }
        }`;
      });
      await runIn(this.netns(name), 'nft', ['-f', '-'], rules.join('\n'));
      const settings = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];
      await runIn(this.netns(name), 'sysctl', ['-qw', ...settings]);
      // Something that must not answer on a virtual address.
      await this.tell(name, { do: 'serve', name: 'sshd', port: ports.closed });
    }
    await this.tell('endpoint', { do: 'serve', name: 'endpoint', port: ports.local });
    this.#timer = setInterval(() => this.#renew(), 2000);
  }

  /** Sets the virtual addresses of all nodes and starts the processes that do not run. */
  async start(addresses: readonly string[], options: readonly string[] = ['--share-delay', '300ms']): Promise<void> {
    const members = nodeNames.map((node) => ({
      node,
      addresses: [ownAddress(node, 4)],
      port: ports.heartbeat,
      since: 0,
    }));
    for (const node of nodeNames) {
      this.#wanted.set(node, {
        version: 1,
        router: 'lab',
        node,
        writtenAt: Date.now(),
        ready: true,
        drain: false,
        checks: [{ address: '127.0.0.1', port: ports.local }],
        members,
        addresses: addresses.map((address) => ({
          address,
          owner: 'Gateway shop/web',
          ports: [
            { protocol: 'TCP', port: ports.local },
            { protocol: 'UDP', port: ports.local },
            { protocol: 'TCP', port: ports.forwarded },
          ],
        })),
      });
      this.#write(node);
      if (!this.#programs.has(node)) this.run(node, options);
    }
  }

  /** Changes what the agent of a node wants. */
  change(node: NodeName, change: Partial<Wanted>): void {
    const wanted = this.#wanted.get(node);
    if (wanted === undefined) throw new Error(`${node} was not started`);
    this.#wanted.set(node, { ...wanted, ...change });
    this.#write(node);
  }

  /** Lets a node's agent write nothing more, or continue. */
  silence(node: NodeName, isSilent: boolean): void {
    if (isSilent) this.#silent.add(node);
    else this.#silent.delete(node);
  }

  /** Returns a PATH with an nft that takes this many seconds longer, as on a busy node. */
  pathOfSlowRules(seconds: number): string {
    const folder = join(this.folder, 'slow');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'nft'), `#!/bin/sh\nsleep ${seconds}\nPATH=\${PATH#*:} exec nft "$@"\n`, {
      mode: 0o755,
    });
    return `${folder}:${process.env.PATH}`;
  }

  /** Starts the process of a node with the rights of its container. */
  run(
    node: NodeName,
    options: readonly string[] = ['--share-delay', '300ms'],
    path: string | undefined = process.env.PATH,
  ): void {
    const words = ['--directory', this.#folderOf(node), '--log-level', 'info', ...options];
    const rights = asPrivileged('ingress/daemonset.yaml', 'addresses');
    const child = spawn(
      'ip',
      ['netns', 'exec', this.netns(node), ...rights, executable('ingress-addresses'), ...words],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: path } },
    );
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (data: Buffer) => {
        this.#log += `${node} ${data.toString()}`;
      });
    }
    this.#programs.set(node, child);
  }

  /** Sends a signal to a node's process; after one that ends it, waits for its end. */
  async signal(node: NodeName, signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const child = this.#programs.get(node);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    process.kill(childOf(child), signal);
    if (signal !== 'SIGKILL') return;
    await new Promise<void>((resolve) => child.once('exit', () => resolve()));
    this.#programs.delete(node);
  }

  /**
   * Starts a second process of a node, as an update does, and waits until it waits for the first. Returns a function that
   * sends a signal to the first one and resolves when that has ended.
   */
  async runNext(
    node: NodeName,
    options?: readonly string[],
  ): Promise<(signal: 'SIGTERM' | 'SIGKILL') => Promise<void>> {
    const previous = this.#programs.get(node);
    if (previous === undefined) throw new Error(`${node} does not run`);
    this.#previous.push(previous);
    const before = this.#log.length;
    this.run(node, options);
    const isWaiting = () => this.#log.slice(before).includes('waiting for it to exit');
    await until(isWaiting, () => this.log, 20_000);
    return async (signal) => {
      const end = new Promise<void>((resolve) => previous.once('exit', () => resolve()));
      process.kill(childOf(previous), signal);
      await end;
    };
  }

  /** The process started with {@link runNext} has ended, so that the first one is the node's process again. */
  forgetNext(node: NodeName): void {
    const previous = this.#previous.pop();
    if (previous !== undefined) this.#programs.set(node, previous);
  }

  /** Whether a node's process runs. */
  isRunning(node: NodeName): boolean {
    const child = this.#programs.get(node);
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Whether a node has a process, running or ended by itself. */
  hasProcess(node: NodeName): boolean {
    return this.#programs.has(node);
  }

  /** The process has ended by itself, so that {@link run} may start it again. */
  forget(node: NodeName): void {
    this.#programs.delete(node);
  }

  /** Takes the cable of a host off the switch, or plugs it in. `silent`: the carrier stays. */
  async plug(host: HostName, isPlugged: boolean, silent = false): Promise<void> {
    const how = silent ? (isPlugged ? 'master br0' : 'nomaster') : isPlugged ? 'up' : 'down';
    await runIp(this.netns('switch'), [`link set to-${host} ${how}`]);
  }

  /** Kernel and processes of a node are gone for the network; nothing of it answers. */
  async kill(node: NodeName): Promise<void> {
    await this.plug(node, false, true);
    await this.signal(node, 'SIGKILL');
  }

  /** Nodes with the address on eth0, or on `lo`. */
  async holders(address: string, link = 'eth0'): Promise<NodeName[]> {
    const found = await Promise.all(
      nodeNames.map(async (node) => {
        const { stdout } = await execa('ip', ['-n', this.netns(node), '-o', 'address', 'show', 'dev', link]);
        return stdout.includes(` ${address}/`) ? [node] : [];
      }),
    );
    return found.flat();
  }

  /** Waits until one node holds the address, optionally a given one; returns it. */
  async holder(address: string, is: (node: NodeName) => boolean = () => true): Promise<NodeName> {
    let last: NodeName[] = [];
    const isSo = async (): Promise<boolean> => {
      // Starting programs in a tight loop would slow down what is awaited.
      await pause(100);
      last = await this.holders(address);
      const [one] = last;
      return last.length === 1 && one !== undefined && is(one);
    };
    await until(isSo, () => [address, last, this.log], 20_000);
    return last[0] as NodeName;
  }

  /** Hardware addresses of the machines that answer a probe of an address. */
  async owners(address: string): Promise<string[]> {
    const program = `
      import { askOnWire } from '${sourceOf('base/linux/wire-probe.ts')}';
      import { parseAddress } from '${sourceOf('base/model/address.ts')}';
      import { NetlinkSocket } from '${sourceOf('base/linux/netlink/socket.ts')}';
      import { findLink } from '${sourceOf('base/linux/netlink/link.ts')}';
      const link = findLink(new NetlinkSocket(0), 'eth0');
      const claimants = askOnWire(link, [{ address: parseAddress('${address}') }], 500);
      console.log(claimants.map(({ mac }) => mac).join(' '));`;
    const text = await runIn(this.netns('stranger'), process.execPath, ['--input-type=module', '-e', program]);
    return text.split(' ').filter((mac) => mac !== '');
  }

  state(node: NodeName): AddressState | undefined {
    try {
      return JSON.parse(readFileSync(join(this.#folderOf(node), 'state.json'), 'utf8'));
    } catch {
      return undefined;
    }
  }

  /** What a node says of an address. */
  sight(node: NodeName, address: string): AddressState['addresses'][number] | undefined {
    return this.state(node)?.addresses.find((one) => one.address === address);
  }

  tell(host: string, command: AddressCommand): Promise<AddressReply> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(`${host} ${id}`, resolve);
      this.#hosts.get(host)?.send({ id, command });
    });
  }

  /** Starts to ask an address by UDP, and forgets earlier answers. */
  async ask(host: string): Promise<void> {
    await this.tell('client', { do: 'ask', host, port: ports.local });
    await this.tell('client', { do: 'answers', host });
  }

  /** The nodes that have answered since {@link ask} or the last call, in order. */
  async answers(host: string): Promise<readonly AnswerSpan[]> {
    return (await this.tell('client', { do: 'answers', host })).spans ?? [];
  }

  /** Waits until a node answers clients; returns all answers until then. */
  async answering(host: string, is: (node: string) => boolean): Promise<readonly AnswerSpan[]> {
    const spans: AnswerSpan[] = [];
    const isSo = async (): Promise<boolean> => {
      await pause(50);
      spans.push(...(await this.answers(host)));
      const last = spans.at(-1);
      return last !== undefined && is(last.node);
    };
    await until(isSo, () => [host, spans, this.log], 20_000);
    return spans;
  }

  /** Replaces the keys of all nodes, or of one. */
  setKeys(keys: readonly { readonly id: string; readonly secret: string }[], nodes = nodeNames as readonly NodeName[]) {
    for (const node of nodes) this.#replace(join(this.#folderOf(node), 'keys.json'), { version: 1, keys }, 0o600);
  }

  get keys(): readonly { readonly id: string; readonly secret: string }[] {
    return this.#keys.keys;
  }

  /** Ends everything. */
  down(): void {
    clearInterval(this.#timer);
    const children = [...this.#programs.values(), ...this.#previous, ...this.#hosts.values()];
    for (const child of children) child.kill('SIGKILL');
    dropNamespaces(this.names);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #folderOf(node: NodeName): string {
    return join(this.folder, node);
  }

  #renew(): void {
    for (const node of this.#wanted.keys()) if (!this.#silent.has(node)) this.#write(node);
  }

  #write(node: NodeName): void {
    const wanted = this.#wanted.get(node);
    this.#replace(join(this.#folderOf(node), 'wanted.json'), { ...wanted, writtenAt: Date.now() }, 0o644);
    if (this.state(node) === undefined) this.setKeys(this.#keys.keys, [node]);
  }

  #replace(path: string, value: unknown, mode: number): void {
    writeFileSync(`${path}.new`, JSON.stringify(value), { mode });
    chmodSync(`${path}.new`, mode);
    renameSync(`${path}.new`, path);
  }

  async #startHost(host: string): Promise<void> {
    const child = spawn('ip', ['netns', 'exec', this.netns(host), process.execPath, hostProgram], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#hosts.set(host, child);
    await new Promise<void>((resolve) => {
      this.#waiting.set(`${host} 0`, () => resolve());
      child.on('message', ({ id, answer }: { readonly id: number; readonly answer: AddressReply }) => {
        this.#waiting.get(`${host} ${id}`)?.(answer);
        this.#waiting.delete(`${host} ${id}`);
      });
    });
  }
}

/** Resolves after some milliseconds. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
