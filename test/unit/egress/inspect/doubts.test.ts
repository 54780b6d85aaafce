import assert from 'node:assert/strict';
import { readIptables } from '../../../../src/base/firewall/iptables.ts';
import { readNftables } from '../../../../src/base/firewall/nftables.ts';
import { recallRedirects } from '../../../../src/egress/api/remembered.ts';
import { judge } from '../../../../src/egress/inspect/findings.ts';
import type { Observation } from '../../../../src/egress/inspect/observation.ts';
import { describeInspection } from '../../../../src/egress/inspect/report.ts';
import { renderInspection } from '../../../../src/erctl/screens/inspect.ts';
import { observe } from './samples.ts';

/** Rules of iptables in the pod's `nat` table, before the jump to the router's own chain. */
const nat = (...lines: readonly string[]): string =>
  ['*nat', ':PREROUTING ACCEPT [0:0]', ':POSTROUTING ACCEPT [0:0]', ':MESH - [0:0]', ...lines, 'COMMIT', ''].join('\n');
const filter = (table: string, chain: string, ...lines: readonly string[]): string =>
  [`*${table}`, `:${chain} ACCEPT [0:0]`, ...lines, 'COMMIT', ''].join('\n');

const none = /^$/;

/** Rules that inspection cannot judge, and what it notes. */
const ofIptables: readonly (readonly [name: string, saved: string, note: RegExp])[] = [
  [
    'a redirect for addresses of a set',
    nat('-A PREROUTING -p tcp -m set --match-set mesh dst -j REDIRECT --to-ports 15006'),
    /in the pod may change connections \(8080\/tcp and 1 more\), because whether it applies cannot be read .*chain PREROUTING, "-A PREROUTING .*15006"/,
  ],
  [
    'a translation for some clients',
    nat('-A PREROUTING -s 10.128.20.0/24 -p udp -j DNAT --to-destination 10.0.0.1:53'),
    /may change connections \(80\/udp\)/,
  ],
  [
    'a translation in a chain that some connections enter',
    nat(
      '-A PREROUTING -m statistic --mode random --probability 0.5 -j MESH',
      '-A MESH -p tcp -j DNAT --to-destination 10.0.0.1',
    ),
    /chain MESH/,
  ],
  [
    'a translation after a rule that may end the chain',
    nat('-A PREROUTING -m set --match-set own src -j RETURN', '-A PREROUTING -p tcp -j REDIRECT --to-ports 9'),
    /may change connections \(8080\/tcp/,
  ],
  [
    'a match that nothing knows',
    nat('-A PREROUTING -m frobnicate --frob 7 -j DNAT --to-destination 10.0.0.1'),
    /may change/,
  ],
  ['a target that nothing knows', nat('-A PREROUTING -j FROBNICATE --all'), /because its effect cannot be read/],
  [
    'a program that decides',
    filter('mangle', 'PREROUTING', '-A PREROUTING -j NFQUEUE --queue-num 1'),
    /its effect cannot be read/,
  ],
  [
    'a source translation for some',
    nat('-A POSTROUTING -m set --match-set x dst -j MASQUERADE'),
    /may change connections/,
  ],
  [
    'tracking that some lose',
    filter('raw', 'PREROUTING', '-A PREROUTING -m set --match-set x src -j CT --notrack'),
    /may change connections/,
  ],
  [
    'a drop for some before an ACCEPT',
    filter('filter', 'FORWARD', '-A FORWARD -m set --match-set bad dst -j DROP', '-A FORWARD -j ACCEPT'),
    /may drop connections/,
  ],
  [
    'a rule for another port',
    nat('-A PREROUTING -p tcp -m tcp --dport 9 -m set --match-set x src -j REDIRECT --to-ports 9'),
    none,
  ],
  ['a mark for some', nat('-A PREROUTING -m set --match-set x src -j MARK --set-xmark 0x1/0x1'), none],
  ['an empty chain for some', nat('-A PREROUTING -m set --match-set x src -j MESH'), none],
  ['a return in a chain for some', nat('-A PREROUTING -j MESH', '-A MESH -m set --match-set x src -j RETURN'), none],
  [
    'a source translation of another interface',
    nat('-A POSTROUTING -o eth0 -m set --match-set x dst -j MASQUERADE'),
    none,
  ],
];

interface Listed {
  readonly type: string;
  readonly hook: string;
  readonly prio: number;
  readonly rules: readonly (readonly object[])[];
}

function listNft({ type, hook, prio, rules }: Listed): object {
  const chain = { family: 'ip', table: 'mesh', name: 'pre' };
  return {
    nftables: [
      { table: { family: 'ip', name: 'mesh', handle: 9 } },
      { chain: { ...chain, type, hook, prio, policy: 'accept' } },
      ...rules.map((expr) => ({ rule: { ...chain, chain: 'pre', expr } })),
    ],
  };
}

const natAt = (...rules: (readonly object[])[]): Listed => ({ type: 'nat', hook: 'prerouting', prio: -101, rules });
const redirect = { redirect: { port: 9 } };

const ofNft: readonly (readonly [name: string, listed: Listed, note: RegExp])[] = [
  [
    'a redirect for members of an unknown set',
    natAt([{ match: { op: '==', left: { payload: { protocol: 'ip', field: 'saddr' } }, right: '@gone' } }, redirect]),
    /"redirect"/,
  ],
  [
    'a redirect by a field that nothing knows',
    natAt([{ match: { op: '==', left: { socket: { key: 'mark' } }, right: 7 } }, redirect]),
    /may change/,
  ],
  ['a redirect by quota', natAt([{ quota: { val: 1 } }, redirect]), /may change/],
  ['a redirect by number of connections', natAt([{ 'ct count': { val: 9 } }, redirect]), /may change/],
  [
    'a statement that nothing knows',
    natAt([{ frobnicate: { all: true } }]),
    /its effect cannot be read .*"frobnicate"/,
  ],
  [
    'a rewritten address',
    {
      type: 'filter',
      hook: 'prerouting',
      prio: -150,
      rules: [[{ mangle: { key: { payload: { protocol: 'ip', field: 'daddr' } }, value: '10.0.0.1' } }]],
    },
    /its effect cannot be read/,
  ],
  [
    'a program that decides',
    { type: 'filter', hook: 'forward', prio: 0, rules: [[{ queue: { num: 1 } }]] },
    /its effect cannot be read/,
  ],
  [
    'a rule of iptables in a table of nft',
    natAt([{ xt: { type: 'target', name: 'DNAT' } }]),
    /its effect cannot be read/,
  ],
  [
    'a mark, a counter and a log',
    natAt([
      { counter: { packets: 1, bytes: 2 } },
      { mangle: { key: { meta: { key: 'mark' } }, value: 1 } },
      { log: null },
    ]),
    none,
  ],
  ['a limited log', natAt([{ limit: { rate: 1, per: 'second' } }, { log: null }]), none],
];

const findDoubts = (seen: Partial<Observation>): readonly string[] => judge(observe(seen)).doubts;

describe('rules that inspection cannot judge', () => {
  for (const [name, saved, note] of ofIptables) {
    it(`are noted, and only those: ${name}, by iptables`, () => {
      const { tables } = readIptables(saved, 4, 'iptables-nft-save');
      assert.match(findDoubts({ ruleset: { tables, ours: [] } }).join('\n'), note);
    });
  }

  for (const [name, listed, note] of ofNft) {
    it(`are noted, and only those: ${name}, by nft`, () => {
      const { tables } = readNftables(listNft(listed));
      assert.match(findDoubts({ ruleset: { tables, ours: [] } }).join('\n'), note);
    });
  }

  it('are noted on the node if they may translate, and not if a set of a network policy may drop', () => {
    const saved = nat(`-A PREROUTING -p tcp -m set --match-set x dst -j DNAT --to-destination 10.0.0.1`);
    const policy = filter('filter', 'FORWARD', '-A FORWARD -m set --match-set x dst -j DROP');
    const { tables } = readIptables(saved + policy, 4, 'iptables-nft-save');
    const doubts = findDoubts({ nodeRuleset: { tables, ours: [] } });
    assert.equal(doubts.length, 1);
    assert.match(doubts[0] ?? '', /on the node may change connections /);
  });

  it('concern routers that have only names as destinations, too', () => {
    const { resolved } = observe({});
    const redirects = recallRedirects({
      destinations: ['8443 TCP api.partner.example 443'],
      fallbacks: [],
      answers: [{ name: 'api.partner.example', addresses: ['203.0.113.27'] }],
    });
    const named = { ...resolved, spec: { ...resolved.spec, redirects } };
    const saved = nat('-A PREROUTING -p tcp -m set --match-set mesh dst -j REDIRECT --to-ports 15006');
    const { tables } = readIptables(saved, 4, 'iptables-nft-save');
    const doubts = findDoubts({ resolved: named, ruleset: { tables, ours: [] } });
    assert.match(doubts.join(), /may change connections \(8443\/tcp\)/);
  });

  it('keep erctl from calling a router healthy', () => {
    const saved = nat('-A PREROUTING -m set --match-set mesh dst -j REDIRECT --to-ports 15006');
    const { tables } = readIptables(saved, 4, 'iptables-nft-save');
    const { ours } = observe({}).ruleset;
    const document = describeInspection([observe({ ruleset: { tables, ours } })]);
    assert.equal(document.routers[0]?.uncertain, true);
    const text = renderInspection(document, { colour: false }, false);
    assert.match(text, /^Note: a rule of another program in the pod may change connections/m);
    assert.match(text, /No problems found, but rules of other programs may disturb connections/);
    assert.doesNotMatch(text, /Healthy/);
  });
});
