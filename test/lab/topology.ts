import { addresses as at, type Host } from './names.ts';

/** What a lab is made of. */
export interface LabOptions {
  /** A second node on the physical network. */
  readonly secondNode?: boolean;
  /** `net.ipv4.conf.*.rp_filter` in the pod. */
  readonly strictReversePath?: boolean;
  /** Whether the pod forwards initially. */
  readonly podForwards?: boolean;
  /** Whether the pod has IPv6 on the cluster network. */
  readonly podIpv6?: boolean;
}

/** The commands of `ip -batch` and the settings that make one host. */
export interface HostPlan {
  readonly host: Host;
  readonly commands: readonly string[];
  readonly settings: readonly string[];
}

/**
 * The lab:
 *
 *     near ─┐
 *           ├─ cni0 [node] eth1 ─┐
 *     pod ──┘    │               ├─ br0 [phys] ── outside: gateway and destinations
 *     far ───────┘        node2 ─┤
 *                                └── outsider
 *
 * `outside` knows the way to the cluster's networks, so that a packet with a wrong source is seen
 * and answered, not just lost. `name` gives the namespace of a host.
 */
export function planHosts(name: (host: Host) => string, options: LabOptions): HostPlan[] {
  return [
    planPhysical(name, options),
    planOutside(),
    planNode(name),
    ...(options.secondNode === true ? [planSecondNode()] : []),
    planOutsider(),
    planPod(options),
    planClient('near', at.near),
    planClient('far', at.far),
  ];
}

function planPhysical(name: (host: Host) => string, { secondNode }: LabOptions): HostPlan {
  const ports: [Host, string][] = [
    ['outside', 'eth0'],
    ['node', 'eth1'],
    ['outsider', 'eth0'],
  ];
  if (secondNode === true) ports.push(['node2', 'eth1']);
  return {
    host: 'phys',
    commands: [
      'link add br0 type bridge mcast_snooping 0',
      'link set br0 up',
      ...ports.flatMap(([host, link]) => [
        `link add to-${host} type veth peer name ${link} netns ${name(host)}`,
        `link set to-${host} master br0`,
        `link set to-${host} up`,
      ]),
    ],
    settings: [],
  };
}

function planOutside(): HostPlan {
  const servers = [at.web, at.secure, at.datagrams, at.fallback];
  return {
    host: 'outside',
    commands: [
      ...up('lo', 'eth0'),
      ...give('eth0', at.gateway, 24, 64),
      ...servers.flatMap((server) => give('lo', server, 32, 128)),
      `route add 10.128.0.0/14 via ${at.node[4]}`,
      `route add fd00:10:128::/48 via ${at.node[6]}`,
    ],
    settings: ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'],
  };
}

function planNode(name: (host: Host) => string): HostPlan {
  return {
    host: 'node',
    commands: [
      ...up('lo', 'eth1'),
      ...give('eth1', at.node, 24, 64),
      'link add cni0 type bridge mcast_snooping 0',
      ...up('cni0'),
      'address add 10.128.10.1/23 dev cni0',
      'address add fd00:10:128:10::1/64 dev cni0 nodad',
      ...(['pod', 'near'] as const).flatMap((host) => [
        `link add to-${host} type veth peer name eth0 netns ${name(host)}`,
        `link set to-${host} master cni0`,
        // As bridge plugins of clusters do, so that a pod can reach itself by a service.
        `link set to-${host} type bridge_slave hairpin on`,
        ...up(`to-${host}`),
      ]),
      `link add to-far type veth peer name eth0 netns ${name('far')}`,
      ...up('to-far'),
      'address add 10.128.20.1/24 dev to-far',
      'address add fd00:10:128:20::1/64 dev to-far nodad',
      `route add default via ${at.gateway[4]}`,
      `route add default via ${at.gateway[6]}`,
    ],
    settings: ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'],
  };
}

function planSecondNode(): HostPlan {
  return {
    host: 'node2',
    commands: [...up('lo', 'eth1'), ...give('eth1', at.node2, 24, 64), `route add default via ${at.gateway[4]}`],
    settings: [],
  };
}

function planOutsider(): HostPlan {
  return {
    host: 'outsider',
    commands: [
      ...up('lo', 'eth0'),
      ...give('eth0', at.outsider, 24, 64),
      // An outside host that uses the reserved address as a gateway to the cluster.
      `route add 10.128.0.0/14 via ${at.reserved[4]}`,
      `route add fd00:10:128::/48 via ${at.reserved[6]}`,
    ],
    settings: [],
  };
}

function planPod({ strictReversePath, podForwards, podIpv6 }: LabOptions): HostPlan {
  const filter = strictReversePath === true ? 1 : 0;
  return {
    host: 'pod',
    commands: [
      'link set eth0 addrgenmode none',
      ...up('lo', 'eth0'),
      `address add ${at.pod[4]}/23 dev eth0`,
      'route add default via 10.128.10.1',
      ...(podIpv6 === false
        ? []
        : [`address add ${at.pod[6]}/64 dev eth0 nodad`, 'route add default via fd00:10:128:10::1']),
    ],
    settings: [
      ...['all', 'default', 'eth0'].map((link) => `net.ipv4.conf.${link}.rp_filter=${filter}`),
      `net.ipv4.ip_forward=${podForwards === true ? 1 : 0}`,
      `net.ipv6.conf.all.forwarding=${podForwards === true ? 1 : 0}`,
    ],
  };
}

function planClient(host: 'near' | 'far', own: { 4: string; 6: string }): HostPlan {
  const [length, subnet] = host === 'near' ? [23, 10] : [24, 20];
  return {
    host,
    commands: [
      ...up('lo', 'eth0'),
      ...give('eth0', own, length, 64),
      `route add default via 10.128.${subnet}.1`,
      `route add default via fd00:10:128:${subnet}::1`,
    ],
    settings: [],
  };
}

function up(...links: string[]): string[] {
  return links.map((link) => `link set ${link} up`);
}

function give(link: string, own: { 4: string; 6: string }, length4: number, length6: number): string[] {
  return [`address add ${own[4]}/${length4} dev ${link}`, `address add ${own[6]}/${length6} dev ${link} nodad`];
}
