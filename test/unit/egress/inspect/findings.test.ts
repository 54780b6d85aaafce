import assert from 'node:assert/strict';
import { readIptables } from '../../../../src/base/firewall/iptables.ts';
import { readNftables } from '../../../../src/base/firewall/nftables.ts';
import type { FindingCode } from '../../../../src/egress/inspect/finding.ts';
import { judge } from '../../../../src/egress/inspect/findings.ts';
import type { Observation } from '../../../../src/egress/inspect/observation.ts';
import { describeInspection } from '../../../../src/egress/inspect/report.ts';
import { inspectDocumentSchema } from '../../../../src/egress/inspect/report-document.ts';
import type { AttachmentState } from '../../../../src/egress/model/state.ts';
import { address } from '../../base/rules/examples.ts';
import { flow, observe, state } from './samples.ts';

const waiting = {
  answered: false,
  tcpState: 'SYN_SENT',
  sent: { packets: 3, bytes: 180 },
  received: { packets: 0, bytes: 0 },
};
const { router: _, ...elder } = state;

/** Observations and the exact findings they must produce. test/netns/erctl covers the rest on a real kernel. */
const cases: { name: string; seen: Partial<Observation>; codes: readonly FindingCode[]; says?: RegExp }[] = [
  { name: 'nothing for a healthy router', seen: {}, codes: [] },
  {
    name: 'a full connection tracking table',
    seen: { tracking: { count: 1000, maximum: 1000, synSentTimeout: 120 } },
    codes: ['tracking-full'],
    says: /connection tracking table is full \(1000 of 1000 entries\).*nf_conntrack_max=2000/,
  },
  {
    name: 'a nearly full connection tracking table',
    seen: { tracking: { count: 950, maximum: 1000, synSentTimeout: 120 } },
    codes: ['tracking-full'],
    says: /nearly full/,
  },
  {
    name: 'nothing for a connection tracking table without a limit',
    seen: { tracking: { count: 1000, maximum: 0, synSentTimeout: 120 } },
    codes: [],
  },
  {
    name: 'a destination that answers no client',
    seen: { flows: [flow(waiting), flow({ ...waiting, sourcePort: 41235 })] },
    codes: ['target-silent'],
    says: /203\.0\.113\.26:80 answers no client: 2 connections are waiting.*allow traffic from 192\.168\.12\.99/,
  },
  {
    name: 'nothing for a destination that answers other clients',
    seen: { flows: [flow(waiting), flow({ sourcePort: 41235 })] },
    codes: [],
  },
  {
    name: 'nothing for a connection that was just opened',
    seen: { flows: [flow({ ...waiting, sent: { packets: 1, bytes: 60 }, timeout: 119 })] },
    codes: [],
  },
  {
    name: 'a silent destination even if the client sent one packet',
    seen: { flows: [flow({ ...waiting, sent: { packets: 1, bytes: 60 }, timeout: 116 })] },
    codes: ['target-silent'],
  },
  {
    name: 'nothing for connections of other attachments',
    seen: { flows: [flow({ ...waiting, mark: 0 })] },
    codes: [],
  },
  {
    name: 'a destination that refuses connections',
    seen: { attempts: [{ target: '203.0.113.26:80', outcome: 'ECONNREFUSED', took: 1 }] },
    codes: ['target-refuses'],
    says: /start the server/,
  },
  {
    name: 'an unreachable destination',
    seen: { attempts: [{ target: '203.0.113.26:80', outcome: 'EHOSTUNREACH', took: 3000 }] },
    codes: ['target-silent'],
    says: /cannot be reached \(EHOSTUNREACH\).*gateway has a route/,
  },
  {
    name: 'a silent gateway but not its consequences',
    seen: { claimants: [], flows: [flow(waiting)] },
    codes: ['gateway-silent'],
  },
  {
    name: 'a suspended router but not its consequences',
    seen: { isSuspended: true, flows: [flow(waiting)] },
    codes: ['link-suspended'],
    says: /net1 is suspended and sends no packets, because its pod is gone, or .*egress-1 in namespace shop/,
  },
  {
    name: 'a suspended router with a silent gateway',
    seen: { isSuspended: true, claimants: [] },
    codes: ['link-suspended', 'gateway-silent'],
    says: /no gateway answers and the node daemon could not reach the API server/,
  },
  {
    name: 'a suspended router with a rival',
    seen: {
      isSuspended: true,
      claimants: [
        { address: address('192.168.12.1'), mac: '02:00:00:00:00:01' },
        { address: address('192.168.12.99'), mac: '02:00:00:00:00:66' },
      ],
    },
    codes: ['link-suspended', 'address-taken'],
    says: /because another machine has its address/,
  },
  {
    name: 'a suspended router whose master has no carrier',
    seen: {
      isSuspended: true,
      node: {
        links: [{ index: 3, name: 'eth1', up: true, mtu: 1500, mac: '02:00:00:00:00:03', carrier: false }],
        addresses: [],
        defaultRoutes: [],
      },
      claimants: [],
    },
    codes: ['link-suspended', 'master-down'],
    says: /because its wire has no carrier/,
  },
  {
    name: 'a reserved address that another host uses',
    seen: {
      claimants: [
        { address: address('192.168.12.1'), mac: '02:00:00:00:00:01' },
        { address: address('192.168.12.99'), mac: '02:00:00:00:00:66' },
      ],
    },
    codes: ['address-taken'],
    says: /02:00:00:00:00:66/,
  },
  {
    name: 'a missing master but not its consequences',
    seen: { node: { links: [], addresses: [], defaultRoutes: [] }, claimants: [] },
    codes: ['master-missing'],
  },
  {
    name: 'missing rules in one finding',
    seen: { rules: [], ruleDifferences: Array.from({ length: 30 }, (__, index) => `rule is missing: ${index}`) },
    codes: ['rules-gone'],
  },
  {
    name: 'five of many missing redirects by name and the number of the rest',
    seen: manyMissing(9),
    codes: Array.from({ length: 6 }, (): FindingCode => 'redirect-missing'),
    says: /4 more/,
  },
  {
    name: 'no rule differences for a state file of an older version',
    seen: { state: elder, ruleDifferences: ['rule is missing: x'] },
    codes: [],
  },
  {
    name: 'a missing state file',
    seen: { state: elder, isRemembered: false },
    codes: ['state-missing'],
  },
];

