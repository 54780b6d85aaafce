import assert from 'node:assert/strict';
import { readdirSync, renameSync } from 'node:fs';
import type { FindingCode } from '../../../src/egress/inspect/finding.ts';
import type { Lab } from '../../lab/lab.ts';
import { addresses as at } from '../../lab/names.ts';
import type { Variant } from '../../lab/plugin.ts';

/** Damage to a router, and the exact problems that `erctl inspect` must report. */
export interface Damage {
  readonly name: string;
  readonly damage: (lab: Lab, variant: Variant) => Promise<unknown>;
  readonly codes: readonly FindingCode[];
  /** Matches the description of at least one problem. */
  readonly says: RegExp;
  /** Matches the cure of at least one problem. */
  readonly cure: RegExp;
  /** Arguments of `erctl inspect`. */
  readonly args?: readonly string[];
  /** Reverts changes outside the pod. */
  readonly mend?: (lab: Lab, variant: Variant) => Promise<unknown>;
}

const table = ['inet', 'egress-router-net1'];

/** Changes the rules with the tool of the variant that installed them. */
async function alterRules(lab: Lab, variant: Variant, nft: string[], iptables: string[]): Promise<void> {
  if (variant === 'nftables') await lab.run('pod', 'nft', nft);
  else await lab.run('pod', variant, iptables);
}

const stateFolder = '/run/egress-router';

function moveState(lab: Lab, away: boolean): void {
  const end = '.json';
  for (const name of readdirSync(stateFolder).filter((one) => one.startsWith(`${lab.prefix}-container@`))) {
    if (away && name.endsWith(end)) renameSync(`${stateFolder}/${name}`, `${stateFolder}/${name}.away`);
    if (!away && name.endsWith('.away')) renameSync(`${stateFolder}/${name}`, `${stateFolder}/${name.slice(0, -5)}`);
  }
}

