import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { readinessCondition } from '../../../src/egress/model/readiness.ts';
import { executable } from '../../lab/executable.ts';
import { Lab } from '../../lab/lab.ts';
import { addresses as at, type Host } from '../../lab/names.ts';
import { addNamespaces } from '../../lab/namespaces.ts';
import { asPrivileged } from '../../lab/rights.ts';
import { inNamespace } from '../../netns/base/linux/wire.ts';
import { configure } from '../../netns/egress/cni/configurations.ts';
import { until } from '../../until.ts';
import { type KubeObject, TestApiServer } from './api-server.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { Program } from './program.ts';

const pods = '/api/v1/pods';
const definitions = '/apis/k8s.cni.cncf.io/v1/network-attachment-definitions';
const events = '/api/v1/events';

/** A second pod, and its node's own end of their cable. */
export const secondPod = {
  pod: { 4: '10.128.40.18', 6: 'fd00:10:128:40::18' },
  node: { 4: '10.128.40.1', 6: 'fd00:10:128:40::1' },
} as const;

type NodeHost = 'node' | 'node2';

/** A router's pod on one of the nodes. */
export interface Place {
  readonly node: NodeHost;
  readonly pod: Host;
  readonly name: string;
}

/**
 * Two nodes on one bridge, each with the daemon and the plugin as built and with folders of its own, and two pods for
 * routers with the same addresses. The API server is behind the same bridge, so a node whose cable is cut loses it, too.
 */
export class TwoNodes {
  readonly lab: Lab;
  readonly server: TestApiServer;
  readonly folder: string;
  readonly daemons: Program[] = [];
  readonly #config: object;
  readonly #prefix: string;
  #kubeconfig = '';