/** Returns an observation with `count` configured redirects, none of them installed. */
function manyMissing(count: number): Partial<Observation> {
  const { resolved, desired } = observe();
  const redirects = Array.from({ length: count }, (__, index) => ({
    protocol: 'tcp' as const,
    port: 1000 + index,
    target: address('203.0.113.26'),
  }));
  return {
    resolved: { ...resolved, spec: { ...resolved.spec, redirects: { redirects, fallbacks: [] } } },
    desired,
    rules: ['chain nat-prerouting: something'],
  };
}

describe('judge', () => {
  for (const { name, seen, codes, says } of cases) {
    it(`reports ${name}`, () => {
      const { problems } = judge(observe(seen));
      assert.deepEqual(
        problems.map(({ code }) => code),
        codes,
        JSON.stringify(problems, undefined, 1),
      );
      const text = problems.map(({ what, cure }) => `${what}. ${cure}`).join('\n');
      if (says !== undefined) assert.match(text, says);
      for (const { what, cure } of problems) assert.ok(!what.endsWith('.') && cure !== '', what);
    });
  }

  it('adds a note instead of a finding when the network was not probed', () => {
    const { claimants: __, ...unasked } = observe();
    assert.deepEqual(judge(unasked).problems, []);
    assert.match(judge(unasked).notes.join('\n'), /were not probed/);
  });
});

