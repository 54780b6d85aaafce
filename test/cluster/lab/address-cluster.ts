import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { AddressState, Wanted } from '../../../src/ingress/addresses/documents.ts';
import { Agent } from '../../lab/agent-client.ts';
import { executable } from '../../lab/executable.ts';
import { addNamespaces, dropNamespaces, runIp } from '../../lab/namespaces.ts';
import { asPrivileged } from '../../lab/rights.ts';
import { inNamespace } from '../../netns/base/linux/wire.ts';
import { until } from '../../until.ts';
import { agentPaths } from './agent-node.ts';
import { type KubeObject, TestApiServer } from './api-server.ts';
import { writeKubeconfig } from './kubeconfig.ts';

export const systemNamespace = 'egress-router-system';
export const secretsPath = '/api/v1/secrets';
export const keySecret = 'ingress-agent-public-keys';

/** The ingress nodes. */
export const nodes = ['a', 'b'] as const;
export type NodeName = (typeof nodes)[number];
type HostName = NodeName | 'client' | 'one' | 'two';
const numbers: Readonly<Record<HostName, number>> = { a: 1, b: 2, client: 100, one: 51, two: 52 };

/** The address of a host on the segment. */
export function addressOf(host: HostName): string {
  return `192.0.2.${numbers[host]}`;
}

/** Programs of a node, with their containers in the manifest. */
const containers = { 'ingress-agent': 'ingress-agent', 'ingress-addresses': 'addresses' } as const;
type Program = keyof typeof containers;

/**
 * Two ingress nodes, two endpoints and a client on one bridge, with the programs of the nodes as built. The API server of
 * the tests is on the client.
 */