  private constructor(prefix: string, lab: Lab) {
    this.#prefix = prefix;
    this.lab = lab;
    this.folder = mkdtempSync(join(tmpdir(), `${prefix}-`));
    this.server = new TestApiServer([pods, definitions, events], { address: 'any' });
    this.#config = configure(
      [4, 6],
      { destinations: [`8080 TCP ${at.web[4]} 80`, `8081 TCP ${at.web[6]} 80`] },
      { log_file: `/var/log/egress-router/${prefix}` },
    );
  }

  /** @param second node of the second pod */
  static async up(prefix: string, second: NodeHost = 'node2'): Promise<TwoNodes> {
    const nodes = new TwoNodes(prefix, await Lab.up(prefix, { secondNode: true }));
    const { lab, server, folder } = nodes;
    await nodes.#addSecondPod(second);
    await lab.serveOutside({ tcp: [80], udp: [] });
    const url = await inNamespace(lab.netns('outside'), () => server.start());
    nodes.#kubeconfig = writeKubeconfig(folder, url.replace('127.0.0.1', at.gateway[4]));
    const spec = { config: JSON.stringify(nodes.#config) };
    server.put(definitions, { metadata: { namespace: 'shop', name: 'nad' }, spec });
    for (const node of ['node', 'node2'] as const) await nodes.#startDaemon(node);
    return nodes;
  }

  async down(): Promise<void> {
    for (const daemon of this.daemons) await daemon.end();
    this.lab.down();
    await this.server.stop();
    rmSync(this.folder, { recursive: true });
  }

  async #addSecondPod(node: NodeHost): Promise<void> {
    const { lab } = this;
    await addNamespaces([lab.netns('extra')]);
    await lab.ip(
      node,
      `link add to-extra type veth peer name eth0 netns ${lab.netns('extra')}`,
      'link set to-extra up',
      `address add ${secondPod.node[4]}/24 dev to-extra`,
      `address add ${secondPod.node[6]}/64 dev to-extra nodad`,
    );
    await lab.ip(
      'extra',
      'link set lo up',
      'link set eth0 up',
      `address add ${secondPod.pod[4]}/24 dev eth0`,
      `address add ${secondPod.pod[6]}/64 dev eth0 nodad`,
      `route add default via ${secondPod.node[4]}`,
      `route add default via ${secondPod.node[6]}`,
    );
  }

  /** The command that runs another on a node, with state files that the other node does not see. */
  #onNode(node: NodeHost, command: readonly string[]): string[] {
    const script = 'mkdir -p "$0" /run/egress-router && mount --bind "$0" /run/egress-router && exec "$@"';
    return ['netns', 'exec', this.lab.netns(node), 'sh', '-c', script, join(this.folder, `run-${node}`), ...command];
  }

  async #startDaemon(node: NodeHost): Promise<void> {
    const { daemons, folder, server } = this;
    const options = [
      '--kubeconfig',
      this.#kubeconfig,
      '--node-name',
      node,
      '--listen-port',
      '0',
      '--log-level',
      'debug',
    ];
    // Small, because the test calls the plugin itself.
    const install = ['--source', '/bin/true', '--target', folder];
    const rights = asPrivileged('node/daemonset.yaml');
    const daemon = new Program(
      '/sbin/ip',
      this.#onNode(node, [...rights, executable('egress-router-node'), ...options, ...install]),
      { TMPDIR: folder },
    );
    daemons.push(daemon);
    const watches = daemons.length * 2;
    await until(
      () => daemon.output.includes('The node daemon runs') && server.watchCount === watches,
      () => daemon.output,
      20_000,
    );
  }

  /** What kubelet and Multus do for a pod of a router. */
  async addRouter({ node, pod, name }: Place, { hasGate = false } = {}): Promise<void> {
    const annotations = { 'k8s.v1.cni.cncf.io/networks': '[{"name":"nad"}]' };
    const readinessGates = hasGate ? [{ conditionType: readinessCondition }] : [];
    this.server.put(pods, {
      metadata: { namespace: 'shop', name, uid: name, annotations },
      spec: { nodeName: node, readinessGates },
    });
    const { exitCode, stdout } = await execa('/sbin/ip', this.#onNode(node, [executable('egress-router')]), {
      input: JSON.stringify(this.#config),
      reject: false,
      env: {
        CNI_COMMAND: 'ADD',
        CNI_PATH: '/usr/lib/cni',
        CNI_CONTAINERID: `${this.#prefix}-${name}`,
        CNI_NETNS: this.lab.path(pod),
        CNI_IFNAME: 'net1',
        CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${name}`,
      },
    });
    assert.equal(exitCode, 0, stdout);
    await until(
      () => this.#annotations(name)['egress-router.io/applied'] !== undefined,
      () => this.logs(),
      20_000,
    );
  }

  /** Whether the readiness gate of a router's pod is open. */
  isReady(name: string): boolean {
    const { conditions = [] } = (this.server.get(pods, `shop/${name}`)?.status ?? {}) as {
      readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    };
    return conditions.some(({ type, status }) => type === readinessCondition && status === 'True');
  }

  #annotations(name: string): Readonly<Record<string, string>> {
    return (this.server.get(pods, `shop/${name}`)?.metadata.annotations ?? {}) as Readonly<Record<string, string>>;
  }

  /** Deletes a pod as the API server does on request: at once, or when its grace period is over. */
  deletePod(name: string, isGraceful = false): void {
    const pod = this.server.get(pods, `shop/${name}`);
    assert.ok(pod);
    if (!isGraceful) {
      this.server.remove(pods, `shop/${name}`);
      return;
    }
    const metadata = { ...pod.metadata, deletionTimestamp: new Date().toISOString(), deletionGracePeriodSeconds: 5 };
    this.server.put(pods, { ...pod, metadata });
  }

  get events(): readonly KubeObject[] {
    return this.server.all(events);
  }

  /** Ends of the daemons' logs. */
  logs(): readonly string[] {
    return this.daemons.map(({ output }) => output.slice(-3000));
  }

  /** Captures frames which say that the reserved addresses are at the hardware address of a pod. */
  async captureClaims(pod: Host): Promise<{ readonly seen: number; stop(): Promise<string[]> }> {
    const link = await this.lab.run(pod, 'cat', ['/sys/class/net/net1/address']);
    const [four, six] = ['0xc0a80c63', at.reserved[6]];
    const claims = [
      `arp[14:4] = ${four}`,
      `src host ${at.reserved[4]}`,
      `src host ${six}`,
      '(icmp6 and ip6[40] = 136 and ip6[60:4] = 0x00000099)',
    ];
    return this.lab.capture('outside', 'eth0', `ether src ${link.trim()} and (${claims.join(' or ')})`);
  }
}
