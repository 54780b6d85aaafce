import type { ListDocument } from '../../../src/egress/inspect/list-document.ts';
import type { InspectDocument, RouterReport } from '../../../src/egress/inspect/report-document.ts';
import type { TraceDocument } from '../../../src/egress/inspect/trace-document.ts';
import type { WatchDocument } from '../../../src/egress/inspect/watch-document.ts';
import type { ValidateDocument } from '../../../src/erctl/manifests/validate-document.ts';
import type { ClaimsDocument } from '../../../src/ingress/claims/claims-document.ts';

const live = { connections: 12, packets: 48_213, bytes: 61_204_871 };
const idle = { connections: 0, packets: 0, bytes: 0 };

const healthy: RouterReport = {
  container: 'bac9fae69ddb6ac2c9c7e0f2f7d0b6a1',
  pod: 'shop/egress-router-cni-deployment-575465c75c-qkq6m',
  netns: '/var/run/netns/cni-2f1d6b2e-5a0b-6c1e-9f5f-0d3c8a1b7e42',
  interface: { name: 'net1', master: 'eth1', up: true, mode: 'bridge', mtu: 1500, mac: '02:00:00:00:00:99' },
  podInterfaces: [{ family: 4, name: 'eth0', addresses: ['10.128.10.18/23'] }],
  addresses: [
    {
      address: '192.168.12.99/24',
      gateway: { address: '192.168.12.1', answer: 'answers', mac: '02:00:00:00:00:01', neighbour: 'reachable' },
    },
  ],
  routes: [
    'default via 192.168.12.1 dev net1',
    '10.128.10.0/23 dev eth0',
    '192.168.12.0/24 dev net1',
    '192.168.12.1/32 dev net1',
    'default via 192.168.12.1 dev net1 table 5201',
    'default via 10.128.10.1 dev eth0 table 5301',
  ],
  policyRules: [
    '5201: from all fwmark 0x1000000/0x1f000000 iif eth0 lookup 5201',
    '5301: from all fwmark 0x1000000/0x1f000000 lookup 5301',
  ],
  backend: 'iptables',
  redirects: [
    { protocol: 'udp', port: 80, target: '10.0.0.99', targetPort: 80, installed: true, live: idle, opened: 3 },
    { protocol: 'tcp', port: 8080, target: '203.0.113.26', targetPort: 80, installed: true, live, opened: 123_456 },
    {
      protocol: 'tcp',
      port: 8443,
      target: '2001:db8:203::27',
      targetPort: 443,
      installed: true,
      live: idle,
      opened: 0,
    },
  ],
  fallbacks: [{ target: '203.0.113.30', live: { connections: 1 } }],
  connections: [
    {
      protocol: 'tcp',
      client: '10.128.20.30:41234',
      port: 8080,
      target: '203.0.113.26:80',
      source: '192.168.12.99',
      state: 'ESTABLISHED',
      packets: 11,
      bytes: 1999,
    },
  ],
  tracking: { count: 13, maximum: 262_144 },
  attempts: [{ target: '203.0.113.26:80', outcome: 'connected', milliseconds: 4 }],
  problems: [],
  notes: [],
};

export const healthyInspection: InspectDocument = { schema: 'erctl.inspect/v1', healthy: true, routers: [healthy] };

const { mode: _mode, mtu: _mtu, mac: _mac, ...gone } = healthy.interface;

export const brokenInspection: InspectDocument = {
  schema: 'erctl.inspect/v1',
  healthy: false,
  routers: [
    {
      ...healthy,
      interface: { ...gone, up: false },
      addresses: [{ address: '192.168.12.99/24', gateway: { address: '192.168.12.1', answer: 'silent' } }],
      backend: 'nftables',
      redirects: healthy.redirects.map(({ protocol, port, target, targetPort, live: counted }, index) => ({
        protocol,
        port,
        target,
        targetPort,
        live: counted,
        installed: index !== 1,
      })),
      connections: [],
      attempts: [],
      problems: [
        {
          code: 'gateway-silent',
          what: 'the gateway 192.168.12.1 does not answer on net1',
          cure: 'check that the gateway is up, that master eth1 is connected to its network (VLAN, cable, port security), and that ip.gateway is correct',
        },
        {
          code: 'redirect-missing',
          what: 'the rule for "8080 TCP 203.0.113.26 80" is missing, so connections to its port are refused',
          cure: 'delete the pod to recreate the router',
        },
      ],
      notes: ['foreign rules may drop redirected traffic: table inet mesh, chain out'],
    },
  ],
};

