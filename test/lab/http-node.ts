import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../until.ts';
import { executable } from './executable.ts';
import type { HttpAnswer, HttpCommand, HttpQuestion, HttpServing } from './http-protocol.ts';
import { addNamespaces, dropNamespaces, runIp } from './namespaces.ts';
import { asPrivileged } from './rights.ts';

const agentProgram = fileURLToPath(new URL('./http-agent.ts', import.meta.url));
const ingressAgent = executable('ingress-agent');

/** Addresses that servers of a test may have; loopback is no endpoint's. */
export const serverAddress = '10.97.0.1';
const clientAddress = '10.97.0.2';

/** What a server of ours saw. */
export interface Echo {
  readonly server: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Names and values in turn, in their own case. */
  readonly rawHeaders: readonly string[];
  readonly httpVersion: string;
  /** Most requests that the server had at a time. */
  readonly mostOpen: number;
}

/** An answer, with the request as the server received it if it was a test server. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: string;
  readonly echo?: Echo;
  readonly subject?: string;
  /** Where there was no answer. */
  readonly error?: string;
}

/** How one asks. */
export interface Words extends Partial<Omit<HttpQuestion, 'path' | 'headers'>> {
  readonly headers?: Readonly<Record<string, string>>;
}

/** The process that works: `unshare` waits for it in a namespace outside, and passes no signals on. */
export function childOf({ pid = 0, spawnargs }: ChildProcess): number {
  if (!spawnargs.includes('unshare')) return pid;
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
}

/** A node that runs the ingress agent as built, with servers and a client in the same namespace. */
export class HttpNode {
  readonly folder = mkdtempSync(join(tmpdir(), 'erht-'));
  readonly #netns: string;
  readonly #waiting = new Map<number, (answer: HttpAnswer) => void>();
  readonly #environment: Readonly<Record<string, string>>;
  #helper: ChildProcess | undefined;
  #agent: ChildProcess | undefined;
  #next = 1;
  log = '';

  /** @param environment variables of OpenShift's router for the agent */
  constructor(netns: string, environment: Readonly<Record<string, string>> = {}) {
    this.#netns = netns;
    this.#environment = environment;
  }

  get manifests(): string {
    return join(this.folder, 'manifests');
  }

