import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { Lab } from '../../../lab/lab.ts';
import { endpointSlice, Manifests, route, service } from '../../../lab/manifests.ts';
import { addresses as at } from '../../../lab/names.ts';
import { asShipped } from '../../../lab/rights.ts';

const created = '2026-01-01T00:00:00Z';
const near = at.near[4];

/** How programs lead port 18081 of the node to a pod of their own. */
const translations: readonly { name: string; tool: 'iptables-restore' | 'nft'; rules: string }[] = [
  {
    name: 'a hostPort of the CNI plugin portmap, by iptables',
    tool: 'iptables-restore',
    rules: `*nat
:CNI-HOSTPORT-DNAT - [0:0]
:CNI-DN-1 - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"net\\" id: \\"x -j ACCEPT\\"" -m multiport --dports 8443,18081 -j CNI-DN-1
-A CNI-DN-1 -p tcp -m tcp --dport 18081 -j DNAT --to-destination ${near}:3306
COMMIT
`,
  },
  {
    name: 'a hostPort of portmap, by nftables',
    tool: 'nft',
    rules: `table inet cni_hostport {
  chain hostip_hostports { }
  chain hostports { ip protocol tcp tcp dport 18081 dnat ip to ${near}:3306 comment "id" ; }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    jump hostip_hostports
    fib daddr type local jump hostports
  }
}
`,
  },
  {
    name: 'a map of an nftables rule',
    tool: 'nft',
    rules: `table ip other {
  chain pre {
    type nat hook prerouting priority dstnat + 5; policy accept;
    ip daddr ${at.node[4]} dnat to tcp dport map { 18081 : ${near} . 3306, 18082 : ${near} . 3306 }
  }
}
`,
  },
  {
    name: 'a named verdict map, as of kube-proxy',
    tool: 'nft',
    rules: `table ip proxy {
  map service-nodeports {
    type inet_proto . inet_service : verdict
    elements = { tcp . 18081 : goto external-1 }
  }
  chain external-1 { meta l4proto tcp dnat to ${near}:3306 ; }
  chain services { fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @service-nodeports ; }
  chain nat-prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    jump services
  }
}
`,
  },
  {
    name: 'a range of a firewall',
    tool: 'nft',
    rules: `table inet fw {
  set forwarded { type inet_service; flags interval; elements = { 18080-18090 } ; }
  chain pre {
    type nat hook prerouting priority dstnat + 10; policy accept;
    tcp dport @forwarded dnat ip to ${near}:3306
  }
}
`,
  },
];

describe('a port that another program translates', function () {
  this.timeout(90_000);
  let lab: Lab;
  let folder: string;
  let manifests: Manifests;
  let agent: ChildProcess;
  beforeEach(async () => {
    lab = await Lab.up('ertp');
    folder = mkdtempSync(join(tmpdir(), 'ertp-'));
    manifests = new Manifests(folder);
    for (const host of ['pod', 'near'] as const) await (await lab.agent(host)).serve('tcp', at[host][4], 3306);
    claim('first', 13306);
    const options = ['--manifests', manifests.directory, '--node-name', 'node', '--stats-port', '0'];
    agent = spawn(
      'ip',
      ['netns', 'exec', lab.netns('node'), ...asShipped('ingress-agent'), ...options, '--check-interval', '0'],
      {
        stdio: 'ignore',
      },
    );
    await expectReply(13306, at.pod[4]);
  });
  afterEach(() => {
    agent.kill('SIGKILL');
    lab.down();
    rmSync(folder, { recursive: true, force: true });
  });

  function claim(name: string, port: number): void {
    const endpoints = [{ address: at.pod[4], node: 'node' }];
    const claimed = route({ name, port, service: name, created });
    manifests.write(name, claimed, service(name, 3306), endpointSlice(name, 3306, endpoints));
  }

  function install(tool: string, rules: string): Promise<unknown> {
    const args = tool === 'nft' ? ['-f', '-'] : ['--noflush'];
    return execa('ip', ['netns', 'exec', lab.netns('node'), tool, ...args], { input: rules });
  }

  async function reach(port: number): Promise<string> {
    return (await lab.agent('outsider')).reach('tcp', at.node[4], port, { timeout: 400 });
  }

  async function expectReply(port: number, expected: string): Promise<void> {
    let reply = '';
    for (const deadline = Date.now() + 40_000; Date.now() < deadline; ) {
      reply = await reach(port);
      if (reply.includes(expected)) return;
    }
    assert.fail(`port ${port} answered ${reply}, not ${expected}`);
  }

  async function expectReason(name: string, reason: string): Promise<void> {
    for (const deadline = Date.now() + 40_000; manifests.reasonOf(name) !== reason; ) {
      assert.ok(Date.now() < deadline, `${name}: ${manifests.reasonOf(name)}, not ${reason}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  for (const { name, tool, rules } of translations) {
    it(`stays with its pod if it is ${name}`, async () => {
      await install(tool, rules);
      assert.match(await reach(18081), new RegExp(near));
      claim('thief', 18081);
      await expectReason('thief', 'PortInUseOnNode');
      assert.match(await reach(18081), new RegExp(near));
      // Ports beside it are not concerned.
      claim('next', 18099);
      await expectReply(18099, at.pod[4]);
    });
  }

  it('returns to its pod when the rule appears after the Route, and to the Route when the rule is removed', async () => {
    claim('thief', 18081);
    await expectReply(18081, at.pod[4]);
    const plain = translations.find(({ rules }) => rules.includes('cni_hostport'));
    assert.ok(plain);
    await install(plain.tool, plain.rules);
    await expectReason('thief', 'PortInUseOnNode');
    await expectReply(18081, near);
    await install('nft', 'delete table inet cni_hostport\n');
    await expectReply(18081, at.pod[4]);
  });
});