export class AddressCluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'ervc-'));
  readonly server: TestApiServer;
  readonly #agents = new Map<HostName, Agent>();
  readonly #programs = new Map<string, ChildProcess>();
  #kubeconfig = '';
  #log = '';

  /** @param paths of further lists that the server has */
  constructor(paths: readonly string[] = []) {
    this.server = new TestApiServer([...Object.values(agentPaths), secretsPath, ...paths], { address: 'any' });
  }

  /** A kubeconfig for programs in any namespace of the cluster. */
  get kubeconfig(): string {
    return this.#kubeconfig;
  }

  get #names(): string[] {
    return [...Object.keys(numbers), 'switch'].map((host) => this.netns(host));
  }

  netns(host: string): string {
    return `ervc-${host}`;
  }

  /** The programs' log, for messages of failed tests. */
  get log(): string {
    return this.#log.slice(-5000);
  }

  async up(): Promise<void> {
    dropNamespaces(this.#names);
    await addNamespaces(this.#names);
    await runIp(this.netns('switch'), ['link add br0 type bridge mcast_snooping 0', 'link set br0 up']);
    for (const [host, number] of Object.entries(numbers)) {
      await runIp(this.netns('switch'), [
        `link add to-${host} type veth peer name eth0 netns ${this.netns(host)}`,
        `link set to-${host} master br0 up`,
      ]);
      await runIp(this.netns(host), [
        'link set lo up',
        'link set eth0 up',
        `address add 192.0.2.${number}/24 dev eth0`,
      ]);
    }
    for (const node of nodes) {
      await runIp(this.netns(node), ['route add default via 192.0.2.254']);
      await execa('ip', ['netns', 'exec', this.netns(node), 'sysctl', '-qw', 'net.ipv4.ip_forward=1']);
    }
    for (const host of ['one', 'two', 'client'] as const) {
      const agent = await Agent.start(this.netns(host));
      this.#agents.set(host, agent);
      if (host !== 'client') await agent.serve('tcp', addressOf(host), 3306);
    }
    const url = await inNamespace(this.netns('client'), () => this.server.start());
    this.#kubeconfig = writeKubeconfig(this.folder, url.replace('127.0.0.1', addressOf('client')));
    for (const node of nodes) {
      this.server.put(agentPaths.Node, {
        metadata: { name: node, uid: node },
        status: { addresses: [{ type: 'InternalIP', address: addressOf(node) }] },
      } as KubeObject);
    }
    for (const name of ['shop', systemNamespace])
      this.server.put(agentPaths.Namespace, { metadata: { name, uid: name } });
    this.server.put(secretsPath, { metadata: { namespace: systemNamespace, name: keySecret, uid: 'keys' } });
    for (const host of ['one', 'two'] as const) this.#putService(host);
  }

  #putService(host: 'one' | 'two'): void {
    this.server.put(agentPaths.Service, {
      metadata: { namespace: 'shop', name: host, uid: `service-${host}` },
      spec: { ports: [{ name: 'main', protocol: 'TCP', port: 3306 }] },
    } as KubeObject);
    this.putSlice(host, [{ address: addressOf(host), node: 'elsewhere' }]);
  }

  /** Sets the endpoints of a Service. */
  putSlice(service: string, endpoints: readonly { readonly address: string; readonly node: string }[]): void {
    this.server.put(agentPaths.EndpointSlice, {
      metadata: {
        namespace: 'shop',
        name: `${service}-1`,
        uid: `slice-${service}`,
        labels: { 'kubernetes.io/service-name': service },
      },
      addressType: 'IPv4',
      ports: [{ name: 'main', protocol: 'TCP', port: 3306 }],
      endpoints: endpoints.map(({ address, node }) => ({
        addresses: [address],
        nodeName: node,
        conditions: { ready: true },
      })),
    } as KubeObject);
  }

  /** Starts a program of a node with the rights of its container. */
  run(node: NodeName, program: Program): void {
    const directory = join(this.folder, node);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const words: Readonly<Record<Program, readonly string[]>> = {
      'ingress-agent': [
        '--kubeconfig',
        this.#kubeconfig,
        '--node-name',
        node,
        '--check-interval',
        '0',
        '--addresses-directory',
        directory,
      ],
      'ingress-addresses': ['--directory', directory, '--share-delay', '1s'],
    };
    const rights = asPrivileged('ingress/daemonset.yaml', containers[program]);
    const command = [...rights, executable(program), ...words[program]];
    const child = spawn('ip', ['netns', 'exec', this.netns(node), ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, POD_NAMESPACE: systemNamespace },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data: Buffer) => {
        this.#log += `${node} ${data.toString()}`;
      });
    }
    this.#programs.set(`${node} ${program}`, child);
  }

  /** Kills a program of a node. */
  async kill(node: NodeName, program: Program): Promise<void> {
    const child = this.#programs.get(`${node} ${program}`);
    if (child === undefined) return;
    this.#programs.delete(`${node} ${program}`);
    await new Promise((resolve) => {
      child.once('exit', resolve);
      child.kill('SIGKILL');
    });
  }

  /** Takes a node off the network; its programs end with it. */
  async cut(node: NodeName): Promise<void> {
    await runIp(this.netns('switch'), [`link set to-${node} nomaster`]);
    await Promise.all([this.kill(node, 'ingress-agent'), this.kill(node, 'ingress-addresses')]);
  }

  /** The server at an address that answers the client, or the error. */
  async reach(address: string, port: number): Promise<string> {
    const client = this.#agents.get('client');
    return (await client?.reach('tcp', address, port, { timeout: 400 })) ?? '';
  }

  /** Nodes with an address on their interface. */
  async holders(address: string): Promise<readonly NodeName[]> {
    const found = await Promise.all(
      nodes.map(async (node) => {
        const { stdout } = await execa('ip', ['-n', this.netns(node), '-o', 'address', 'show', 'dev', 'eth0']);
        return stdout.includes(` ${address}/`) ? [node] : [];
      }),
    );
    return found.flat();
  }

  read<Document>(node: NodeName, file: string): Document | undefined {
    try {
      return JSON.parse(readFileSync(join(this.folder, node, file), 'utf8')) as Document;
    } catch {
      return undefined;
    }
  }

  wanted(node: NodeName): Wanted | undefined {
    return this.read(node, 'wanted.json');
  }

  state(node: NodeName): AddressState | undefined {
    return this.read(node, 'state.json');
  }

  /** Waits for something about the cluster, at most 40 s: four programs start on a machine that may be busy. */
  async expect(isSo: () => boolean | Promise<boolean>, describe: () => unknown): Promise<void> {
    await until(isSo, () => [describe(), this.log], 40_000);
  }

  /** Reads until a value is as expected, as {@link expect} does; returns it. */
  async settle<Value>(read: () => Promise<Value>, isSo: (value: Value) => boolean): Promise<Value> {
    let last = await read();
    const isSettled = async (): Promise<boolean> => {
      last = await read();
      return isSo(last);
    };
    await this.expect(isSettled, () => last);
    return last;
  }

  async down(): Promise<void> {
    for (const child of this.#programs.values()) child.kill('SIGKILL');
    await this.server.stop();
    for (const agent of this.#agents.values()) agent.stop();
    dropNamespaces(this.#names);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
