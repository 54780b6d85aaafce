import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KubeObject, TestApiServer } from '../../test/cluster/lab/api-server.ts';
import { Cluster, clusterPaths as paths, ready } from '../../test/cluster/lab/cluster.ts';
import { writeKubeconfig } from '../../test/cluster/lab/kubeconfig.ts';
import { Program } from '../../test/cluster/lab/program.ts';
import { executable } from '../../test/lab/executable.ts';
import { Lab } from '../../test/lab/lab.ts';
import { addresses as at, type Host } from '../../test/lab/names.ts';
import { addNamespaces } from '../../test/lab/namespaces.ts';
import { pluginCommand } from '../../test/lab/plugin.ts';
import { inNamespace } from '../../test/netns/base/linux/wire.ts';

/** A node with room for one router. */
interface Place {
  readonly node: Host;
  readonly pod: Host;
  /** Address of the pod on the cluster network. */
  readonly address: string;
}

const places: Readonly<Record<string, Place>> = {
  // Pods are scheduled to the first available place.
  'node-b': { node: 'node2', pod: 'extra', address: '10.128.30.18' },
  'node-a': { node: 'node', pod: 'pod', address: at.pod[4] },
};

/**
 * Two nodes on a physical network, an API server on another machine, and the shipped executables: the controller
 * there, the node daemon on node-b, and the plugin on both, called for each pod as a kubelet does.
 */
export class SmallCluster {
  readonly lab: Lab;
  readonly server = new TestApiServer(Object.values(paths), { address: 'any' });
  readonly #cluster = new Cluster(this.server);
  readonly #folder = mkdtempSync(join(tmpdir(), 'erdemo-'));
  readonly #begun = new Set<unknown>();
  readonly #programs: Program[] = [];

  private constructor(lab: Lab) {
    this.lab = lab;
  }

  static async up(prefix: string): Promise<SmallCluster> {
    const lab = await Lab.up(prefix, { secondNode: true });
    const cluster = new SmallCluster(lab);
    await cluster.#wireSecondNode();
    await lab.serveOutside({ tcp: [80, 443], udp: [] });
    await cluster.#start();
    return cluster;
  }

