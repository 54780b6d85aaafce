import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { clusterNames } from '../../../src/base/kubernetes/names.ts';
import { places } from '../../../src/ingress/operator/names.ts';
import { Agent } from '../../lab/agent-client.ts';
import { executable } from '../../lab/executable.ts';
import { addNamespaces, dropNamespaces, runIp } from '../../lab/namespaces.ts';
import { asPrivileged } from '../../lab/rights.ts';
import { AddressCluster, addressOf, type NodeName, nodes } from './address-cluster.ts';
import { agentPaths } from './agent-node.ts';
import type { KubeObject } from './api-server.ts';
import { OperatorLab, operatorPaths } from './operator-lab.ts';
import { Program } from './program.ts';
import { mountPod, noDelay } from './router-pod.ts';

/** Where a router's pod runs: with hostNetwork on a node, or in a network of its own behind node a. */
export type Place = NodeName | 'pod';

/** Ports of a router's pod. */
interface Ports {
  readonly http: number;
  readonly https: number;
}

/** An endpoint of a router's Service. */
interface Endpoint extends Ports {
  readonly place: Place;
  readonly state: 'ready' | 'draining' | 'unready';
}

interface WrittenService {
  readonly spec: { readonly type?: string; readonly loadBalancerClass?: string };
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly { readonly ip: string }[] };
    readonly conditions?: readonly { readonly reason: string; readonly message: string }[];
  };
}

const podAddress = '10.0.0.2';

/**
 * Two ingress nodes with pools, the controller with `--ingress-controllers`, and the routers that it creates, all as built.
 * The lab does what kubelets, the endpoint slice controller and kube-proxy do.
 */
export class RouterCluster {
  readonly cluster = new AddressCluster(Object.values(operatorPaths));
  readonly lab = new OperatorLab(undefined, this.cluster.server);
  readonly #programs = new Map<string, Program>();
  readonly #endpoints = new Map<string, readonly Endpoint[]>();
  readonly #listeners: Agent[] = [];
  readonly #loaded = new Map<NodeName, string>();
  #proxying: Promise<void> | undefined;
  #hasProxy = false;

  async up(): Promise<void> {
    const { cluster } = this;
    await cluster.up();
    const pod = cluster.netns('pod');
    dropNamespaces([pod]);
    await addNamespaces([pod]);
    await runIp(cluster.netns('a'), [`link add to-pod type veth peer name eth0 netns ${pod}`]);
    await runIp(cluster.netns('a'), ['link set to-pod up', 'address add 10.0.0.1/24 dev to-pod']);
    await runIp(pod, ['link set lo up', 'link set eth0 up', `address add ${podAddress}/24 dev eth0`]);
    await runIp(pod, ['route add default via 10.0.0.1']);
    await runIp(cluster.netns('client'), [`route add 10.0.0.0/24 via ${addressOf('a')}`]);
    for (const node of nodes) {
      // Like the HAProxy of the DaemonSet, which listens on port 80 of all addresses.
      const listener = await Agent.start(cluster.netns(node));
      await listener.serve('tcp', '0.0.0.0', 80);
      this.#listeners.push(listener);
      for (const program of ['ingress-agent', 'ingress-addresses'] as const) cluster.run(node, program);
    }
    cluster.server.put(agentPaths.Namespace, { metadata: { name: places.routers, uid: places.routers } });
    this.startController();
    cluster.server.onChange((collection) => {
      if (collection === agentPaths.Service || collection === agentPaths.EndpointSlice) this.#proxy();
    });
  }

  startController(): void {
    this.lab.start([], { kubeconfig: this.cluster.kubeconfig, netns: this.cluster.netns('client') });
  }

  /** Writes an error page for an IngressController, by which a test recognizes its router. */
  putPage(name: string): object {
    const page = `router ${name}\n`;
    const text = `HTTP/1.0 503 Gone\r\nContent-Length: ${page.length}\r\n\r\n${page}`;
    this.cluster.server.put(operatorPaths.configMaps, {
      metadata: { namespace: places.configuration, name: `pages-${name}`, uid: `pages-${name}` },
      data: { 'error-page-503.http': text },
    });
    return { httpErrorCodePages: { name: `pages-${name}` } };
  }

  service(name: string): WrittenService | undefined {
    return this.lab.router('services', `router-${name}`) as WrittenService | undefined;
  }

  /** Addresses in the status of a router's Service. */
  addressesOf(name: string): readonly string[] {
    return this.service(name)?.status?.loadBalancer?.ingress?.map(({ ip }) => ip) ?? [];
  }

  /** Waits for the address of a router in its Service and its IngressController; returns it. */
  async awaitAddress(name: string, isWanted: (address: string) => boolean = () => true): Promise<string> {
    const isSo = (): boolean => {
      const [address] = this.addressesOf(name);
      return address !== undefined && isWanted(address);
    };
    await this.cluster.expect(isSo, () => [name, this.service(name), this.lab.conditions(name)]);
    return this.addressesOf(name)[0] as string;
  }

  /** Starts the containers of a router's pod. */
  run(name: string, place: Place): void {
    const folder = join(this.cluster.folder, place);
    const pod = mountPod(this.lab, name, folder);
    // The folder of the volume `run`.
    const run = `--haproxy-directory=${join(folder, `run-${name}`)}`;
    const addresses = `--addresses-directory=${join(folder, `addresses-${name}`)}`;
    const variables = { ...pod.environment, NODE_NAME: place, KUBECONFIG: this.cluster.kubeconfig };
    const start = (container: string, [program = '', ...words]: readonly string[], own: Record<string, string>) => {
      const rights = asPrivileged('ingress/daemonset.yaml', container);
      const command = ['netns', 'exec', this.cluster.netns(place), ...rights, executable(program), ...words];
      this.#programs.set(`${name} ${place} ${container}`, new Program('/sbin/ip', command, own));
    };
    start('haproxy', [...pod.haproxy, run], noDelay);
    start('ingress-agent', [...pod.router, run, addresses], variables);
  }

