import { readdirSync, rmSync } from 'node:fs';
import { Agent } from './agent-client.ts';
import { type Capture, startCapture } from './capture.ts';
import { describeNamespace } from './describe.ts';
import { addresses, type Host, hosts } from './names.ts';
import { addNamespaces, dropNamespaces, runIn, runIp } from './namespaces.ts';
import { type PluginCall, type PluginOutcome, runPlugin } from './plugin.ts';
import { type LabOptions, planHosts } from './topology.ts';

const living = new Set<Lab>();
process.once('exit', () => {
  for (const lab of living) lab.down();
});

/**
 * A node, its cluster network and the outside, in network namespaces of their own. Nothing of the
 * machine's own network is touched; whatever is made is named after the prefix and goes with `down`.
 */
export class Lab {
  readonly prefix: string;
  readonly #agents = new Map<Host, Promise<Agent>>();

  private constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** Makes a lab; whatever an earlier run of the same prefix left is swept first. */
  static async up(prefix: string, options: LabOptions = {}): Promise<Lab> {
    const lab = new Lab(prefix);
    lab.down();
    living.add(lab);
    const plans = planHosts((host) => lab.netns(host), options);
    await addNamespaces(plans.map(({ host }) => lab.netns(host)));
    // Duplicate address detection would keep every link-local address silent for the first seconds.
    const noDetection = ['net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0'];
    await Promise.all(plans.map(({ host }) => lab.run(host, 'sysctl', ['-q', '-w', ...noDetection])));
    for (const { host, commands } of plans) await runIp(lab.netns(host), commands);
    await Promise.all(
      plans
        .filter(({ settings }) => settings.length > 0)
        .map(({ host, settings }) => lab.run(host, 'sysctl', ['-q', '-w', ...settings])),
    );
    return lab;
  }

  /** Removes whatever a lab of this prefix left, in this run or another. */
  static sweep(prefix: string): void {
    new Lab(prefix).down();
  }

  /** Leaves the lab standing when this process ends. */
  keep(): void {
    living.delete(this);
  }

  /** The namespace of a host. */
  netns(host: Host): string {
    return `${this.prefix}-${host}`;
  }

  /** The path of a host's namespace. */
  path(host: Host): string {
    return `/var/run/netns/${this.netns(host)}`;
  }

  /** The agent of a host, started when it is first asked for. */
  agent(host: Host): Promise<Agent> {
    const present = this.#agents.get(host);
    if (present !== undefined) return present;
    const started = Agent.start(this.netns(host));
    this.#agents.set(host, started);
    return started;
  }

  /** Opens the destinations outside: TCP and UDP on these ports, at every server's address. */
  async serveOutside(ports: { readonly tcp: readonly number[]; readonly udp: readonly number[] }): Promise<void> {
    const agent = await this.agent('outside');
    const servers = [addresses.web, addresses.secure, addresses.datagrams, addresses.fallback];
    const all = servers.flatMap((server) => [server[4], server[6]]);
    await Promise.all(
      all.flatMap((host) => [
        ...ports.tcp.map((port) => agent.serve('tcp', host, port)),
        ...ports.udp.map((port) => agent.serve('udp', host, port)),
      ]),
    );
  }

  /** Runs a program on a host and returns what it printed. Throws where it fails. */
  run(host: Host, program: string, args: readonly string[] = [], input = ''): Promise<string> {
    return runIn(this.netns(host), program, args, input);
  }

  /** Runs `ip` commands on a host. Throws where one fails. */
  ip(host: Host, ...commands: string[]): Promise<void> {
    return runIp(this.netns(host), commands);
  }

  /** Calls the plugin as the runtime on the node does, for the pod of the lab unless told otherwise. */
  plugin(command: string, config: unknown, call: Partial<PluginCall> = {}): Promise<PluginOutcome> {
    return runPlugin({
      netns: this.netns('node'),
      command,
      containerId: `${this.prefix}-container`,
      podNetns: this.path('pod'),
      ifname: 'net1',
      config,
      ...call,
    });
  }

  /** Captures packets of a host's interface. */
  capture(host: Host, link: string, filter: string): Promise<Capture> {
    return startCapture(this.netns(host), link, filter);
  }

  /** Everything in a host's namespace that an attachment could touch, as text to compare. */
  describe(host: Host): Promise<string> {
    return describeNamespace(this.netns(host));
  }

  /** Removes everything; may be called any number of times. */
  down(): void {
    for (const agent of this.#agents.values()) agent.then((one) => one.stop()).catch(() => {});
    this.#agents.clear();
    dropNamespaces(hosts.map((host) => this.netns(host)));
    forgetStates(`${this.prefix}-`);
    living.delete(this);
  }
}

/** Removes what the plugin remembers of this lab's containers. */
function forgetStates(prefix: string): void {
  const folder = '/run/egress-router';
  try {
    for (const name of readdirSync(folder)) if (name.startsWith(prefix)) rmSync(`${folder}/${name}`, { force: true });
  } catch {
    // There is no folder before the first ADD of the machine.
  }
}
