import { execFileSync, spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readinessCondition } from '../../src/egress/model/readiness.ts';
import { type KubeObject, TestApiServer } from '../cluster/lab/api-server.ts';
import { writeKubeconfig } from '../cluster/lab/kubeconfig.ts';
import { Program } from '../cluster/lab/program.ts';
import { TestDns } from '../lab/dns-server.ts';
import { executable } from '../lab/executable.ts';
import { pathFor, pluginCommand } from '../lab/plugin.ts';
import { asPrivileged, environmentIn } from '../lab/rights.ts';
import { inNamespace } from '../netns/base/linux/wire.ts';
import { SmallWorld } from '../netns/egress/linux/world.ts';
import { until } from '../until.ts';
import { cpuOf, formatTable, median, timeProcess } from './measure.ts';

const count = 100;
const pods = '/api/v1/pods';
const definitions = '/apis/k8s.cni.cncf.io/v1/network-attachment-definitions';
const events = '/api/v1/events';
/** Seconds of rest that are measured, each a row. */
const rests = 4;
/** DNS names of each router, and the TTL of their answers in seconds. */
const names = { count: 10, ttl: 60, port: 5300 } as const;

/** The daemon of a node as it ships, beside 100 routers: what it costs at rest, and what a change takes. */
export async function benchNode(): Promise<string> {
  const world = new SmallWorld('ernodeb');
  const folder = mkdtempSync(join(tmpdir(), 'ernodeb-'));
  const server = new TestApiServer([pods, definitions, events], { address: 'any' });
  const routers = Array.from({ length: count }, (_, i) => new Router(i));
  let daemon: Program | undefined;
  try {
    world.make();
    makeGateway(world.node);
    const kubeconfig = writeKubeconfig(folder, await inNamespace(world.node, () => server.start()));
    for (const router of routers) router.make(world.node, server);
    daemon = startDaemon(world.node, kubeconfig, folder);
    await until(
      () => server.watchCount === 2,
      () => daemon?.output,
      20_000,
    );
    const began = performance.now();
    for (const router of routers) {
      inNamespace(world.node, () => router.call('ADD'));
      // Meanwhile the server answers.
      await sleep(1);
    }
    const added = performance.now();
    const done = (): number => routers.filter((one) => one.isApplied(server) && one.isReady(server)).length;
    await until(
      () => done() === count,
      () => `${done()} of ${count} are ready; ${daemon?.output.slice(-2000)}`,
      60_000,
    );
    const ready = performance.now();
    // The daemon compares each with the result of ADD within a minute.
    await sleep(65_000);
    const shares: number[] = [];
    for (let i = 0; i < rests; i++) {
      const before = cpuOf(daemon.pid, { children: true });
      await sleep(15_000);
      shares.push((cpuOf(daemon.pid, { children: true }) - before) / 150);
    }
    const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1];
    const one = await change(routers[0], server, 3);
    const large = await change(routers[1], server, 10_000);
    return formatTable(
      [`${count} routers on a node`, ''],
      [
        ['CPU at rest, % of a core, median of four times 15 s', median(shares).toFixed(2)],
        ['the highest of them', Math.max(...shares).toFixed(2)],
        ['memory, MiB', (Number(resident) / 1024).toFixed(0)],
        ['all ADDs, one after another, ms', (added - began).toFixed(0)],
        ['from the last ADD to the last router ready, ms', (ready - added).toFixed(0)],
        ['one of 3 redirects changed: from the definition to the pod’s annotation, median of 20, ms', one],
        ['one of 10,000 redirects changed, median of 20, ms', large],
      ],
    );
  } finally {
    await daemon?.end();
    for (const router of routers) router.drop(world.node);
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
    world.drop();
    ip(`netns delete ${gateway}\n`);
  }
}