/** Damage that does not depend on the rule backend. */
export const damages: readonly Damage[] = [
  {
    name: 'a link that is down',
    damage: (lab) => lab.ip('pod', 'link set net1 down'),
    codes: ['link-down'],
    says: /net1 is down/,
    cure: /delete the pod/,
  },
  {
    name: 'a suspended link',
    damage: (lab) => lab.run('pod', 'tc', ['qdisc', 'replace', 'dev', 'net1', 'root', 'blackhole']),
    codes: ['link-suspended'],
    says: /net1 is suspended and sends no packets, because/,
    cure: /egress-router\.io\/router-ready/,
  },
  {
    name: 'a missing link',
    damage: (lab) => lab.ip('pod', 'link delete net1'),
    codes: ['link-missing'],
    says: /net1 is missing/,
    cure: /delete the pod/,
  },
  {
    name: 'a renamed link',
    damage: (lab) => lab.ip('pod', 'link set net1 down', 'link set net1 name wan0', 'link set wan0 up'),
    codes: ['link-renamed'],
    says: /net1 was renamed to wan0/,
    cure: /delete the pod/,
    mend: (lab) => lab.ip('pod', 'link delete wan0'),
  },
  {
    name: 'a replaced link',
    damage: (lab) => lab.ip('pod', 'link delete net1', 'link add net1 type veth peer name other'),
    codes: ['link-replaced'],
    says: /net1 .*replaced|not a macvlan/,
    cure: /delete the pod/,
  },
  {
    name: 'a wrong macvlan mode',
    damage: (lab) => lab.ip('pod', 'link set net1 type macvlan mode private'),
    codes: ['link-mode'],
    says: /mode private, not bridge/,
    cure: /ip link set net1 type macvlan mode bridge/,
  },
  {
    name: 'a wrong MTU',
    damage: (lab) => lab.ip('pod', 'link set net1 mtu 1400'),
    codes: ['link-mtu'],
    says: /MTU 1400, not 1500/,
    cure: /ip link set net1 mtu 1500/,
  },
  {
    name: 'a master with a smaller MTU',
    damage: (lab) => lab.ip('node', 'link set eth1 mtu 1300'),
    codes: ['link-mtu'],
    says: /master eth1 has MTU 1300/,
    cure: /ip link set eth1 mtu 1500/,
    mend: (lab) => lab.ip('node', 'link set eth1 mtu 1500'),
  },
  {
    name: 'a master that is down',
    damage: (lab) => lab.ip('node', 'link set eth1 down'),
    codes: ['master-down'],
    says: /eth1, the master of net1 on the node, is down/,
    cure: /ip link set eth1 up/,
    mend: (lab) => lab.ip('node', 'link set eth1 up', 'route replace default via 192.168.12.1'),
  },
  {
    name: 'a master without a carrier',
    damage: (lab) => lab.ip('phys', 'link set to-node down'),
    codes: ['master-down'],
    says: /eth1, .* has no carrier/,
    cure: /cable/,
    mend: (lab) => lab.ip('phys', 'link set to-node up'),
  },
  {
    name: 'a renamed master',
    damage: (lab) => lab.ip('node', 'link set eth1 name uplink'),
    codes: ['master-missing'],
    says: /no interface eth1.*the master is now uplink/,
    cure: /interfaceArgs\.master/,
    mend: (lab) => lab.ip('node', 'link set uplink name eth1'),
  },
  {
    name: 'a silent gateway',
    damage: (lab) => lab.ip('outside', 'address delete 192.168.12.1/24 dev eth0'),
    codes: ['gateway-silent'],
    says: /gateway 192\.168\.12\.1 does not answer on net1/,
    cure: /VLAN/,
    mend: (lab) =>
      lab.ip('outside', 'address add 192.168.12.1/24 dev eth0', 'route replace 10.128.0.0/14 via 192.168.12.5'),
  },
  {
    name: 'a permanent neighbor entry with a wrong MAC address',
    damage: (lab) => lab.ip('pod', 'neigh replace 192.168.12.1 lladdr 02:00:00:00:00:99 dev net1 nud permanent'),
    codes: ['gateway-mac'],
    says: /permanent neighbor entry 02:00:00:00:00:99/,
    cure: /ip neigh delete 192\.168\.12\.1 dev net1/,
  },
  {
    name: 'a reserved address that another host uses',
    damage: (lab) => lab.ip('outsider', 'address add 192.168.12.99/32 dev eth0'),
    codes: ['address-taken'],
    says: /another host, ([0-9a-f]{2}:){5}.* also uses the reserved address 192\.168\.12\.99/,
    cure: /find that host/,
    mend: (lab) => lab.ip('outsider', 'address delete 192.168.12.99/32 dev eth0'),
  },
  {
    name: 'a removed reserved address',
    damage: (lab) => lab.ip('pod', 'address delete 192.168.12.99/24 dev net1'),
    codes: ['address-missing'],
    says: /192\.168\.12\.99\/24 is missing on net1/,
    cure: /delete the pod/,
  },
  {
    name: 'a wrong gateway in the default route',
    damage: (lab) => lab.ip('pod', 'route replace default via 192.168.12.66'),
    codes: ['route-missing'],
    says: /route is missing: default via 192\.168\.12\.1 dev net1; found default via 192\.168\.12\.66.* instead/,
    cure: /ip route replace default via 192\.168\.12\.1 dev net1"/,
  },
  {
    name: 'the default route of the cluster in place of its own',
    damage: (lab) => lab.ip('pod', 'route replace default via 10.128.10.1'),
    codes: ['old-default', 'route-missing'],
    says: /old default route is back/,
    cure: /ip route delete default via 10\.128\.10\.1 dev eth0/,
  },
  {
    name: 'a private table without its default route',
    damage: (lab) => lab.ip('pod', 'route delete default via 192.168.12.1 table 5201'),
    codes: ['route-missing'],
    says: /default via 192\.168\.12\.1 dev net1 table 5201/,
    cure: /ip route add default via 192\.168\.12\.1 dev net1 table 5201/,
  },
  {
    name: 'a flushed private table',
    damage: (lab) => lab.ip('pod', 'route flush table 5201'),
    codes: ['route-missing'],
    says: /4 of the router's routes are missing, for example /,
    cure: /what flushed the routes/,
  },
  {
    name: 'a foreign route in the private table',
    damage: (lab) => lab.ip('pod', 'route add unreachable 203.0.113.26/32 table 5201'),
    codes: ['way-diverted'],
    says: /connections to 203\.0\.113\.26 go nowhere \(EHOSTUNREACH\) instead of through net1/,
    cure: /foreign policy rule or route/,
  },
  {
    name: 'a destination that the gateway cannot reach',
    damage: (lab) =>
      lab.ip('outside', 'address delete 203.0.113.26/32 dev lo', 'route add unreachable 203.0.113.26/32'),
    args: ['--connect'],
    codes: ['target-silent'],
    says: /203\.0\.113\.26:80 cannot be reached \(EHOSTUNREACH\)/,
    cure: /gateway has a route/,
    mend: (lab) => lab.ip('outside', 'route delete unreachable 203.0.113.26/32', 'address add 203.0.113.26/32 dev lo'),
  },
  {
    name: 'a missing policy rule',
    damage: (lab) => lab.ip('pod', 'rule delete pref 5301'),
    codes: ['policy-rule-missing'],
    says: /5301: from all fwmark/,
    cure: /ip rule add pref 5301 fwmark 0x1000000\/0x1f000000 lookup 5301/,
  },
  {
    name: "a foreign policy rule that takes precedence over the router's own",
    damage: (lab) =>
      lab.ip('pod', 'route add default via 10.128.10.1 table 77', 'rule add pref 100 from all lookup 77'),
    codes: ['way-diverted'],
    says: /connections to .* go through eth0 via 10\.128\.10\.1 \(table 77\) instead of through net1/,
    cure: /ip rule/,
    mend: (lab) => lab.ip('pod', 'rule delete pref 100', 'route flush table 77'),
  },
  {
    name: 'disabled forwarding',
    damage: (lab) => lab.run('pod', 'sysctl', ['-qw', 'net.ipv4.ip_forward=0']),
    codes: ['sysctl'],
    says: /ip_forward is 0, not 1, so the pod forwards no packets/,
    cure: /sysctl -w net\/ipv4\/ip_forward=1/,
  },
  {
    name: 'strict reverse-path filtering on the pod interface',
    damage: (lab) => lab.run('pod', 'sysctl', ['-qw', 'net.ipv4.conf.eth0.rp_filter=1']),
    codes: ['sysctl'],
    says: /eth0\/rp_filter is 1, not 2/,
    cure: /rp_filter=2/,
    mend: (lab) => lab.run('pod', 'sysctl', ['-qw', 'net.ipv4.conf.eth0.rp_filter=0']),
  },
  {
    name: 'rejections that do not reach clients',
    damage: (lab) => lab.run('pod', 'sysctl', ['-qw', 'net.ipv4.fwmark_reflect=0']),
    codes: ['sysctl'],
    says: /fwmark_reflect is 0, not 1/,
    cure: /fwmark_reflect=1/,
  },
  {
    name: 'IPv6 enabled on an IPv4-only link',
    damage: (lab) => lab.run('pod', 'sysctl', ['-qw', 'net.ipv6.conf.net1.disable_ipv6=0']),
    codes: ['sysctl'],
    says: /disable_ipv6 is 0, not 1/,
    cure: /disable_ipv6=1/,
  },
  {
    name: 'a pod interface that is down',
    damage: (lab) => lab.ip('pod', 'link set eth0 down'),
    codes: ['pod-link'],
    says: /eth0, on which clients connect, is down/,
    cure: /ip link set eth0 up/,
    mend: (lab) => lab.ip('pod', 'link set eth0 up'),
  },
  {
    name: 'a pod interface that lost its address',
    damage: (lab) => lab.ip('pod', 'address delete 10.128.10.18/23 dev eth0'),
    codes: ['pod-link'],
    says: /eth0 lost its IPv4 address/,
    cure: /delete the pod/,
    mend: (lab) => lab.ip('pod', 'address add 10.128.10.18/23 dev eth0'),
  },
  {
    name: 'a missing state file',
    damage: async (lab) => moveState(lab, true),
    codes: ['state-missing'],
    says: /the state file of net1 .* is missing/,
    cure: /\/run\/egress-router/,
    mend: async (lab) => moveState(lab, false),
  },
  {
    name: "a firewall's drop rule in its own table",
    damage: (lab) =>
      lab.run(
        'pod',
        'nft',
        ['-f', '-'],
        `table inet firewalld {
           chain filter_FORWARD {
             type filter hook forward priority 10; policy accept;
             ct state established,related accept
             jump zones
           }
           chain zones { iifname "eth0" goto public; }
           chain public { tcp dport 22 accept; reject with icmpx admin-prohibited; }
         }`,
      ),
    codes: ['foreign-drop'],
    says: /table inet firewalld, chain public at forward/,
    cure: /nft list table inet firewalld/,
    mend: (lab) => lab.run('pod', 'nft', ['delete', 'table', 'inet', 'firewalld']),
  },
  {
    name: "a firewall's drop policy",
    damage: (lab) =>
      lab.run(
        'pod',
        'nft',
        ['-f', '-'],
        'table ip guard { chain out { type filter hook postrouting priority 0; policy drop; ct state established accept; }; }',
      ),
    codes: ['foreign-drop'],
    says: /table ip guard, chain out at postrouting, by its policy/,
    cure: /nft list table ip guard/,
    mend: (lab) => lab.run('pod', 'nft', ['delete', 'table', 'ip', 'guard']),
  },
];