  async down(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.end()));
    this.lab.down();
    await this.server.stop();
    rmSync(this.#folder, { recursive: true });
  }

  /** The running pod of the router and its place. */
  get router(): { readonly pod: KubeObject; readonly place: Place; readonly nodeName: string } | undefined {
    const [pod] = this.server
      .all(paths.pods)
      .filter(({ metadata, status }) => metadata.deletionTimestamp === undefined && isReady(status));
    const { nodeName = '' } = (pod?.spec ?? {}) as { nodeName?: string };
    const place = places[nodeName];
    return pod && place && { pod, place, nodeName };
  }

  /** Output of the programs. */
  get output(): string {
    return this.#programs.map(({ output }) => output).join('\n');
  }

  /** Disconnects or reconnects the node's cable. */
  async setCable(node: Host, state: 'up' | 'down'): Promise<void> {
    await this.lab.ip('phys', `link set to-${node} ${state}`);
    for (const [name, place] of Object.entries(places)) {
      if (place.node === node && state === 'down') this.#cluster.deadNodes.add(name);
    }
  }

  async #wireSecondNode(): Promise<void> {
    const { lab } = this;
    await addNamespaces([lab.netns('extra')]);
    await lab.ip(
      'node2',
      `link add to-extra type veth peer name eth0 netns ${lab.netns('extra')}`,
      'address add 10.128.30.1/24 dev to-extra',
      'link set to-extra up',
      `route add 10.128.0.0/16 via ${at.node[4]}`,
    );
    await lab.run('node2', 'sysctl', ['-q', '-w', 'net.ipv4.ip_forward=1']);
    await lab.ip(
      'extra',
      'link set lo up',
      'link set eth0 up',
      'address add 10.128.30.18/24 dev eth0',
      'route add default via 10.128.30.1',
    );
    for (const host of ['node', 'outside'] as const) await lab.ip(host, `route add 10.128.30.0/24 via ${at.node2[4]}`);
  }

  async #start(): Promise<void> {
    const { lab, server } = this;
    this.#cluster.hasNodeDaemon = false;
    this.#cluster.podAddress = ({ spec }) => places[(spec as { nodeName: string }).nodeName]?.address ?? '';
    this.#cluster.podStatus = () => ({ status: { phase: 'Pending' }, annotations: {} });
    server.onChange(() => this.#runPods());
    const url = await inNamespace(lab.netns('outside'), () => server.start());
    for (const name of Object.keys(places)) this.#cluster.putNode(name);
    const kubeconfig = writeKubeconfig(this.#folder, url.replace('127.0.0.1', at.gateway[4]));
    const install = ['--source', executable('egress-router'), '--target', this.#folder, '--node-name', 'node-b'];
    this.#run('node2', 'egress-router-node', ['--kubeconfig', kubeconfig, ...install]);
    const lease = ['--lease-namespace', 'system', '--image', 'registry.example/egress-router:1'];
    const networks = ['--cluster-networks', '10.128.0.0/14'];
    this.#run('outside', 'egress-router-controller', ['--kubeconfig', kubeconfig, ...networks, ...lease]);
  }

  #run(host: Host, name: string, options: readonly string[]): void {
    const command = ['netns', 'exec', this.lab.netns(host), executable(name), ...options, '--listen-port', '0'];
    this.#programs.push(new Program('/sbin/ip', command));
  }

  /** Plays kubelet and Multus: calls the plugin's ADD for each new pod and writes the result to the pod's status. */
  #runPods(): void {
    for (const pod of this.server.all(paths.pods)) {
      if (this.#begun.has(pod.metadata.uid)) continue;
      this.#begun.add(pod.metadata.uid);
      void this.#add(pod);
    }
  }

  async #add({ metadata, spec }: KubeObject): Promise<void> {
    const place = places[(spec as { nodeName: string }).nodeName];
    const { annotations } = metadata as { annotations?: Record<string, string> };
    const [network] = JSON.parse(annotations?.['k8s.v1.cni.cncf.io/networks'] ?? '[]') as { readonly name: string }[];
    const definition = this.server.get(paths.definitions, `shop/${network?.name}`);
    const { config = '' } = (definition?.spec ?? {}) as { config?: string };
    if (place === undefined) throw new Error(`No room for ${metadata.name}`);
    await this.#callPlugin(place, metadata.name, config);
    const key = `${metadata.namespace}/${metadata.name}`;
    const pod = this.server.get(paths.pods, key);
    if (pod === undefined) return;
    const told = ready(pod, [at.reserved[4]]);
    this.server.put(paths.pods, {
      ...pod,
      metadata: { ...pod.metadata, annotations: { ...(pod.metadata.annotations as object), ...told.annotations } },
      status: { ...(pod.status as object), phase: 'Running', ...told.status },
    });
  }

  /**
   * Calls the plugin. Both nodes share this machine's files, so node-a's state is in a folder that only its call
   * sees.
   */
  async #callPlugin({ node, pod }: Place, name: string, config: string): Promise<void> {
    const variables = {
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: `${this.lab.prefix}-${name}`,
      CNI_NETNS: this.lab.path(pod),
      CNI_IFNAME: 'net1',
      CNI_PATH: '/usr/lib/cni',
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${name}`,
    };
    const environment = Object.entries(variables).map(([key, value]) => `${key}=${value}`);
    const own = 'mkdir -p /run/egress-router && mount -t tmpfs -o mode=0700 none /run/egress-router && exec "$0" "$@"';
    const alone = node === 'node' ? ['unshare', '--mount', 'sh', '-c', own] : [];
    await this.lab.run(node, 'env', [...environment, ...alone, ...pluginCommand()], config);
  }
}

function isReady(status: unknown): boolean {
  const { conditions = [] } = (status ?? {}) as { conditions?: readonly { type: string; status: string }[] };
  return conditions.some((one) => one.type === 'Ready' && one.status === 'True');
}