  async up(): Promise<void> {
    dropNamespaces([this.#netns]);
    await addNamespaces([this.#netns]);
    const addresses = [serverAddress, clientAddress, '10.97.0.3'].map((address) => `address add ${address}/32 dev lo`);
    await runIp(this.#netns, ['link set lo up', ...addresses, 'address add fd97::1/128 dev lo']);
    mkdirSync(this.manifests);
    this.#helper = spawn('ip', ['netns', 'exec', this.#netns, process.execPath, agentProgram], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await new Promise<void>((resolve) => {
      this.#waiting.set(0, () => resolve());
      this.#helper?.on('message', ({ id, answer }: { readonly id: number; readonly answer: HttpAnswer }) => {
        this.#waiting.get(id)?.(answer);
        this.#waiting.delete(id);
      });
    });
  }

  /** Starts the agent and waits until all that the manifests ask for is in force. */
  async start(...options: readonly string[]): Promise<void> {
    this.launch(...options);
    await this.ready();
  }

  /** Starts the agent as in its container beside HAProxy's, in a process namespace of its own. */
  launchBesideHaproxy(...options: readonly string[]): void {
    const alone = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const rights = asPrivileged('ingress/daemonset.yaml', 'ingress-agent');
    this.#launch([...alone, ...rights], ['--haproxy-container', ...options]);
  }

  /** Starts the keeper of HAProxy as in its container; the process that ends with it. */
  keepHaproxy(...options: readonly string[]): ChildProcess {
    const keeper = fileURLToPath(new URL('../../dist/ingress-haproxy', import.meta.url));
    const alone = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const rights = asPrivileged('ingress/daemonset.yaml', 'haproxy');
    const words = ['--haproxy-directory', join(this.folder, 'haproxy'), ...options];
    const child = spawn('ip', ['netns', 'exec', this.#netns, ...alone, ...rights, keeper, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH },
    });
    this.#listen(child);
    return child;
  }

  /** Starts the agent. */
  launch(...options: readonly string[]): void {
    this.#launch(asPrivileged('ingress/daemonset.yaml'), options);
  }

  /** Starts the agent with the objects of an API server, and nothing that a node protects open to endpoints. */
  launchInCluster(kubeconfig: string, ...options: readonly string[]): void {
    const rights = asPrivileged('ingress/daemonset.yaml');
    this.#launch(rights, ['--node-name', 'n1', ...options], ['--kubeconfig', kubeconfig]);
  }

  #launch(
    rights: readonly string[],
    options: readonly string[],
    // The servers of tests are in the node's own network namespace.
    source = ['--manifests', this.manifests, '--node-endpoint-networks', '10.97.0.0/24,fd97::/64'],
  ): void {
    const words = [...source, '--haproxy-directory', join(this.folder, 'haproxy'), '--name', 'erht'];
    const command = [...rights, ingressAgent, ...words, ...options];
    this.#agent = spawn('ip', ['netns', 'exec', this.#netns, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        ROUTER_SERVICE_HTTP_PORT: '80',
        ROUTER_SERVICE_HTTPS_PORT: '443',
        ROUTER_IP_V4_V6_MODE: 'v4v6',
        ...this.#environment,
      },
    });
    this.#listen(this.#agent);
  }

  #listen({ stdout, stderr }: ChildProcess): void {
    for (const stream of [stdout, stderr]) {
      stream?.on('data', (data: Buffer) => {
        this.log += data.toString();
      });
    }
  }

  /** Process ID of the agent. */
  get agentPid(): number {
    return this.#agent?.pid ?? 0;
  }

  /** Waits until the agent says that it is ready. */
  async ready(): Promise<void> {
    let last = '';
    const isReady = async (): Promise<boolean> => {
      const answer = await this.ask('http', 'localhost', '/readyz', { address: '127.0.0.1', port: 1936 });
      last = `${answer.status} ${answer.body}`;
      return answer.status === 200;
    };
    for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(50)) {
      if (await isReady()) return;
      if (this.#agent === undefined || this.#agent.exitCode !== null) break;
    }
    throw new Error(`The agent is not ready: ${last}\n${this.log}`);
  }

  async end(signal: 'SIGTERM' | 'SIGKILL' | 'SIGINT'): Promise<void> {
    const agent = this.#agent;
    this.#agent = undefined;
    if (agent === undefined || agent.exitCode !== null) return;
    await new Promise<void>((resolve) => {
      agent.once('exit', () => resolve());
      process.kill(childOf(agent), signal);
    });
  }

  /** Takes everything away. */
  down(): void {
    this.#agent?.kill('SIGKILL');
    this.#helper?.kill('SIGKILL');
    dropNamespaces([this.#netns]);
    rmSync(this.folder, { recursive: true, force: true });
  }

  async serve(serving: Omit<HttpServing, 'host'> & { readonly host?: string }): Promise<void> {
    const answer = await this.#tell({ do: 'serve', host: serverAddress, ...serving });
    if ('error' in answer) throw new Error(`Cannot serve ${serving.name}: ${answer.error}`);
  }

  /** Writes objects into one file, whole. */
  write(file: string, ...objects: readonly object[]): void {
    const path = join(this.manifests, `${file}.json`);
    writeFileSync(`${path}.new`, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    renameSync(`${path}.new`, path);
  }

  remove(file: string): void {
    rmSync(join(this.manifests, `${file}.json`));
  }

  /** Asks the router for a host's path. */
  async ask(scheme: 'http' | 'https', host: string, path: string, words: Words = {}): Promise<Answer> {
    const tls = scheme === 'https';
    const name = host.replace(/:\d+$/, '');
    const answer = await this.#tell({
      do: 'ask',
      tls,
      address: '127.0.0.1',
      port: tls ? 443 : 80,
      ...(tls && { sni: name }),
      path,
      ...words,
      headers: { host, ...words.headers },
    });
    return asAnswer(answer);
  }

  /** Sends bytes to the port of plain HTTP as they are. */
  async raw(text: string, hold?: string): Promise<Answer> {
    const command = { do: 'raw' as const, address: '127.0.0.1', port: 80, text };
    return asAnswer(await this.#tell({ ...command, ...(hold !== undefined && { hold }) }));
  }

  /** The protocol that TLS for a host agrees on; `false` for none. */
  async negotiate(host: string): Promise<string> {
    const answer = await this.#tell({ do: 'negotiate', address: '127.0.0.1', port: 443, sni: host });
    return 'error' in answer ? answer.error : answer.body;
  }

  /** Says something on a connection that is held; the echo, or `closed`. */
  async say(name: string, text: string): Promise<string> {
    const answer = await this.#tell({ do: 'say', name, text });
    return 'error' in answer ? answer.error : answer.body;
  }

  /** The router's word on a Route: `True`, or `False REASON`, with host and message. */
  status(
    name: string,
    namespace = 'shop',
  ): { readonly verdict: string; readonly host: string; readonly message: string } | undefined {
    try {
      const { routes } = JSON.parse(readFileSync(`${this.manifests}.status.json`, 'utf8'));
      // biome-ignore lint/suspicious/noExplicitAny: the file's own shape
      const found = routes.find((one: any) => one.name === name && one.namespace === namespace && one.kind === 'Route');
      const [ingress] = found?.status.ingress ?? [];
      const [condition] = ingress?.conditions ?? [];
      if (condition === undefined) return undefined;
      const reason = condition.reason === undefined ? '' : ` ${condition.reason}`;
      return { verdict: `${condition.status}${reason}`, host: ingress.host, message: condition.message ?? '' };
    } catch {
      return undefined;
    }
  }

  /** Waits until the router has its word on a Route. */
  async expectStatus(name: string, verdict: string, namespace = 'shop'): Promise<void> {
    await until(
      () => this.status(name, namespace)?.verdict === verdict,
      () => [this.status(name, namespace), this.log.slice(-2000)],
      5000,
    );
  }

  #tell(command: HttpCommand): Promise<HttpAnswer> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#helper?.send({ id, command });
    });
  }
}

function asAnswer(answer: HttpAnswer): Answer {
  if ('error' in answer) return { status: 0, headers: {}, body: '', error: answer.error };
  const isOurs = answer.headers['x-served-by'] !== undefined && answer.headers['content-encoding'] === undefined;
  return isOurs ? { ...answer, echo: JSON.parse(answer.body) as Echo } : answer;
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}
