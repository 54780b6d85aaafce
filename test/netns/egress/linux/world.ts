import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A node with a master, and a pod on it: just enough to attach, made and swept by its prefix. */
export class SmallWorld {
  readonly node: string;
  readonly pod: string;
  readonly folder: string;

  /** `prefix`: a unique prefix of at most 8 letters. */
  constructor(prefix: string) {
    this.node = `${prefix}-node`;
    this.pod = `${prefix}-pod`;
    this.folder = mkdtempSync(join(tmpdir(), `${prefix}-`));
  }

  /** Creates both namespaces again. */
  make(): void {
    this.#dropNamespaces();
    run('ip', ['-batch', '-'], `netns add ${this.node}\nnetns add ${this.pod}\n`);
    run(
      'ip',
      ['-n', this.node, '-batch', '-'],
      `link add eth1 type veth peer name eth9
       link set eth1 up
       link set eth9 up
       address add 192.168.12.5/24 dev eth1
       address add 2001:db8:12::5/64 dev eth1 nodad
       link add vpod type veth peer name eth0 netns ${this.pod}
       link set vpod up
       address add 10.128.10.1/23 dev vpod
       address add fd00:10:128:10::1/64 dev vpod nodad
       route add default via 192.168.12.1
      `,
    );
    run(
      'ip',
      ['-n', this.pod, '-batch', '-'],
      `link set lo up
       link set eth0 addrgenmode none
       address add 10.128.10.18/23 dev eth0
       address add fd00:10:128:10::18/64 dev eth0 nodad
       link set eth0 up
       route add default via 10.128.10.1 mtu 1400
       route add 10.128.0.0/14 via 10.128.10.1
       route add default via fd00:10:128:10::1
      `,
    );
  }

  /** Path of the pod's namespace. */
  get netns(): string {
    return `/var/run/netns/${this.pod}`;
  }

  /** Runs a program in the pod's namespace and returns what it printed. */
  inPod(program: string, args: readonly string[], input = ''): string {
    return run('ip', ['netns', 'exec', this.pod, program, ...args], input);
  }

  /** Everything in the pod's namespace that an attachment touches, as text. */
  describePod(): string {
    const ip = (...args: string[]): string => run('ip', ['-n', this.pod, ...args]);
    const chains = this.inPod('nft', ['-s', 'list', 'ruleset'])
      // Tables of iptables-nft stay when their last rule goes, and mean nothing.
      .split('\n')
      .filter((line) => /ER-|egress-router|\b(accept|drop|reject|dnat|snat|jump)$/.test(line));
    const sysctls = [
      'ipv4.ip_forward',
      'ipv4.fwmark_reflect',
      'ipv4.conf.eth0.rp_filter',
      'ipv6.conf.all.forwarding',
      'ipv6.fwmark_reflect',
    ];
    return [
      ip('-d', 'link'),
      ip('address').replaceAll(/valid_lft.*/g, ''),
      ip('-4', 'route', 'show', 'table', 'all'),
      ip('-6', 'route', 'show', 'table', 'all'),
      ip('-4', 'rule'),
      ip('-6', 'rule'),
      ...chains,
      this.inPod('iptables-legacy-save', []).replaceAll(/^#.*$/gm, ''),
      this.inPod(
        'sysctl',
        sysctls.map((key) => `net.${key}`),
      ),
    ].join('\n');
  }

  /** Removes everything. */
  drop(): void {
    this.#dropNamespaces();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #dropNamespaces(): void {
    const present = run('ip', ['netns', 'list']);
    for (const name of [this.pod, this.node]) {
      if (new RegExp(`^${name}\\b`, 'm').test(present)) run('ip', ['netns', 'delete', name]);
    }
  }
}

function run(program: string, args: readonly string[], input = ''): string {
  return execFileSync(program, args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
}