export const listing: ListDocument = {
  schema: 'erctl.list/v1',
  attachments: [
    {
      container: healthy.container,
      interface: 'net1',
      pod: 'shop/egress-router-cni-deployment-575465c75c-qkq6m',
      network: 'egress-router-cni-nad',
      netns: healthy.netns,
      addresses: ['192.168.12.99/24', '2001:db8:12::99/64'],
      master: 'eth1',
      backend: 'iptables',
      redirects: 3,
      state: 'attached',
    },
    {
      container: 'c0ffee',
      interface: 'net2',
      network: 'other',
      netns: '/proc/68857/ns/net',
      addresses: ['192.168.50.9/24'],
      master: 'bond0.12',
      backend: 'nftables',
      state: 'namespace-gone',
    },
  ],
};

export const trace: TraceDocument = {
  schema: 'erctl.trace/v1',
  packet: { protocol: 'tcp', client: '10.128.20.30', destination: '10.128.10.18', port: 8080, incoming: 'eth0' },
  goes: 'redirected',
  target: '203.0.113.26:80',
  source: '192.168.12.99',
  by: 'redirect',
  steps: [
    'The connection to 10.128.10.18:8080/tcp arrives on eth0.',
    'The redirect for 8080/tcp sends it to 203.0.113.26:80 (DNAT).',
    'It leaves through net1 via 192.168.12.1, table 5201.',
    '203.0.113.26 sees the source address 192.168.12.99 (SNAT).',
    'The reply arrives on net1 and returns to the client through eth0 via 10.128.10.1, table 5301.',
  ],
  attempt: { target: '203.0.113.26:80', outcome: 'ETIMEDOUT', milliseconds: 3501 },
  problems: [
    {
      code: 'target-silent',
      what: 'the destination 203.0.113.26:80 does not answer (ETIMEDOUT)',
      cure: 'check that it is up, that the gateway has a route to it, and that firewalls on the path allow traffic from 192.168.12.99',
    },
  ],
  arrives: false,
};

export const claims: ClaimsDocument = {
  schema: 'ingress-agent.claims/v1',
  claims: [
    {
      kind: 'Route',
      namespace: 'shop',
      name: 'cart',
      host: 'shop.example',
      path: '/cart',
      termination: 'edge',
      admitted: true,
      certificateExpires: '2027-01-31T12:00:00.000Z',
    },
    {
      kind: 'Route',
      namespace: 'bank',
      name: 'cart',
      host: 'shop.example',
      path: '/bank',
      termination: 'none',
      admitted: false,
      reason: 'HostAlreadyClaimed',
      message: 'host shop.example belongs to an older Route of another namespace',
    },
    { protocol: 'tcp', port: 13306, kind: 'Route', namespace: 'shop', name: 'mysql', admitted: true },
    {
      protocol: 'tcp',
      port: 13306,
      kind: 'Route',
      namespace: 'test',
      name: 'mysql',
      admitted: false,
      reason: 'PortAlreadyClaimed',
      message: 'tcp 13306 belongs to an older Route',
      owner: 'shop/mysql',
    },
    {
      protocol: 'udp',
      port: 5353,
      kind: 'Gateway',
      namespace: 'edge',
      name: 'dns',
      listener: 'queries',
      admitted: true,
    },
    {
      kind: 'Route',
      namespace: 'shop',
      name: 'broken',
      admitted: false,
      reason: 'ExtendedValidationFailed',
      message: 'spec.to.name missing: must be the name of a Service',
    },
  ],
};

export const validation: ValidateDocument = {
  schema: 'erctl.validate/v1',
  valid: false,
  files: [
    {
      file: 'router.yaml',
      documents: [
        { title: 'EgressRouter shop/one', outcome: 'valid', problems: [] },
        { title: 'Deployment shop/web', outcome: 'skipped', problems: [] },
        {
          title: 'EgressRouter shop/two',
          outcome: 'invalid',
          problems: [
            {
              path: 'spec.addresses[0].gateway',
              value: '"192.168.13.1"',
              cure: 'must be an address of 192.168.12.0/24, the network of the reserved address',
              line: 24,
            },
          ],
        },
      ],
    },
    { file: '-', documents: [] },
  ],
};

export const watched: WatchDocument = {
  schema: 'erctl.watch/v1',
  container: 'c0ffee',
  pod: 'shop/egress-1',
  interface: 'net1',
  seconds: 2.004,
  rows: [
    { rule: '80/udp', target: '10.0.0.99:80', connections: 0, opened: 0, bytesOutPerSecond: 0, bytesInPerSecond: 0 },
    {
      rule: '8080/tcp',
      target: '203.0.113.26:80',
      connections: 1204,
      opened: 37,
      bytesOutPerSecond: 12_345.6,
      bytesInPerSecond: 9_876_543,
    },
    {
      rule: 'other',
      target: '203.0.113.30',
      connections: 2,
      opened: 1,
      bytesOutPerSecond: 52,
      bytesInPerSecond: 999.6,
    },
  ],
  counted: true,
};