/** The daemon beside 100 routers with 10 names each, no two the same: how often it asks, and what it costs at rest. */
export async function benchNames(): Promise<string> {
  const world = new SmallWorld('ernodeb');
  const folder = mkdtempSync(join(tmpdir(), 'ernodeb-'));
  const server = new TestApiServer([pods, definitions, events], { address: 'any' });
  const dns = new TestDns();
  const routers = Array.from({ length: count }, (_, i) => new Router(i, names.count));
  const all = routers.flatMap((router) => router.names);
  const options = ['--resolver', `127.0.0.1:${names.port}`, '--max-names', '1000'];
  let daemon: Program | undefined;
  try {
    world.make();
    makeGateway(world.node);
    const kubeconfig = writeKubeconfig(folder, await inNamespace(world.node, () => server.start()));
    await inNamespace(world.node, () => dns.start(names.port));
    for (const name of all) dns.names.set(name, { a: ['203.0.113.26'], ttl: names.ttl });
    for (const router of routers) router.make(world.node, server);
    const follows = (count: number): Promise<void> =>
      until(
        () => server.watchCount === count,
        () => daemon?.output.slice(-1000),
        120_000,
      );
    const start = async (): Promise<void> => {
      daemon = startDaemon(world.node, kubeconfig, folder, options);
      await follows(2);
    };
    await start();
    const begun = performance.now();
    await Promise.all(routers.map((router) => router.add(world.node)));
    const added = performance.now();
    const done = (): number => routers.filter((one) => one.isApplied(server) && one.isReady(server)).length;
    await until(
      () => done() === count,
      () => [`${done()} of ${count} are ready`, server.get(pods, `shop/${routers[0]?.name}`)?.status],
      180_000,
    );
    const atStart = dns.queries.length;
    await sleep(65_000);
    const asked = dns.queries.length;
    const shares: number[] = [];
    for (let i = 0; i < rests; i++) {
      const before = cpuOf(daemon?.pid ?? 0, { children: true });
      await sleep(15_000);
      shares.push((cpuOf(daemon?.pid ?? 0, { children: true }) - before) / 150);
    }
    const perSecond = (dns.queries.length - asked) / (rests * 15);
    await daemon?.end();
    await follows(0);
    const ended = dns.queries.length;
    await start();
    await sleep(5000);
    const again = dns.queries.length - ended;
    return formatTable(
      [`${count} routers on a node, ${names.count} names each, TTL ${names.ttl} s`, ''],
      [
        ['all ADDs at once, ms', (added - begun).toFixed(0)],
        [`DNS queries for ${all.length} names until every router is ready`, `${atStart}`],
        ['DNS queries per second at rest', perSecond.toFixed(1)],
        ['CPU at rest, % of a core, median of four times 15 s', median(shares).toFixed(2)],
        ['the highest of them', Math.max(...shares).toFixed(2)],
        ['DNS queries within five seconds after a restart of the daemon', `${again}`],
      ],
    );
  } finally {
    await daemon?.end();
    for (const router of routers) router.drop(world.node);
    dns.stop();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
    world.drop();
    ip(`netns delete ${gateway}\n`);
  }
}

const gateway = 'ernodeb-gw';

/** What the master leads to: a gateway that answers, without which routers count as cut off. */
function makeGateway(node: string): void {
  ip(`netns add ${gateway}\n`);
  ip(`link set lo up\nlink set eth9 netns ${gateway}\n`, node);
  ip('link set eth9 up\naddress add 192.168.12.1/24 dev eth9\n', gateway);
}

function startDaemon(node: string, kubeconfig: string, folder: string, more: readonly string[] = []): Program {
  const options = ['--kubeconfig', kubeconfig, '--node-name', 'n1', '--listen-address', '127.0.0.1', ...more];
  const install = ['--source', executable('egress-router'), '--target', folder];
  const program = [...asPrivileged('node/daemonset.yaml'), executable('egress-router-node'), ...options, ...install];
  return new Program('/sbin/ip', ['netns', 'exec', node, ...program], environmentIn('node/daemonset.yaml'));
}

/** Changes one redirect of a router again and again, beside so many that stay. */
async function change(router: Router | undefined, server: TestApiServer, size: number): Promise<string> {
  if (router === undefined) throw new Error('no router');
  const times: number[] = [];
  for (let i = 0; i <= 20; i++) {
    const begin = performance.now();
    router.configure(server, size, i);
    await until(
      () => router.isApplied(server),
      () => router.name,
      20_000,
    );
    // The first brings all that the others leave.
    if (i > 0) times.push(performance.now() - begin);
    await sleep(50);
  }
  return median(times).toFixed(1);
}

