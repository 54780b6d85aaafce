import assert from 'node:assert/strict';
import type { ForeignTable, Probe } from '../../../../src/base/firewall/chain.ts';
import { readIptables } from '../../../../src/base/firewall/iptables.ts';
import { readNftables } from '../../../../src/base/firewall/nftables.ts';
import { listPossible, walkChain } from '../../../../src/base/firewall/walk.ts';
import { address } from '../rules/examples.ts';

const packet: Probe = {
  family: 4,
  protocol: 'tcp',
  incoming: 'eth0',
  outgoing: 'net1',
  destination: address('203.0.113.26'),
  destinationPort: 80,
  state: 'new',
  isRedirected: true,
};

/** Returns the verdict about the packet at FORWARD, with a question mark if it is uncertain. */
function follow(rules: string, probe: Partial<Probe> = {}): string {
  const { tables } = readIptables(`*filter\n${rules}\nCOMMIT\n`, 4, 'iptables-save');
  return followTable(tables[0], 'FORWARD', probe);
}

function followTable(table: ForeignTable | undefined, name: string, probe: Partial<Probe> = {}): string {
  const chain = table?.chains.find((one) => one.name === name);
  assert.ok(table && chain);
  const fate = walkChain(table, chain, { ...packet, ...probe });
  return `${fate.kind}${fate.isCertain ? '' : '?'}`;
}

const iptables: { name: string; rules: string; goes: string; probe?: Partial<Probe> }[] = [
  { name: 'a policy', rules: ':FORWARD DROP [0:0]', goes: 'drop' },
  { name: 'a rule for its interface', rules: ':FORWARD ACCEPT [0:0]\n-A FORWARD -i eth0 -j DROP', goes: 'drop' },
  { name: 'a rule for another interface', rules: ':FORWARD ACCEPT [0:0]\n-A FORWARD -i eth1 -j DROP', goes: 'accept' },
  {
    name: 'a negated rule',
    rules: ':FORWARD ACCEPT [0:0]\n-A FORWARD ! -i eth1 -j REJECT --reject-with icmp-port-unreachable',
    goes: 'drop',
  },
  { name: 'a pattern of interfaces', rules: ':FORWARD ACCEPT [0:0]\n-A FORWARD -o net+ -j DROP', goes: 'drop' },
  { name: 'a network', rules: ':FORWARD ACCEPT [0:0]\n-A FORWARD -d 203.0.113.0/24 -j DROP', goes: 'drop' },
  {
    name: 'ports',
    rules: ':FORWARD DROP [0:0]\n-A FORWARD -p tcp -m multiport --dports 22,80:90 -j ACCEPT',
    goes: 'accept',
  },
  {
    name: 'states',
    rules: ':FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    goes: 'drop',
  },
  {
    name: 'a translated destination',
    rules: ':FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT',
    goes: 'accept',
  },
  {
    name: 'a comment with words of rules',
    rules: ':FORWARD ACCEPT [0:0]\n-A FORWARD -m comment --comment "x -j DROP -i y" -j ACCEPT',
    goes: 'accept',
  },
  {
    name: 'a chain that returns',
    rules: ':FORWARD ACCEPT [0:0]\n:A - [0:0]\n-A FORWARD -j A\n-A FORWARD -j DROP\n-A A -j RETURN\n-A A -j ACCEPT',
    goes: 'drop',
  },
  {
    name: 'a chain that is gone to',
    rules: ':FORWARD ACCEPT [0:0]\n:A - [0:0]\n-A FORWARD -g A\n-A FORWARD -j DROP\n-A A -i eth9 -j DROP',
    goes: 'accept',
  },
  {
    name: 'an unknown condition',
    rules: ':FORWARD ACCEPT [0:0]\n-A FORWARD -m time --timestart 10:00 -j DROP',
    goes: 'accept?',
  },
  {
    name: 'an unknown exception',
    rules: ':FORWARD DROP [0:0]\n-A FORWARD -m set --match-set friends src -j ACCEPT',
    goes: 'drop?',
  },
  {
    name: 'a source that is not known',
    rules: ':FORWARD ACCEPT [0:0]\n-A FORWARD -s 10.0.0.0/8 -j DROP',
    goes: 'accept?',
  },
  {
    name: 'a circle of chains',
    rules: ':FORWARD ACCEPT [0:0]\n:A - [0:0]\n-A FORWARD -j A\n-A A -j A',
    goes: 'accept',
  },
];

/** One rule of a chain at forward, as `nft -j` lists it. */
function nft(expressions: readonly unknown[][], policy = 'accept', family = 'inet'): ForeignTable | undefined {
  const listing = {
    nftables: [
      { metainfo: { json_schema_version: 1 } },
      { table: { family, name: 't' } },
      { chain: { family, table: 't', name: 'c', type: 'filter', hook: 'forward', prio: 0, policy } },
      { chain: { family, table: 't', name: 'sub' } },
      { rule: { family, table: 't', chain: 'sub', expr: [{ drop: null }] } },
      ...expressions.map((expr) => ({ rule: { family, table: 't', chain: 'c', expr } })),
    ],
  };
  return readNftables(listing).tables[0];
}

