import assert from 'node:assert/strict';
import { parsePrefix } from '../../../../src/base/model/address.ts';
import type { NamespaceSnapshot, NodeSnapshot, Route } from '../../../../src/base/model/network.ts';
import type { Flow } from '../../../../src/base/model/observed.ts';
import type { Observation } from '../../../../src/egress/inspect/observation.ts';
import { resolveRemembered } from '../../../../src/egress/inspect/remembered.ts';
import type { AttachmentState } from '../../../../src/egress/model/state.ts';
import { describeDesired } from '../../../../src/egress/plan/desired.ts';
import { inwardMark } from '../../../../src/egress/plan/marks.ts';
import { address } from '../../base/rules/examples.ts';

function prefix(text: string): NonNullable<ReturnType<typeof parsePrefix>> {
  const parsed = parsePrefix(text);
  assert.ok(parsed, text);
  return parsed;
}

const oldDefault: Route = {
  family: 4,
  table: 254,
  destination: prefix('0.0.0.0/0'),
  type: 'unicast',
  gateway: address('10.128.10.1'),
  link: 'eth0',
  scope: 'universe',
  protocol: 3,
  onlink: false,
};

export const state: AttachmentState = {
  version: 1,
  id: { containerId: 'c0ffee', ifname: 'net1' },
  network: 'net',
  netns: { path: '/var/run/netns/x', inode: 7 },
  bootId: 'boot',
  link: 'net1',
  master: 'eth1',
  slot: 1,
  backend: 'nftables',
  podLinks: [{ family: 4, link: 'eth0' }],
  oldDefaults: [oldDefault],
  clusterRoutes: [],
  inwardRoutes: [{ ...oldDefault, table: 5301 }],
  addresses: [prefix('192.168.12.99/24')],
  sysctls: [],
  pod: { namespace: 'shop', name: 'egress-1' },
  router: {
    mode: 'bridge',
    mtu: 1500,
    gateways: [address('192.168.12.1')],
    destinations: ['80 UDP 10.0.0.99', '8080 TCP 203.0.113.26 80', '8443 TCP 203.0.113.27 443'],
    fallbacks: [],
    logFile: '/dev/null',
  },
};

const node: NodeSnapshot = {
  links: [{ index: 3, name: 'eth1', up: true, mtu: 1500, mac: '02:00:00:00:00:03' }],
  addresses: [],
  defaultRoutes: [],
};

const bare: NamespaceSnapshot = {
  links: [
    { index: 2, name: 'eth0', up: true, mtu: 1450, mac: '02:00:00:00:00:12' },
    {
      index: 5,
      name: 'net1',
      up: true,
      mtu: 1500,
      mac: '02:00:00:00:00:99',
      kind: 'macvlan',
      settings: { type: 'macvlan', mode: 'bridge' },
      parentIndex: 3,
      alias: 'egress-router c0ffee',
    },
  ],
  addresses: [
    { link: 'eth0', prefix: prefix('10.128.10.18/23') },
    { link: 'net1', prefix: prefix('192.168.12.99/24') },
  ],
  routes: [],
  policyRules: [],
  sysctls: new Map([['net/ipv4/conf/all/rp_filter', '0']]),
};

/** Returns the observation of a healthy router after ADD, with the network probed. */
export function observe(changes: Partial<Observation> = {}): Observation {
  const rules = [
    'map udp4: 80 : 10.0.0.99 . 80',
    'map tcp4: 8080 : 203.0.113.26 . 80',
    'map tcp4: 8443 : 203.0.113.27 . 443',
  ];
  const resolved = resolveRemembered(state, node, bare, rules);
  const desired = describeDesired(state.id, state.link, resolved, bare);
  const settings = [...desired.sysctls, ...desired.forwarding, ...desired.accounting, ...desired.linkSysctls];
  const pod: NamespaceSnapshot = {
    ...bare,
    routes: [...desired.outward, ...desired.privateOutward, ...state.inwardRoutes],
    policyRules: desired.policyRules,
    sysctls: new Map([...bare.sysctls, ...settings.map(({ key, value }) => [key, value] as const)]),
  };
  return {
    state,
    isRemembered: true,
    netns: state.netns.path,
    resolved,
    desired,
    pod,
    node,
    others: [],
    rules,
    ruleDifferences: [],
    ruleset: { tables: [], ours: [{ backend: 'nftables', name: 'net1', owner: 'c0ffee' }] },
    neighbours: [],
    claimants: [{ address: address('192.168.12.1'), mac: '02:00:00:00:00:01' }],
    ways: [],
    flows: [],
    tracking: { count: 3, maximum: 1000, synSentTimeout: 120 },
    attempts: [],
    ...changes,
  };
}

/** Returns a client's connection to a port of the router. */
export function flow(changes: Partial<Flow> = {}): Flow {
  return {
    protocol: 6,
    source: address('10.128.20.30'),
    sourcePort: 41234,
    destination: address('10.128.10.18'),
    destinationPort: 8080,
    target: address('203.0.113.26'),
    targetPort: 80,
    seenAs: address('192.168.12.99'),
    mark: inwardMark(1),
    destinationTranslated: true,
    answered: true,
    timeout: 431_999,
    tcpState: 'ESTABLISHED',
    sent: { packets: 6, bytes: 600 },
    received: { packets: 5, bytes: 5000 },
    ...changes,
  };
}
