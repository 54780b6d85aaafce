import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { formatMac } from './frames.ts';
import { inNamespace, Wire } from './wire.ts';

/**
 * A pod between two wires whose ends this process holds: what is sent on one may come out of the
 * other. Neighbour entries are static, so that no program resolves them.
 */
export class WirePair {
  readonly mac = { client: 1, podInside: 2, podOutside: 3, outside: 4 } as const;
  readonly pod: string;
  /** The client's end, behind `eth0`. */
  readonly inside: Wire;
  /** The destination's end, behind `net1`. */
  readonly beyond: Wire;
  readonly #names: readonly string[];

  /** `prefix`: a unique prefix of at most 8 letters. */
  constructor(prefix: string) {
    const [client, pod, outside] = [`${prefix}-client`, `${prefix}-pod`, `${prefix}-out`];
    this.pod = pod;
    this.#names = [client, pod, outside];
    this.#sweep();
    for (const name of this.#names) execFileSync('ip', ['netns', 'add', name]);
    const { mac } = this;
    ip(
      pod,
      `link set lo up
       link add eth0 address ${formatMac(mac.podInside)} index 20 type veth peer name c0 index 21 netns ${client}
       link add net1 address ${formatMac(mac.podOutside)} index 30 type veth peer name s0 index 31 netns ${outside}
       address add 10.128.10.18/23 dev eth0
       address add fd00::18/64 dev eth0 nodad
       address add 192.168.12.99/24 dev net1
       address add 2001:db8:12::99/64 dev net1 nodad
       link set eth0 up
       link set net1 up
       route add default via 192.168.12.1
       route add default via 2001:db8:12::1
       neighbour add 10.128.10.30 lladdr ${formatMac(mac.client)} dev eth0
       neighbour add fd00::30 lladdr ${formatMac(mac.client)} dev eth0
       neighbour add 192.168.12.1 lladdr ${formatMac(mac.outside)} dev net1
       neighbour add 2001:db8:12::1 lladdr ${formatMac(mac.outside)} dev net1
      `,
    );
    ip(client, `link set c0 address ${formatMac(mac.client)} up\n`);
    ip(outside, `link set s0 address ${formatMac(mac.outside)} up\n`);
    // The rate of ICMP errors is limited by default, and would look like silence.
    const settings = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1', 'net.ipv4.icmp_ratelimit=0'];
    settings.push('net.ipv6.icmp.ratelimit=0', 'net.ipv4.icmp_msgs_per_sec=1000000');
    execFileSync('ip', ['netns', 'exec', pod, 'sysctl', '-qw', ...settings]);
    this.inside = new Wire(client, 21);
    this.beyond = new Wire(outside, 31);
  }

  /** Frames that left by `net1` so far. */
  countOutside(): number {
    return inNamespace(this.pod, () => {
      const line = readFileSync('/proc/thread-self/net/dev', 'utf8')
        .split('\n')
        .find((one) => one.trim().startsWith('net1:'));
      return Number(line?.trim().split(/\s+/)[10] ?? 0);
    });
  }

  /** Makes the pod forget every connection that it tracks. */
  forgetConnections(): void {
    try {
      execFileSync('ip', ['netns', 'exec', this.pod, 'conntrack', '-F'], { stdio: 'ignore' });
    } catch {
      // Nothing is tracked before the first rule.
    }
  }

  drop(): void {
    this.inside.close();
    this.beyond.close();
    this.#sweep();
  }

  #sweep(): void {
    const present = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' });
    for (const name of this.#names) {
      if (new RegExp(`^${name}\\b`, 'm').test(present)) execFileSync('ip', ['netns', 'delete', name]);
    }
  }
}

function ip(netns: string, lines: string): void {
  execFileSync('ip', ['-n', netns, '-batch', '-'], { input: lines });
}