class Router {
  readonly name: string;
  readonly #index: number;
  #config = '';

  /** Its destinations; empty: addresses. */
  readonly names: readonly string[];

  constructor(index: number, nameCount = 0) {
    this.#index = index;
    this.name = `ernodeb-r${index}`;
    this.names = Array.from({ length: nameCount }, (_, i) => `n${i}.r${index}.example`);
  }

  /** Its namespace, with an interface as another plugin leaves it, its pod and its definition. */
  make(node: string, server: TestApiServer): void {
    const { name } = this;
    const i = this.#index;
    ip(`netns add ${name}\n`);
    ip(
      `link add v${i} type veth peer name eth0 netns ${name}
       link set v${i} up
      `,
      node,
    );
    ip(
      `link set lo up
       address add 10.128.10.${i + 20}/23 dev eth0
       link set eth0 up
       route add default via 10.128.10.1
      `,
      name,
    );
    server.put(pods, {
      metadata: {
        namespace: 'shop',
        name,
        uid: name,
        annotations: { 'k8s.v1.cni.cncf.io/networks': JSON.stringify([{ name }]) },
      },
      spec: { nodeName: 'n1', readinessGates: [{ conditionType: readinessCondition }] },
    } as KubeObject);
    this.configure(server, 3, 0);
  }

  configure(server: TestApiServer, size: number, turn: number): void {
    const target = (i: number): number => (i === 0 ? (turn % 200) + 1 : (i % 200) + 1);
    this.#config = JSON.stringify({
      cniVersion: '1.0.0',
      name: this.name,
      type: 'egress-router',
      interfaceArgs: { master: 'eth1' },
      log_file: `/var/log/egress-router/${this.name}`,
      ip: {
        addresses: [`192.168.12.${this.#index + 20}/24`],
        gateway: '192.168.12.1',
        destinations:
          this.names.length > 0
            ? this.names.map((name, i) => `${10_000 + i} TCP ${name} 443`)
            : Array.from({ length: size }, (_, i) => `${10_000 + i} TCP 203.0.113.${target(i)} 80`),
      },
    });
    server.put(definitions, { metadata: { namespace: 'shop', name: this.name }, spec: { config: this.#config } });
  }

  isApplied(server: TestApiServer): boolean {
    const annotations = (server.get(pods, `shop/${this.name}`)?.metadata.annotations ?? {}) as Record<string, string>;
    return annotations['egress-router.io/applied'] === hash('sha256', this.#config).slice(0, 16);
  }

  isReady(server: TestApiServer): boolean {
    const { conditions = [] } = (server.get(pods, `shop/${this.name}`)?.status ?? {}) as {
      conditions?: readonly { readonly type: string; readonly status: string }[];
    };
    return conditions.some(({ type, status }) => type === readinessCondition && status === 'True');
  }

  /** An ADD while this process answers DNS queries. */
  async add(node: string): Promise<void> {
    const child = spawn('/sbin/ip', ['netns', 'exec', node, pluginCommand()[0]], {
      env: this.#environment('ADD'),
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    child.stdin?.end(this.#config);
    const [status] = await once(child, 'exit');
    if (status !== 0) throw new Error(`ADD of ${this.name} exited with ${status}`);
  }

  /** One call of the plugin, in the namespace that the caller is in. */
  call(command: 'ADD' | 'DEL'): void {
    timeProcess(pluginCommand()[0], this.#config, this.#environment(command));
  }

  #environment(command: 'ADD' | 'DEL'): Readonly<Record<string, string>> {
    return {
      PATH: pathFor('nftables'),
      CNI_COMMAND: command,
      CNI_CONTAINERID: this.name,
      CNI_NETNS: `/var/run/netns/${this.name}`,
      CNI_IFNAME: 'net1',
      CNI_PATH: '/usr/lib/cni',
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${this.name}`,
    };
  }

  drop(node: string): void {
    try {
      inNamespace(node, () => this.call('DEL'));
      ip(`netns delete ${this.name}\n`);
    } catch {
      // It was never made, or is gone.
    }
  }
}

function ip(batch: string, netns?: string): void {
  execFileSync('ip', [...(netns === undefined ? [] : ['-n', netns]), '-batch', '-'], { input: batch });
}
