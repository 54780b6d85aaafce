import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { parsePrefix } from '../../../../src/base/model/address.ts';
import type { Link, NamespaceSnapshot, NodeSnapshot, Route } from '../../../../src/base/model/network.ts';
import type { AttachmentSpec } from '../../../../src/egress/model/attachment.ts';
import { planAdd } from '../../../../src/egress/plan/add.ts';
import { temporaryLinkOf } from '../../../../src/egress/plan/desired.ts';
import { planRemoval } from '../../../../src/egress/plan/remove.ts';
import { type Resolved, resolveMaster, resolvePod } from '../../../../src/egress/plan/resolve.ts';
import { address, documented } from '../../base/rules/examples.ts';

function prefix(text: string): NonNullable<ReturnType<typeof parsePrefix>> {
  const parsed = parsePrefix(text);
  assert.ok(parsed, text);
  return parsed;
}

const spec: AttachmentSpec = {
  network: 'net',
  kind: { type: 'macvlan', mode: 'bridge' },
  reserved: [{ prefix: prefix('192.168.12.99/24') }],
  redirects: documented.redirects,
  clusterNetworks: [prefix('172.30.0.0/16')],
  ruleBackend: 'auto',
  log: { file: '/dev/null', level: 'debug' },
};

function defaultVia(gateway: string, link: string, metric?: number): Route {
  return {
    family: 4,
    table: 254,
    destination: prefix('0.0.0.0/0'),
    type: 'unicast',
    gateway: address(gateway),
    link,
    scope: 'universe',
    protocol: 3,
    onlink: false,
    ...(metric === undefined ? {} : { metric }),
  };
}

const node: NodeSnapshot = {
  links: [
    { index: 1, name: 'lo', up: true, mtu: 65536, mac: '' },
    { index: 2, name: 'eth0', up: true, mtu: 9000, mac: '02:00:00:00:00:02' },
    { index: 3, name: 'eth1', up: true, mtu: 1500, mac: '02:00:00:00:00:03' },
    { index: 4, name: 'eth2', up: false, mtu: 1500, mac: '02:00:00:00:00:04' },
  ],
  addresses: [
    { link: 'eth0', prefix: prefix('10.1.1.5/24') },
    { link: 'eth1', prefix: prefix('192.168.12.5/24') },
  ],
  defaultRoutes: [defaultVia('10.1.1.1', 'eth0', 100), defaultVia('192.168.12.1', 'eth1', 200)],
};

const pod: NamespaceSnapshot = {
  links: [{ index: 2, name: 'eth0', up: true, mtu: 1450, mac: '02:00:00:00:00:12' }],
  addresses: [{ link: 'eth0', prefix: prefix('10.128.10.18/23') }],
  routes: [defaultVia('10.128.10.1', 'eth0')],
  policyRules: [],
  sysctls: new Map([
    ['net/ipv4/ip_forward', '0'],
    ['net/ipv4/fwmark_reflect', '0'],
    ['net/ipv4/conf/all/rp_filter', '0'],
    ['net/ipv4/conf/eth0/rp_filter', '1'],
    ['net/ipv6/conf/all/forwarding', '0'],
  ]),
};

const id = { containerId: 'c0ffee', ifname: 'net1' };

function resolve(): Resolved {
  return { spec, ...resolveMaster(spec, node), ...resolvePod(spec, pod, []) };
}

function plan(): ReturnType<typeof planAdd> {
  const netns = { path: '/var/run/netns/x', inode: 7 };
  return planAdd({
    id,
    link: 'net1',
    resolved: resolve(),
    pod,
    netns,
    bootId: 'boot',
    backend: 'nftables',
    logFile: '/dev/null',
  });
}

