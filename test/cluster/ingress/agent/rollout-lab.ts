import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { executable } from '../../../lab/executable.ts';
import { childOf } from '../../../lab/http-node.ts';
import type { HttpCommand } from '../../../lab/http-protocol.ts';
import { Lab } from '../../../lab/lab.ts';
import type { LoadCommand, LoadReport, Place } from '../../../lab/load-agent.ts';
import { endpointSlice, type KubernetesObject, Manifests, route, service } from '../../../lab/manifests.ts';
import { addresses as at } from '../../../lab/names.ts';
import { asPrivileged } from '../../../lab/rights.ts';
import { until } from '../../../until.ts';

const manifest = 'ingress/daemonset.yaml';
/** Number of Routes that change in turn. New ones would need reloads of HAProxy, which a namespace gets few of. */
const routes = 40;
/** Number of Gateways that change in turn. */
const gateways = 8;
/** Changes that may wait at the same time, so that a busy machine is not kept busier. */
const mostWaiting = 5;
const created = '2026-01-01T00:00:00Z';

/** When a change was made, and the milliseconds until each of its parts was in force. */
export interface Change {
  readonly at: number;
  readonly host: number;
  readonly port: number;
  readonly listener: number;
}

/** A Node program that follows commands on its IPC channel. */
class Helper {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: unknown) => void>();
  #next = 1;

  private constructor(netns: string, program: string) {
    const path = fileURLToPath(new URL(`../../../lab/${program}`, import.meta.url));
    this.#child = spawn('ip', ['netns', 'exec', netns, process.execPath, path], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', ({ id, answer }: { readonly id: number; readonly answer: unknown }) => {
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
  }

  static async start(netns: string, program: string): Promise<Helper> {
    const helper = new Helper(netns, program);
    await new Promise((resolve) => helper.#waiting.set(0, resolve));
    return helper;
  }

  tell(command: HttpCommand | LoadCommand): Promise<unknown> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ id, command });
    });
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

/** A pod of the agent on the node: two containers, each with the rights and processes of its own. */
export class AgentPod {
  readonly #netns: string;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #agentOptions: readonly string[];
  readonly #keeperOptions: readonly string[];
  agent: ChildProcess;
  readonly keeper: ChildProcess;
  log = '';

  constructor(netns: string, environment: Readonly<Record<string, string>>, folder: string, more: readonly string[]) {
    const shared = ['--haproxy-directory', folder, '--name', 'erro'];
    this.#netns = netns;
    this.#environment = environment;
    this.#keeperOptions = [...shared, '--shutdown-delay', '30s', '--shutdown-timeout', '60s'];
    this.#agentOptions = [...shared, '--haproxy-container', '--check-interval', '0', ...more];
    this.keeper = this.#spawn('haproxy', 'ingress-haproxy', this.#keeperOptions);
    this.agent = this.startAgent();
  }

  startAgent(): ChildProcess {
    this.agent = this.#spawn('ingress-agent', 'ingress-agent', this.#agentOptions);
    return this.agent;
  }

  /** Sends a signal to a container's first process, and resolves when it has ended. */
  async end(container: 'agent' | 'keeper', signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this[container];
    if (child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      process.kill(childOf(child), signal);
    });
  }

  kill(): void {
    for (const child of [this.agent, this.keeper]) child.kill('SIGKILL');
  }

  /** Whether the startup probe succeeds. */
  hasStarted(): Promise<boolean> {
    const program = executable('ingress-started');
    const [folder = ''] = this.#keeperOptions.slice(1);
    return new Promise((resolve) => {
      const words = ['--haproxy-directory', folder];
      execFile(program, words, { env: this.#environment }, (error, stdout) => {
        if (error !== null) this.probe = stdout;
        resolve(error === null);
      });
    });
  }

  /** The last answer of a failed startup probe. */
  probe = '';

  async untilStarted(): Promise<void> {
    await until(
      () => this.hasStarted(),
      () => [this.probe, this.log.slice(-3000)],
      60_000,
    );
  }

  #spawn(container: string, program: string, options: readonly string[]): ChildProcess {
    const alone = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const command = [...alone, ...asPrivileged(manifest, container), executable(program), ...options];
    const child = spawn('ip', ['netns', 'exec', this.#netns, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        ROUTER_SERVICE_HTTP_PORT: '80',
        ROUTER_SERVICE_HTTPS_PORT: '443',
        ...this.#environment,
      },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (data: Buffer) => {
        this.log += data.toString();
      });
    }
    return child;
  }
}

/** A Gateway with one listener for HTTP, and its route. */
function makeGateway(service: string, port: number, name = 'gateway'): readonly KubernetesObject[] {
  const apiVersion = 'gateway.networking.k8s.io/v1';
  const metadata = { name, namespace: 'shop', uid: name, creationTimestamp: created };
  const spec = { parentRefs: [{ name }], rules: [{ backendRefs: [{ name: service, port: 8080 }] }] };
  return [
    {
      apiVersion,
      kind: 'Gateway',
      metadata,
      spec: { gatewayClassName: 'ours', listeners: [{ name: 'http', protocol: 'HTTP', port }] },
    },
    { apiVersion, kind: 'HTTPRoute', metadata: { ...metadata, uid: `${name}-route` }, spec },
  ];
}

/** A node on which pods of the agent are replaced, a server behind it, and a client outside. */
export class RolloutLab {
  readonly lab: Lab;
  readonly folder = mkdtempSync(join(tmpdir(), 'erro-'));
  readonly manifests = new Manifests(this.folder);
  readonly #pods: AgentPod[] = [];
  readonly #server: Helper;
  readonly #client: Helper;
  #changes = 0;
  #timer: NodeJS.Timeout | undefined;