/** Adds a table of another program, and checks that it really keeps clients from the destination. */
async function addTable(lab: Lab, host: 'pod' | 'node', rules: string): Promise<void> {
  await lab.run(host, 'nft', ['-f', '-'], rules);
  const far = await lab.agent('far');
  const answer = await far.reach('tcp', at.pod[4], 8080);
  assert.notEqual(answer, `${at.reserved[4]} ${at.web[4]} 80`);
}

const dropMesh = (host: 'pod' | 'node') => (lab: Lab) => lab.run(host, 'nft', ['delete', 'table', 'ip', 'mesh']);

/** Rules of other programs that translate the router's connections, or exclude them from tracking. */
export const translations: readonly Damage[] = [
  {
    name: 'a redirect of a mesh',
    damage: (lab) =>
      addTable(
        lab,
        'pod',
        `table ip mesh { chain pre { type nat hook prerouting priority -100; tcp dport != 22 jump in; }
           chain in { fib daddr type local meta l4proto tcp redirect to :15006; }; }`,
      ),
    codes: ['foreign-translation'],
    says: /in the pod sends connections elsewhere .*table ip mesh, chain in, "redirect"/,
    cure: /nft list table ip mesh/,
    mend: dropMesh('pod'),
  },
  {
    name: 'a masquerade of another program',
    damage: (lab) =>
      addTable(
        lab,
        'pod',
        'table ip mesh { chain post { type nat hook postrouting priority 99; oifname "net1" snat to 192.168.12.77; }; }',
      ),
    codes: ['foreign-translation'],
    says: /changes the source address .*table ip mesh, chain post, "snat"/,
    cure: /nft list table ip mesh/,
    mend: dropMesh('pod'),
  },
  {
    name: 'connections that are not tracked',
    damage: (lab) =>
      addTable(
        lab,
        'pod',
        'table ip mesh { chain raw { type filter hook prerouting priority -300; iifname "eth0" tcp dport 8080 notrack; }; }',
      ),
    codes: ['foreign-untracked'],
    says: /excludes packets from connection tracking.*\(8080\/tcp\): table ip mesh, chain raw, "notrack"/,
    cure: /nft list table ip mesh/,
    mend: dropMesh('pod'),
  },
  {
    name: 'a translation on the node',
    damage: (lab) =>
      addTable(
        lab,
        'node',
        `table ip mesh { chain pre { type nat hook prerouting priority -101; ip daddr ${at.pod[4]} tcp dport 8080 dnat to 10.128.10.1:9; }; }`,
      ),
    codes: ['foreign-translation'],
    says: /on the node sends connections elsewhere .*\(8080\/tcp\): table ip mesh, chain pre, "dnat"/,
    cure: /run "nft list table ip mesh" on the node/,
    mend: dropMesh('node'),
  },
];