describe('resolveMaster', () => {
  it('prefers the interface in the network of the reserved address to that of the default route', () => {
    assert.equal(resolveMaster(spec, node).master.name, 'eth1');
  });

  it("derives the gateway from the master's default route", () => {
    assert.equal(resolveMaster(spec, node).reserved[0]?.gateway.text, '192.168.12.1');
  });

  it("falls back to the default route's interface", () => {
    const elsewhere = { ...spec, reserved: [{ prefix: prefix('172.16.0.9/24'), gateway: address('172.16.0.1') }] };
    assert.equal(resolveMaster(elsewhere, node).master.name, 'eth0');
  });

  const refusals: { name: string; spec: AttachmentSpec; node: NodeSnapshot; says: RegExp }[] = [
    {
      name: 'two default gateways',
      spec,
      node: { ...node, defaultRoutes: [...node.defaultRoutes, defaultVia('192.168.12.2', 'eth1', 300)] },
      says: /^ip\.gateway: is not set, and master eth1 has 2 default gateways in 192\.168\.12\.99\/24/,
    },
    {
      name: 'a missing gateway',
      spec,
      node: { ...node, defaultRoutes: [] },
      says: /^ip\.gateway: is not set.* has no default gateway/,
    },
    {
      name: 'a master that is down',
      spec: { ...spec, master: 'eth2' },
      node,
      says: /^interfaceArgs\.master "eth2": the interface is down; set it up with "ip link set eth2 up"$/,
    },
    {
      name: "an MTU above the master's",
      spec: { ...spec, mtu: 1501 },
      node,
      says: /^interfaceArgs\.mtu "1501": must be at most 1500/,
    },
    {
      name: 'a node without a usable master',
      spec: { ...spec, reserved: [{ prefix: prefix('172.16.0.9/24'), gateway: address('172.16.0.1') }] },
      node: { ...node, defaultRoutes: [] },
      says: /^interfaceArgs\.master: is not set, no interface of the node is in the network of 172\.16\.0\.9\/24/,
    },
  ];
  for (const refusal of refusals) {
    it(`rejects ${refusal.name}`, () => {
      assert.throws(() => resolveMaster(refusal.spec, refusal.node), { name: 'PlanError', message: refusal.says });
    });
  }
});

describe('planAdd', () => {
  const order = plan().steps.map(({ operation }) => operation.do);

  it('saves the state, blocks forwarding, creates the link, adds routes and enables forwarding, in this order', () => {
    const first = (name: string): number => order.indexOf(name as (typeof order)[number]);
    const milestones = [
      'save-state',
      'change-rules',
      'create-link',
      'claim-link',
      'guard-link',
      'set-link-up',
      'add-policy-rule',
      'delete-route',
      'forget-untranslated',
      'announce',
    ];
    const places = milestones.map(first);
    assert.deepEqual(
      places,
      places.toSorted((one, other) => one - other),
    );
    const forwarding = plan().steps.findIndex(
      ({ operation }) => operation.do === 'set-sysctl' && operation.key === 'net/ipv4/ip_forward',
    );
    assert.equal(forwarding, order.length - 3);
  });

  it('gives each lasting step outside the link an undo', () => {
    const without = plan()
      .steps.filter(({ undo }) => undo === undefined)
      .map(({ operation }) => operation.do);
    assert.deepEqual(new Set(without), new Set(['set-sysctl', 'add-address', 'set-link-alias', 'announce']));
    const settings = plan().steps.filter(({ operation, undo }) => operation.do === 'set-sysctl' && undo === undefined);
    for (const { operation } of settings) {
      assert.ok(
        operation.do === 'set-sysctl' && operation.key.includes('/net1/'),
        'a setting of the namespace has no undo',
      );
    }
  });

  it('routes cluster networks and the node through the old gateway', () => {
    const routes = plan().desired.cluster.map(
      (route) => `${route.destination.address.text} via ${route.gateway?.text}`,
    );
    assert.deepEqual(routes, ['172.30.0.0 via 10.128.10.1', '192.168.12.5 via 10.128.10.1']);
  });

  it('sets loose reverse-path filtering on a strict pod interface and saves the old value', () => {
    assert.deepEqual(
      plan().state.sysctls.find(({ key }) => key.endsWith('eth0/rp_filter')),
      { key: 'net/ipv4/conf/eth0/rp_filter', was: '1' },
    );
  });
});