describe('a bridge whose frames bypass the node’s rules', () => {
  const bridged = (memberOf: number, ipv4: readonly string[]) => {
    const { pod, node, ...rest } = observe();
    const links = pod.links.map((link) => (link.name === 'eth0' ? { ...link, parentIndex: 8 } : link));
    const [eth1] = node.links;
    assert.ok(eth1);
    const veth = { ...eth1, index: 8, name: 'veth8', memberOf };
    const bridge = { ...eth1, index: 9, name: 'cni0', kind: 'bridge' };
    return judge({
      ...rest,
      pod: { ...pod, links },
      node: { ...node, links: [eth1, veth, bridge] },
      unfilteredBridges: { 4: ipv4, 6: [] },
    }).notes.join('\n');
  };

  it('is named with the setting that helps, if it is the bridge of the pod', () => {
    assert.match(
      bridged(9, ['cni0']),
      /pods on bridge cni0 .* not through a Service.* net\.bridge\.bridge-nf-call-iptables to 1/,
    );
    assert.doesNotMatch(bridged(9, ['docker0']), /bridge/);
    assert.doesNotMatch(bridged(3, ['cni0']), /bridge cni0/);
  });
});

describe('cures', () => {
  it('contain no foreign text in commands', () => {
    const evil = '"; $(reboot) `reboot`';
    const { tables: ofIptables } = readIptables(
      `*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -m comment --comment "$(reboot)" -j DROP\n-A FORWARD -j ER-net1-FORWARD\nCOMMIT\n`,
      4,
      'iptables-save',
    );
    const { tables: ofNft } = readNftables({
      nftables: [
        { table: { family: 'inet', name: evil } },
        { chain: { family: 'inet', table: evil, name: 'c', hook: 'forward', policy: 'drop' } },
      ],
    });
    const seen = observe({
      netns: "/run/x$(reboot)'y",
      ruleset: { tables: [...ofIptables, ...ofNft], ours: [{ backend: 'nftables', name: evil }] },
    });
    const cures = judge(seen).problems.map(({ cure }) => cure);
    assert.equal(cures.length, 3);
    for (const cure of cures) {
      // The shell expands nothing in single quotes.
      assert.match(cure, /nsenter --net='\/run\/x\$\(reboot\)'\\''y' (?:iptables -S -t filter|nft list ruleset)"/);
      assert.equal(cure.split('reboot').length, 2);
    }
  });
});

describe('describeInspection', () => {
  it('counts the live connections of each rule and matches the documented schema', () => {
    const flows = [flow(), flow({ sourcePort: 2 }), flow({ destinationPort: 8443, sourcePort: 3 }), flow({ mark: 0 })];
    const document = inspectDocumentSchema.parse(describeInspection([observe({ flows })]));
    assert.equal(document.healthy, true);
    assert.deepEqual(
      document.routers[0]?.redirects.map(({ port, live }) => [port, live]),
      [
        [80, { connections: 0, packets: 0, bytes: 0 }],
        [8080, { connections: 2, packets: 22, bytes: 11_200 }],
        [8443, { connections: 1, packets: 11, bytes: 5600 }],
      ],
    );
  });

  it('omits the sum if one connection has no counters', () => {
    const { sent: __, received: ___, ...uncounted } = flow({ sourcePort: 2 });
    for (const flows of [
      [flow(), uncounted],
      [uncounted, flow()],
    ]) {
      const [router] = describeInspection([observe({ flows })]).routers;
      assert.deepEqual(router?.redirects[1]?.live, { connections: 2 });
    }
  });

  it('counts connections without a redirect for the fallback', () => {
    const withFallback: AttachmentState = {
      ...state,
      router: { ...(state.router ?? assert.fail()), fallbacks: [address('203.0.113.30')] },
    };
    const { resolved } = observe();
    const spec = { ...resolved.spec, redirects: { ...resolved.spec.redirects, fallbacks: [address('203.0.113.30')] } };
    const flows = [flow({ destinationPort: 9999 }), flow()];
    const [router] = describeInspection([
      observe({ state: withFallback, resolved: { ...resolved, spec }, flows }),
    ]).routers;
    assert.deepEqual(
      router?.fallbacks.map(({ target, live }) => [target, live.connections]),
      [['203.0.113.30', 1]],
    );
  });
});