/** Damage to the rules, for each backend. */
export const ruleDamages: readonly Damage[] = [
  {
    name: 'a deleted redirect',
    damage: (lab, variant) =>
      alterRules(
        lab,
        variant,
        ['delete', 'element', ...table, 'tcp4', '{', '8443', ':', '203.0.113.27', '.', '443', '}'],
        ['-t', 'nat', '-D', 'ER-net1-T', '2'],
      ),
    codes: ['redirect-missing'],
    says: /rule for "8443 TCP 203\.0\.113\.27 443" is missing/,
    cure: /delete the pod/,
  },
  {
    name: 'a redirect with a changed destination',
    damage: async (lab, variant) => {
      if (variant !== 'nftables') {
        return lab.run('pod', variant, [
          '-t',
          'nat',
          '-R',
          'ER-net1-T',
          '2',
          '-p',
          'tcp',
          '-m',
          'tcp',
          '--dport',
          '8443',
          '-j',
          'DNAT',
          '--to-destination',
          '198.51.100.1:443',
        ]);
      }
      const element = (address: string): string => `{ 8443 : ${address} . 443 }`;
      return lab.run(
        'pod',
        'nft',
        ['-f', '-'],
        `delete element ${table.join(' ')} tcp4 ${element('203.0.113.27')}\nadd element ${table.join(' ')} tcp4 ${element('198.51.100.1')}\n`,
      );
    },
    codes: ['redirect-changed'],
    says: /"8443 TCP 203\.0\.113\.27 443" is installed as "8443 TCP 198\.51\.100\.1 443"/,
    cure: /delete the pod/,
  },
  {
    name: 'a redirect that is not configured',
    damage: (lab, variant) =>
      alterRules(
        lab,
        variant,
        ['add', 'element', ...table, 'tcp4', '{', '2222', ':', '203.0.113.9', '.', '22', '}'],
        [
          '-t',
          'nat',
          '-A',
          'ER-net1-T',
          '-p',
          'tcp',
          '-m',
          'tcp',
          '--dport',
          '2222',
          '-j',
          'DNAT',
          '--to-destination',
          '203.0.113.9:22',
        ],
      ),
    codes: ['redirect-foreign'],
    says: /"2222 TCP 203\.0\.113\.9 22"/,
    cure: /delete the pod/,
  },
  {
    name: 'a deleted source translation',
    damage: (lab, variant) =>
      alterRules(lab, variant, ['flush', 'chain', ...table, 'nat-postrouting'], ['-t', 'nat', '-F', 'ER-net1-POST']),
    codes: ['rule-missing'],
    says: /rule is missing: .*192\.168\.12\.99/,
    cure: /what removes rules/,
  },
  {
    name: "a foreign rule in the router's chain",
    damage: (lab, variant) =>
      alterRules(
        lab,
        variant,
        ['add', 'rule', ...table, 'filter-forward', 'accept'],
        ['-t', 'filter', '-A', 'ER-net1-FORWARD', '-j', 'ACCEPT'],
      ),
    codes: ['rule-foreign'],
    says: /unexpected rule: .*accept/i,
    cure: /what adds rules/,
  },
  {
    name: 'reordered rules',
    damage: async (lab, variant) => {
      if (variant === 'nftables') {
        const listed = await lab.run('pod', 'nft', ['-a', 'list', 'chain', ...table, 'filter-input']);
        const handle = /established.* # handle (\d+)/.exec(listed)?.[1] ?? '';
        await lab.run('pod', 'nft', ['delete', 'rule', ...table, 'filter-input', 'handle', handle]);
        return lab.run('pod', 'nft', [
          'add',
          'rule',
          ...table,
          'filter-input',
          'iifname',
          'net1',
          'ct',
          'state',
          'established,related',
          'accept',
        ]);
      }
      const rule = ['-i', 'net1', '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED', '-j', 'ACCEPT'];
      await lab.run('pod', variant, ['-D', 'ER-net1-INPUT', ...rule]);
      return lab.run('pod', variant, ['-A', 'ER-net1-INPUT', ...rule]);
    },
    codes: ['rule-order'],
    says: /out of order/,
    cure: /what moves rules/,
  },
  {
    name: 'a complete flush',
    damage: async (lab, variant) => {
      if (variant === 'nftables') return lab.run('pod', 'nft', ['flush', 'ruleset']);
      for (const name of ['filter', 'mangle', 'nat']) {
        await lab.run('pod', variant, ['-t', name, '-F']);
        await lab.run('pod', variant, ['-t', name, '-X']);
      }
      return undefined;
    },
    codes: ['rules-gone'],
    says: /all of the router's rules are gone/,
    cure: /what flushes/,
  },
  {
    name: 'rules of the other backend',
    damage: (lab, variant) =>
      variant === 'nftables'
        ? lab.run(
            'pod',
            'iptables-restore',
            ['--noflush'],
            '*filter\n:ER-net1-FORWARD - [0:0]\n-A FORWARD -m comment --comment "egress-router gone" -j ER-net1-FORWARD\nCOMMIT\n',
          )
        : lab.run('pod', 'nft', ['add', 'table', ...table, '{', 'comment', '"egress-router gone"', ';', '}']),
    codes: ['rules-stale'],
    says: /the other backend, \w+, also has rules/,
    cure: /nft delete table inet egress-router-net1|iptables-save/,
    mend: (lab, variant) =>
      variant === 'nftables'
        ? lab.run(
            'pod',
            'iptables-restore',
            ['--noflush'],
            '*filter\n:ER-net1-FORWARD - [0:0]\n-D FORWARD -m comment --comment "egress-router gone" -j ER-net1-FORWARD\n-X ER-net1-FORWARD\nCOMMIT\n',
          )
        : lab.run('pod', 'nft', ['delete', 'table', ...table]),
  },
];

