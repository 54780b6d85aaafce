import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { AgentCommand, AgentResponse, HammerReport, Reach, Reply } from './agent-protocol.ts';

const program = fileURLToPath(new URL('./agent.ts', import.meta.url));
const defaultTimeout = 1500;

/** The agent of one host, as tests speak to it. */
export class Agent {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #next = 1;

  private constructor(process: ChildProcess) {
    this.#process = process;
    process.on('message', ({ id, reply }: AgentResponse) => {
      this.#waiting.get(id)?.(reply);
      this.#waiting.delete(id);
    });
  }

  /** Starts an agent in a namespace and waits until it listens. */
  static async start(netns: string): Promise<Agent> {
    const child = spawn('ip', ['netns', 'exec', netns, process.execPath, program], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const agent = new Agent(child);
    await new Promise<void>((resolve, reject) => {
      agent.#waiting.set(0, () => resolve());
      child.once('exit', (status) =>
        reject(new Error(`The agent in ${netns} ended with ${status} before it was ready`)),
      );
    });
    return agent;
  }

  /** Serves: each client gets its address as the server sees it. Throws if it cannot listen. */
  async serve(protocol: 'tcp' | 'udp', host: string, port: number): Promise<void> {
    const reply = await this.#ask({ do: 'serve', protocol, host, port });
    if ('error' in reply) throw new Error(`Cannot serve ${protocol} ${host} ${port}: ${reply.error}`);
  }

  /** Tries once; returns the address that the server saw with the one it was reached at, or the error's code. */
  async reach(protocol: 'tcp' | 'udp', host: string, port: number, options: Partial<Reach> = {}): Promise<string> {
    const reply = await this.#ask({ do: 'reach', protocol, host, port, timeout: defaultTimeout, ...options });
    return 'text' in reply ? reply.text : reply.error;
  }

  /** Tries again and again until {@link stopHammer}. */
  async hammer(
    name: string,
    protocol: 'tcp' | 'udp',
    host: string,
    port: number,
    options: Partial<Reach> = {},
  ): Promise<void> {
    await this.#ask({ do: 'hammer', name, protocol, host, port, timeout: 100, ...options });
  }

  /** Ends a hammer; returns how often each outcome was seen. */
  async stopHammer(name: string): Promise<HammerReport> {
    const reply = await this.#ask({ do: 'stop-hammer', name });
    if ('error' in reply) throw new Error(reply.error);
    return JSON.parse(reply.text) as HammerReport;
  }

  /** Opens a TCP connection that stays; returns what the server said first, or the error's code. */
  async hold(name: string, host: string, port: number, options: Partial<Reach> = {}): Promise<string> {
    const reply = await this.#ask({
      do: 'hold',
      name,
      protocol: 'tcp',
      host,
      port,
      timeout: defaultTimeout,
      ...options,
    });
    return 'text' in reply ? reply.text : reply.error;
  }

  /** Says something on a connection that is held; returns the echo, or the error's code. */
  async say(name: string, text: string): Promise<string> {
    const reply = await this.#ask({ do: 'say', name, text, timeout: defaultTimeout });
    return 'text' in reply ? reply.text : reply.error;
  }

  stop(): void {
    this.#process.kill('SIGKILL');
  }

  #ask(command: AgentCommand): Promise<Reply> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#process.send({ id, command });
    });
  }
}
