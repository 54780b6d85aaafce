import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { findLink } from '../../../../src/base/linux/netlink/link.ts';
import { NetlinkSocket, netlinkFamily } from '../../../../src/base/linux/netlink/socket.ts';
import { WireConversation } from '../../../../src/base/linux/wire-probe.ts';
import { type Address, parseAddress } from '../../../../src/base/model/address.ts';
import { executable } from '../../../lab/executable.ts';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at, type Host } from '../../../lab/names.ts';
import { addNamespaces } from '../../../lab/namespaces.ts';
import { asPrivileged } from '../../../lab/rights.ts';
import { inNamespace } from '../../../netns/base/linux/wire.ts';
import { configure } from '../../../netns/egress/cni/configurations.ts';
import { until } from '../../../until.ts';
import { TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';
import { Program } from '../../lab/program.ts';

const pods = '/api/v1/pods';
const definitions = '/apis/k8s.cni.cncf.io/v1/network-attachment-definitions';
const events = '/api/v1/events';

/** The second node's pod and the node's own end of its cable. */
const successor = {
  pod: { 4: '10.128.40.18', 6: 'fd00:10:128:40::18' },
  node: { 4: '10.128.40.1', 6: 'fd00:10:128:40::1' },
};

/** What a switch does that drops the first node's frames both ways. */
const cutTable = `table bridge cut {
  chain forward {
    type filter hook forward priority 0
    iifname to-node drop
    oifname to-node drop
  }
}
`;

/** A router's pod on one of the nodes. */
interface Place {
  readonly node: 'node' | 'node2';
  readonly pod: Host;
  readonly name: string;
}

const stale: Place = { node: 'node', pod: 'pod', name: 'old' };
const living: Place = { node: 'node2', pod: 'extra', name: 'new' };

const config = configure(
  [4, 6],
  { destinations: [`8080 TCP ${at.web[4]} 80`, `8081 TCP ${at.web[6]} 80`] },
  { log_file: '/var/log/egress-router/erreturn' },
);

/**
 * Two nodes on one bridge, each with the daemon and the plugin as built and with folders of its own. The API server is
 * behind the same bridge, so a node whose cable is cut loses it, too.
 */
describe('a node that returns after its router was moved, as built', () => {
  let lab: Lab;
  let server: TestApiServer;
  let folder: string;
  let kubeconfig: string;
  let children: ChildProcess[];
  let daemons: Program[];

  beforeEach(async () => {
    children = [];
    daemons = [];
    lab = await Lab.up('erret', { secondNode: true });
    await addSuccessor();
    await lab.serveOutside({ tcp: [80], udp: [] });
    folder = mkdtempSync(join(tmpdir(), 'return-'));
    server = new TestApiServer([pods, definitions, events], { address: 'any' });
    const url = await inNamespace(lab.netns('outside'), () => server.start());
    kubeconfig = writeKubeconfig(folder, url.replace('127.0.0.1', at.gateway[4]));
    server.put(definitions, { metadata: { namespace: 'shop', name: 'nad' }, spec: { config: JSON.stringify(config) } });
    for (const place of [stale, living]) await startDaemon(place);
  });
  afterEach(async () => {
    for (const child of children) child.kill('SIGKILL');
    for (const daemon of daemons) await daemon.end();
    lab.down();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  /** The pod of the second node. */
  async function addSuccessor(): Promise<void> {
    await addNamespaces([lab.netns('extra')]);
    await lab.ip(
      'node2',
      `link add to-extra type veth peer name eth0 netns ${lab.netns('extra')}`,
      'link set to-extra up',
      `address add ${successor.node[4]}/24 dev to-extra`,
      `address add ${successor.node[6]}/64 dev to-extra nodad`,
    );
    await lab.ip(
      'extra',
      'link set lo up',
      'link set eth0 up',
      `address add ${successor.pod[4]}/24 dev eth0`,
      `address add ${successor.pod[6]}/64 dev eth0 nodad`,
      `route add default via ${successor.node[4]}`,
      `route add default via ${successor.node[6]}`,
    );
  }

  /** The command that runs another on a node, with state files that the other node does not see. */
  function onNode(node: string, command: readonly string[]): string[] {
    const script = 'mkdir -p "$0" /run/egress-router && mount --bind "$0" /run/egress-router && exec "$@"';
    return ['netns', 'exec', lab.netns(node as Host), 'sh', '-c', script, join(folder, `run-${node}`), ...command];
  }

  async function startDaemon({ node }: Place): Promise<void> {
    const options = ['--kubeconfig', kubeconfig, '--node-name', node, '--listen-port', '0', '--log-level', 'debug'];
    // Small, because the test calls the plugin itself.
    const install = ['--source', '/bin/true', '--target', folder];
    const rights = asPrivileged('node/daemonset.yaml');
    const daemon = new Program(
      '/sbin/ip',
      onNode(node, [...rights, executable('egress-router-node'), ...options, ...install]),
      { TMPDIR: folder },
    );
    daemons.push(daemon);
    const watches = daemons.length * 2;
    await until(
      () => daemon.output.includes('The node daemon runs') && server.watchCount === watches,
      () => daemon.output,
      20_000,
    );
  }

  /** What kubelet and Multus do for a pod of a router. */
  async function addRouter({ node, pod, name }: Place): Promise<void> {
    const annotations = { 'k8s.v1.cni.cncf.io/networks': '[{"name":"nad"}]' };
    server.put(pods, { metadata: { namespace: 'shop', name, uid: name, annotations }, spec: { nodeName: node } });
    const { exitCode, stdout } = await execa('/sbin/ip', onNode(node, [executable('egress-router')]), {
      input: JSON.stringify(config),
      reject: false,
      env: {
        CNI_COMMAND: 'ADD',
        CNI_PATH: '/usr/lib/cni',
        CNI_CONTAINERID: `erret-${name}`,
        CNI_NETNS: lab.path(pod),
        CNI_IFNAME: 'net1',
        CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${name}`,
      },
    });
    assert.equal(exitCode, 0, stdout);
    await until(
      () => server.get(pods, `shop/${name}`)?.metadata.annotations !== undefined && applied(name),
      () => daemons.map(({ output }) => output.slice(-1500)),
      20_000,
    );
  }

  function applied(name: string): boolean {
    const annotations = server.get(pods, `shop/${name}`)?.metadata.annotations as Record<string, string> | undefined;
    return annotations?.['egress-router.io/applied'] !== undefined;
  }

  /**
   * What makes the kernel of a pod look for its gateways without end: datagrams, as the readiness probe of earlier
   * versions sent them, and clients of the node that go on. Each forgets the gateway first, as time does.
   */
  async function stir(): Promise<void> {
    const script = `
      const { createSocket } = require('node:dgram');
      for (const [type, gateway] of [['udp4', '${at.gateway[4]}'], ['udp6', '${at.gateway[6]}']]) {
        const socket = createSocket(type);
        socket.on('error', () => undefined);
        setInterval(() => socket.send('', 9, gateway, () => undefined), 20);
      }
      process.stdout.write('on');
    `;
    const child = spawn('ip', ['netns', 'exec', lab.netns('pod'), process.execPath, '-e', script]);
    children.push(child);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const flush = spawn('ip', [
      'netns',
      'exec',
      lab.netns('pod'),
      'sh',
      '-c',
      'while sleep 0.1; do ip neigh flush dev net1; done',
    ]);
    children.push(flush);
  }

  /** Frames that say that an address is reserved's at the hardware address of the stale router. */
  async function captureClaims(): Promise<{ stop(): Promise<string[]> }> {
    const link = await lab.run('pod', 'cat', ['/sys/class/net/net1/address']);
    const [four, six] = ['0xc0a80c63', at.reserved[6]];
    const claims = [
      `arp[14:4] = ${four}`,
      `src host ${at.reserved[4]}`,
      `src host ${six}`,
      '(icmp6 and ip6[40] = 136 and ip6[60:4] = 0x00000099)',
    ];
    return lab.capture('outside', 'eth0', `ether src ${link.trim()} and (${claims.join(' or ')})`);
  }

  const cuts: readonly (readonly [name: string, cut: () => Promise<unknown>, mend: () => Promise<unknown>])[] = [
    [
      'whose cable was pulled',
      () => lab.ip('phys', 'link set to-node down'),
      () => lab.ip('phys', 'link set to-node up'),
    ],
    [
      'whose frames a switch dropped, with a carrier all the time',
      () => lab.run('phys', 'nft', ['-f', '-'], cutTable),
      () => lab.run('phys', 'nft', ['delete', 'table', 'bridge', 'cut']),
    ],
  ];

  for (const [name, cut, mend] of cuts) {
    it(`sends nothing under the address that another node has now: one ${name}`, async () => {
      await addRouter(stale);
      await stir();
      const before = await captureClaims();
      await sleep(1000);
      assert.ok((await before.stop()).length > 0, 'a router that is well uses its address');
      await cut();
      await until(
        () => daemons[0]?.output.includes('is suspended') === true,
        () => daemons[0]?.output.slice(-3000),
        5000,
      );
      server.remove(pods, 'shop/old');
      await addRouter(living);
      const client = await lab.agent('node2');
      const loads = ['one', 'two', 'three', 'four'];
      // Shorter than a SYN's repetition: one that goes astray fails.
      for (const load of loads) await client.hammer(load, 'tcp', successor.pod[4], 8080, { timeout: 900 });
      await sleep(2000);
      const claims = await captureClaims();
      await mend();
      await sleep(6000);
      assert.deepEqual(await claims.stop(), []);
      const reports = await Promise.all(loads.map((load) => client.stopHammer(load)));
      const answer = `${at.reserved[4]} ${at.web[4]} 80`;
      assert.deepEqual(
        [...new Set(reports.flatMap((report) => Object.keys(report)))],
        [answer],
        JSON.stringify(reports),
      );
    }).timeout(60_000);

    it(`uses its address again where no other router was started: one ${name}`, async () => {
      await addRouter(stale);
      await cut();
      await until(
        () => daemons[0]?.output.includes('is suspended') === true,
        () => daemons[0]?.output.slice(-3000),
        5000,
      );
      await mend();
      await until(
        () => daemons[0]?.output.includes('Router resumed') === true,
        () => daemons[0]?.output.slice(-3000),
        10_000,
      );
      const client = await lab.agent('near');
      assert.equal(await client.reach('tcp', at.pod[4], 8080), `${at.reserved[4]} ${at.web[4]} 80`);
      assert.equal(await client.reach('tcp', at.pod[6], 8081), `${at.reserved[6]} ${at.web[6]} 80`);
    }).timeout(60_000);
  }

  it('meets a living router that answers a rival at once, and does not give way to it', async () => {
    await addRouter(living);
    const mac = (await lab.run('extra', 'cat', ['/sys/class/net/net1/address'])).trim();
    // With its first question, the daemon also begins to listen.
    const asked = await lab.capture('outsider', 'eth0', `ether src ${mac} and (arp or icmp6)`);
    await until(
      () => asked.seen > 0,
      () => daemons[1]?.output.slice(-3000),
      20_000,
    );
    await asked.stop();
    for (const family of [4, 6] as const) {
      const address = parseAddress(at.reserved[family]);
      assert.ok(address);
      const filter = family === 4 ? 'arp[14:4] = 0xc0a80c63' : 'icmp6 and ip6[40] = 136 and ip6[60:4] = 0x00000099';
      const answers = await lab.capture('outsider', 'eth0', `ether src ${mac} and ether[0] & 1 != 0 and ${filter}`);
      claim(address);
      await until(
        () => answers.seen > 0,
        () => [address.text, daemons[1]?.output.slice(-3000)],
        5000,
      );
      await answers.stop();
      await sleep(1000);
    }
    const link = await lab.run('extra', 'ip', ['-br', 'link', 'show', 'net1']);
    assert.match(link, /UP/);
    const client = await lab.agent('node2');
    assert.equal(await client.reach('tcp', successor.pod[4], 8080), `${at.reserved[4]} ${at.web[4]} 80`);
  }).timeout(60_000);

  /** A machine outside says that an address is its own, as a router does that knows no better. */
  function claim(address: Address): void {
    inNamespace(lab.netns('outsider'), () => {
      const socket = new NetlinkSocket(netlinkFamily.route);
      const link = findLink(socket, 'eth0');
      socket.close();
      assert.ok(link);
      const conversation = new WireConversation(link, [{ address }], 0);
      conversation.announce(address);
      conversation.close();
    });
  }
});