/** Damage that only affects iptables, where all programs share the built-in chains. */
export const iptablesDamages: readonly Damage[] = [
  {
    name: 'a redirect of a mesh before the router’s own chain',
    damage: (lab, variant) =>
      lab.run('pod', variant, ['-t', 'nat', '-I', 'PREROUTING', '-p', 'tcp', '-j', 'REDIRECT', '--to-ports', '15006']),
    codes: ['foreign-translation'],
    says: /sends connections elsewhere .*8080\/tcp.*-t nat, chain PREROUTING, "-A PREROUTING -p tcp -j REDIRECT --to-ports 15006"/,
    cure: /iptables\S* -S -t nat/,
    mend: (lab, variant) =>
      lab.run('pod', variant, ['-t', 'nat', '-D', 'PREROUTING', '-p', 'tcp', '-j', 'REDIRECT', '--to-ports', '15006']),
  },
  {
    name: 'an accept rule in nat before the router’s own chain',
    damage: (lab, variant) => lab.run('pod', variant, ['-t', 'nat', '-I', 'POSTROUTING', '-o', 'net1', '-j', 'ACCEPT']),
    codes: ['foreign-translation'],
    says: /accepts connections before the router can translate them/,
    cure: /iptables\S* -S -t nat/,
    mend: (lab, variant) => lab.run('pod', variant, ['-t', 'nat', '-D', 'POSTROUTING', '-o', 'net1', '-j', 'ACCEPT']),
  },
  {
    name: 'connections that iptables does not track',
    damage: (lab, variant) =>
      lab.run('pod', variant, ['-t', 'raw', '-I', 'PREROUTING', '-p', 'udp', '-j', 'CT', '--notrack']),
    codes: ['foreign-untracked'],
    says: /-t raw, chain PREROUTING, "-A PREROUTING -p udp -j CT --notrack"/,
    cure: /iptables\S* -S -t raw/,
    mend: (lab, variant) =>
      lab.run('pod', variant, ['-t', 'raw', '-D', 'PREROUTING', '-p', 'udp', '-j', 'CT', '--notrack']),
  },
  {
    name: "a foreign accept rule before the router's own chain",
    damage: (lab, variant) => lab.run('pod', variant, ['-I', 'FORWARD', '1', '-j', 'ACCEPT']),
    codes: ['foreign-accept'],
    says: /accepts traffic before the router's own rules/,
    cure: /iptables\S* -S -t filter", delete that rule/,
    mend: (lab, variant) => lab.run('pod', variant, ['-D', 'FORWARD', '-j', 'ACCEPT']),
  },
  {
    name: "a foreign drop rule before the router's own chain",
    damage: (lab, variant) => lab.run('pod', variant, ['-I', 'FORWARD', '1', '-i', 'eth0', '-p', 'tcp', '-j', 'DROP']),
    codes: ['foreign-drop'],
    says: /chain FORWARD at forward, by the rule "-A FORWARD -i eth0 -p tcp -j DROP"/,
    cure: /allow the traffic/,
    mend: (lab, variant) => lab.run('pod', variant, ['-D', 'FORWARD', '-i', 'eth0', '-p', 'tcp', '-j', 'DROP']),
  },
];