  private constructor(lab: Lab, server: Helper, client: Helper) {
    this.lab = lab;
    this.#server = server;
    this.#client = client;
  }

  static async up(): Promise<RolloutLab> {
    const lab = await Lab.up('erro');
    const server = await Helper.start(lab.netns('pod'), 'http-agent.ts');
    await server.tell({ do: 'serve', name: 'web', host: at.pod[4], port: 8080 });
    const world = new RolloutLab(lab, server, await Helper.start(lab.netns('outsider'), 'load-agent.ts'));
    world.manifests.write(
      'web',
      service('web', 8080),
      endpointSlice('web', 8080, [{ address: at.pod[4], node: 'node' }]),
      makeRoute('web', 13306),
      ...makeGateway('web', 8090),
    );
    for (let one = 0; one < routes; one++) {
      world.manifests.write(`route${one}`, makeRoute(`route${one}`, 13_400 + one));
    }
    for (let one = 0; one < gateways; one++) {
      world.manifests.write(`gateway${one}`, ...makeGateway('web', 16_000 + one, `gateway${one}`));
    }
    return world;
  }

  down(): void {
    clearInterval(this.#timer);
    for (const pod of this.#pods) pod.kill();
    this.#server.end();
    this.#client.end();
    this.lab.down();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The folder that the pods share. */
  get shared(): string {
    return join(this.folder, 'shared');
  }

  /** Starts a pod. @param uid absent: as a version that cannot hand over, with a folder of its own */
  startPod(uid?: string, ...options: readonly string[]): AgentPod {
    const listeners = ['--gateway-class', 'ours', '--listener-ports=61000-61031'];
    const more = ['--manifests', this.manifests.directory, '--node-name', 'node', ...listeners, ...options];
    const pod = new AgentPod(
      this.lab.netns('node'),
      uid === undefined ? {} : { POD_UID: uid },
      uid === undefined ? join(this.folder, 'old') : this.shared,
      more,
    );
    this.#pods.push(pod);
    return pod;
  }

  get logs(): string {
    return this.#pods.map(({ log }) => log.slice(-3000)).join('\n');
  }

  /** Starts requests to the host and the port of the Route `web`, and to a listener of a Gateway. */
  async startLoad(): Promise<void> {
    await this.find(placeOf('web.test', 80));
    const places = [placeOf('web.test', 80), placeOf('web.test', 13306), placeOf('gateway.test', 8090)];
    for (const place of places.slice(1)) await this.find(place);
    await this.#client.tell({ do: 'start', places });
  }

  async stopLoad(releases = true): Promise<LoadReport> {
    return (await this.#client.tell({ do: 'stop', releases })) as LoadReport;
  }

  /** Resolves to the milliseconds until a place answers. */
  async find(place: Place): Promise<number> {
    const found = await this.#client.tell({ do: 'find', place, longest: 40_000 });
    if (typeof found !== 'number') throw new Error(`${String(found)}\n${this.logs}`);
    return found;
  }

  /** Gives a Route another host and another port, and a Gateway another port; resolves when all are in force. */
  async change(): Promise<Change> {
    const number = ++this.#changes;
    const [name, one, other] = [`change${number}`, number % routes, number % gateways];
    const at = performance.now();
    this.manifests.write(`route${one}`, makeRoute(`route${one}`, 14_000 + number, name));
    this.manifests.write(`gateway${other}`, ...makeGateway('web', 17_000 + number, `gateway${other}`));
    const [host, port, listener] = await Promise.all([
      this.find(placeOf(`${name}.test`, 80)),
      this.find(placeOf(`${name}.test`, 14_000 + number)),
      this.find(placeOf('gateway.test', 17_000 + number)),
    ]);
    return { at, host, port, listener };
  }

  /**
   * Makes a change every 200 ms, if not too many wait, until the returned function is called, which resolves to how long
   * each took.
   */
  startChanges(): () => Promise<readonly Change[]> {
    const running: Promise<Change | Error>[] = [];
    let waiting = 0;
    this.#timer = setInterval(() => {
      if (waiting >= mostWaiting) return;
      waiting++;
      const change = this.change().catch((error: Error) => error);
      running.push(change.finally(() => waiting--));
    }, 200);
    return async () => {
      clearInterval(this.#timer);
      return (await Promise.all(running)).map((one) => {
        if (!(one instanceof Error)) return one;
        throw one;
      });
    };
  }

  /** Waits until the readiness probe of a pod succeeds. */
  async untilReady(): Promise<void> {
    let last = '';
    const script = "fetch('http://127.0.0.1:1936/readyz').then((r) => r.text()).then((t) => process.stdout.write(t))";
    const isReady = async (): Promise<boolean> => {
      last = await this.lab.run('node', process.execPath, ['-e', script]).catch(() => '');
      return last.startsWith('ok');
    };
    await until(isReady, () => [last, this.logs], 60_000);
  }

  /** The number of tables of ports in the kernel. */
  async countTables(): Promise<number> {
    const tables = await this.lab.run('node', 'nft', ['list', 'tables', 'inet']);
    return tables.split('\n').filter((line) => /ingress-agent-erro-[ab]$/.test(line.trim())).length;
  }
}

/** How clients outside reach the node. */
export function placeOf(host: string, port: number): Place {
  return { address: at.node[4], port, host };
}

function makeRoute(name: string, port: number, host = name): KubernetesObject {
  const object = route({ name, port, service: 'web', created });
  return { ...object, spec: { ...object.spec, host: `${host}.test`, port: { targetPort: 8080 } } };
}