describe('the saved state of an ADD', () => {
  const named = planAdd({
    id,
    link: 'net1',
    resolved: resolve(),
    pod: { ...pod, sysctls: new Map([...pod.sysctls, ['net/netfilter/nf_conntrack_acct', '0']]) },
    netns: { path: '/var/run/netns/x', inode: 7 },
    bootId: 'boot',
    backend: 'nftables',
    logFile: '/dev/null',
    podName: { namespace: 'shop', name: 'egress-1' },
  });

  it('records the configuration and the pod', () => {
    assert.deepEqual(named.state.pod, { namespace: 'shop', name: 'egress-1' });
    assert.deepEqual(named.state.router, {
      linkType: 'macvlan',
      mode: 'bridge',
      mtu: 1500,
      gateways: [address('192.168.12.1')],
      destinations: ['80 UDP 10.0.0.99', '8080 TCP 203.0.113.26 80', '8443 TCP 203.0.113.27 443'],
      fallbacks: [],
      clusterNetworks: ['172.30.0.0/16'],
      logFile: '/dev/null',
    });
    assert.equal('pod' in plan().state, false);
  });

  it('enables connection accounting and saves the old value, if the kernel supports it', () => {
    const counting = { key: 'net/netfilter/nf_conntrack_acct', was: '0' };
    assert.deepEqual(
      named.state.sysctls.find(({ key }) => key === counting.key),
      counting,
    );
    assert.equal(
      plan().state.sysctls.some(({ key }) => key === counting.key),
      false,
    );
  });
});

describe('planRemoval', () => {
  it('plans almost nothing if nothing is left', () => {
    const operations = planRemoval(plan().state, pod, []).map((operation) => operation.do);
    assert.deepEqual(operations, ['remove-rules', 'forget-marked', 'remove-state']);
  });

  it('blocks forwarding before it removes rules and restores the old default route last', () => {
    const after: NamespaceSnapshot = {
      ...pod,
      links: [
        ...pod.links,
        {
          index: 3,
          name: 'net1',
          up: true,
          mtu: 1500,
          mac: '02:00:00:00:00:99',
          kind: 'macvlan',
          alias: 'egress-router c0ffee',
        },
      ],
      routes: [...plan().desired.outward, ...plan().desired.inward],
      policyRules: plan().desired.policyRules,
      sysctls: new Map([...pod.sysctls, ['net/ipv4/ip_forward', '1']]),
    };
    const operations = planRemoval(plan().state, after, []);
    const [, first] = operations;
    assert.ok(first?.do === 'set-sysctl' && first.key === 'net/ipv4/ip_forward' && first.value === '0');
    const order = operations.map((operation) => operation.do);
    const milestones = ['set-sysctl', 'close-link', 'remove-rules', 'delete-link', 'forget-marked', 'add-route'];
    const places = milestones.map((name) => order.indexOf(name as (typeof order)[number]));
    assert.deepEqual(
      places,
      places.toSorted((one, other) => one - other),
    );
    assert.ok(!places.includes(-1));
    assert.equal(order.at(-1), 'remove-state');
    assert.ok(operations.some((operation) => operation.do === 'add-route' && operation.route.link === 'eth0'));
  });

  it('recognizes the link by its temporary name but not a foreign link with its final name', () => {
    const link = { index: 3, name: 'net1', up: true, mtu: 1500, mac: '02:00:00:00:00:99', kind: 'macvlan' };
    const deleted = (one: Link): readonly string[] =>
      planRemoval(plan().state, { ...pod, links: [one] }, []).flatMap((operation) =>
        operation.do === 'delete-link' ? operation.link : [],
      );
    const temporary = temporaryLinkOf(id);
    assert.match(temporary, /^er-[0-9a-f]{12}$/);
    assert.notEqual(temporary, temporaryLinkOf({ ...id, ifname: 'net2' }));
    assert.deepEqual(deleted({ ...link, name: temporary, up: false }), [temporary]);
    assert.deepEqual(deleted({ ...link, alias: 'egress-router c0ffee' }), ['net1']);
    assert.deepEqual(deleted({ ...link, up: false }), ['net1']);
    assert.deepEqual(deleted(link), []);
    assert.deepEqual(deleted({ ...link, up: false, kind: 'veth' }), []);
    assert.deepEqual(deleted({ ...link, up: false, alias: 'egress-router other' }), []);
  });
});