  /** Output of the containers of a router's pod. */
  outputOf(name: string, place: Place): string {
    const containers = ['haproxy', 'ingress-agent'].map((one) => this.#programs.get(`${name} ${place} ${one}`)?.output);
    return containers.join('\n');
  }

  /** Sets the endpoints of a router's Service, as the endpoint slice controller does. */
  putEndpoints(name: string, endpoints: readonly Endpoint[]): void {
    this.#endpoints.set(name, endpoints);
    const [first] = endpoints;
    this.cluster.server.put(agentPaths.EndpointSlice, {
      metadata: {
        namespace: places.routers,
        name: `router-${name}-1`,
        uid: `slice-${name}`,
        labels: { 'kubernetes.io/service-name': `router-${name}` },
      },
      addressType: 'IPv4',
      ports: first && [
        { name: 'http', protocol: 'TCP', port: first.http },
        { name: 'https', protocol: 'TCP', port: first.https },
      ],
      endpoints: endpoints.map(({ place, state }) => ({
        addresses: [ipOf(place)],
        nodeName: nodeOf(place),
        conditions: { ready: state === 'ready', serving: state !== 'unready', terminating: state === 'draining' },
      })),
    } as KubeObject);
  }

  /** Starts to translate connections as kube-proxy does with `externalTrafficPolicy: Local`. */
  async startProxies(): Promise<void> {
    this.#hasProxy = true;
    this.#proxy();
    await this.#proxying;
  }

  #proxy(): void {
    if (!this.#hasProxy) return;
    this.#proxying = (this.#proxying ?? Promise.resolve()).then(async () => {
      for (const node of nodes) {
        const script = this.#translate(node);
        if (this.#loaded.get(node) === script) continue;
        this.#loaded.set(node, script);
        await execa('ip', ['netns', 'exec', this.cluster.netns(node), 'nft', '-f', '-'], { input: script });
      }
    });
  }

  #translate(node: NodeName): string {
    const rules = [...this.#endpoints].flatMap(([name, endpoints]) => {
      const find = (wanted: string) => endpoints.find(({ place, state }) => state === wanted && nodeOf(place) === node);
      const local = find('ready') ?? find('draining');
      if (local === undefined || this.service(name)?.spec.type !== 'LoadBalancer') return [];
      return this.addressesOf(name).flatMap((address) =>
        (
          [
            ['http', 80],
            ['https', 443],
          ] as const
        ).map(
          ([port, number]) => `ip daddr ${address} tcp dport ${number} dnat to ${ipOf(local.place)}:${local[port]}`,
        ),
      );
    });
    return `table ip proxy\ndelete table ip proxy\ntable ip proxy {\n\tchain prerouting {\n\t\ttype nat hook prerouting priority -100\n\t\t${rules.join('\n\t\t')}\n\t}\n}\n`;
  }

  /** What the client sees at an address: the body of the answer, or the error of curl. */
  async get(address: string, scheme: 'http' | 'https' = 'http', port?: number): Promise<string> {
    const url = `${scheme}://${address}${port === undefined ? '' : `:${port}`}/`;
    const command = ['netns', 'exec', this.cluster.netns('client'), 'curl', '-sSk', '--max-time', '2', url];
    const { stdout, stderr } = await execa('ip', command, { reject: false });
    return stdout || stderr;
  }

  /** Waits until both web ports of an address answer as a router. */
  async awaitAnswer(address: string, name: string): Promise<void> {
    for (const scheme of ['http', 'https'] as const) {
      await this.cluster.settle(
        () => this.get(address, scheme),
        (text) => text.trim() === `router ${name}`,
      );
    }
  }

  /** Waits until exactly one node, or the given one, holds an address; returns it. */
  async awaitHolder(address: string, node?: NodeName): Promise<NodeName> {
    const [holder] = await this.cluster.settle(
      () => this.cluster.holders(address),
      (found) => found.length === 1 && (node === undefined || found[0] === node),
    );
    return holder as NodeName;
  }

  /** Restarts a program of a node after SIGKILL. */
  async restart(node: NodeName, program: 'ingress-agent' | 'ingress-addresses'): Promise<void> {
    await this.cluster.kill(node, program);
    this.cluster.run(node, program);
  }

  /** The value of the condition of a Service about its addresses. */
  reasonOf(collection: string, key: string): string {
    const found = (this.cluster.server.get(collection, key) as WrittenService | undefined)?.status?.conditions ?? [];
    const one = found.find((condition) => (condition as { type?: string }).type === clusterNames.addressCondition);
    return one === undefined ? '' : `${one.reason} ${one.message}`;
  }

  async down(): Promise<void> {
    this.#hasProxy = false;
    await this.#proxying;
    for (const listener of this.#listeners) listener.stop();
    await Promise.all([...this.#programs.values()].map((program) => program.end('SIGINT')));
    await this.lab.program?.end();
    await this.cluster.down();
    dropNamespaces([this.cluster.netns('pod')]);
    rmSync(this.lab.folder, { recursive: true, force: true });
  }
}

function ipOf(place: Place): string {
  return place === 'pod' ? podAddress : addressOf(place);
}

function nodeOf(place: Place): NodeName {
  return place === 'pod' ? 'a' : place;
}