const match = (left: unknown, right: unknown, op = '=='): unknown => ({ match: { op, left, right } });
const meta = (key: string): unknown => ({ meta: { key } });
const payload = (protocol: string, field: string): unknown => ({ payload: { protocol, field } });

const nftables: { name: string; table: ForeignTable | undefined; goes: string; probe?: Partial<Probe> }[] = [
  { name: 'a policy', table: nft([], 'drop'), goes: 'drop' },
  { name: 'an interface', table: nft([[match(meta('iifname'), 'eth0'), { reject: null }]]), goes: 'drop' },
  {
    name: 'a set of ports',
    table: nft([[match(payload('tcp', 'dport'), { set: [22, { range: [80, 90] }] }), { drop: null }]]),
    goes: 'drop',
  },
  {
    name: 'a port of another protocol',
    table: nft([[match(payload('udp', 'dport'), 80), { drop: null }]]),
    goes: 'accept',
  },
  {
    name: 'a network',
    table: nft([[match(payload('ip', 'daddr'), { prefix: { addr: '203.0.113.0', len: 24 } }), { drop: null }]]),
    goes: 'drop',
  },
  {
    name: 'a network of the other family',
    table: nft([[match(payload('ip6', 'daddr'), { prefix: { addr: '2001:db8::', len: 32 } }), { drop: null }]]),
    goes: 'accept',
  },
  {
    name: 'states',
    table: nft([
      [match({ ct: { key: 'state' } }, ['established', 'related'], 'in'), { accept: null }],
      [{ drop: null }],
    ]),
    goes: 'drop',
  },
  {
    name: 'a translated destination',
    table: nft([[match({ ct: { key: 'status' } }, 'dnat', 'in'), { accept: null }], [{ drop: null }]]),
    goes: 'accept',
  },
  {
    name: 'a verdict map',
    table: nft([[{ vmap: { key: meta('iifname'), data: { set: [['eth0', { jump: { target: 'sub' } }]] } } }]]),
    goes: 'drop',
  },
  {
    name: 'a verdict map in the kernel',
    table: nft([[{ vmap: { key: meta('iifname'), data: '@zones' } }]]),
    goes: 'accept?',
  },
  {
    name: 'a set in the kernel',
    table: nft([[match(payload('ip', 'daddr'), '@friends'), { drop: null }]]),
    goes: 'accept?',
  },
  { name: 'a limit', table: nft([[{ limit: { rate: 1 } }, { accept: null }], [{ drop: null }]]), goes: 'drop?' },
  { name: 'a counter', table: nft([[{ counter: { packets: 0, bytes: 0 } }]]), goes: 'accept' },
];

describe('rules of other programs', () => {
  for (const { name, rules, goes, probe } of iptables) {
    it(`follows ${name} of iptables`, () => assert.equal(follow(rules, probe), goes));
  }
  for (const { name, table, goes, probe } of nftables) {
    it(`follows ${name} of nftables`, () => assert.equal(followTable(table, 'c', probe), goes));
  }

  it('reports targets whose effect is unknown, and none that changes no connection', () => {
    const saved = (target: string) => `*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -p tcp -j ${target}\nCOMMIT\n`;
    const count = (target: string): number => {
      const [table] = readIptables(saved(target), 4, 'iptables-save').tables;
      const [chain] = table?.chains ?? [];
      assert.ok(table && chain);
      return listPossible(table, chain, packet).length;
    };
    assert.deepEqual(['SYNPROXY --sack-perm --mss 1460', 'TARPIT', 'TOS --set-tos 16'].map(count), [1, 1, 0]);
  });

  it('recognizes our tables and their owners', () => {
    const saved =
      '*filter\n:FORWARD ACCEPT [0:0]\n:ER-net1-FORWARD - [0:0]\n-A FORWARD -m comment --comment "egress-router c0ffee" -j ER-net1-FORWARD\n-A ER-net1-FORWARD -j DROP\nCOMMIT\n';
    assert.deepEqual(readIptables(saved, 4, 'iptables-save').ours, [
      { backend: 'iptables', name: 'net1', owner: 'c0ffee' },
    ]);
    const listing = {
      nftables: [{ table: { family: 'inet', name: 'egress-router-net2', comment: 'egress-router beef' } }],
    };
    assert.deepEqual(readNftables(listing), {
      tables: [],
      ours: [{ backend: 'nftables', name: 'net2', owner: 'beef' }],
    });
  });

  it('treats an invalid listing as empty', () => {
    for (const listing of [
      undefined,
      null,
      'x',
      [],
      { nftables: {} },
      { nftables: [null, { rule: {} }, { chain: 3 }] },
    ]) {
      assert.deepEqual(readNftables(listing), { tables: [], ours: [] });
    }
  });
});
