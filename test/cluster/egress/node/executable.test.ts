import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { executable } from '../../../lab/executable.ts';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { type Variant, variants } from '../../../lab/plugin.ts';
import { asPrivileged } from '../../../lab/rights.ts';
import { inNamespace } from '../../../netns/base/linux/wire.ts';
import { configure } from '../../../netns/egress/cni/configurations.ts';
import { until } from '../../../until.ts';
import { type KubeObject, TestApiServer } from '../../lab/api-server.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';
import { Program } from '../../lab/program.ts';

const pods = '/api/v1/pods';
const definitions = '/apis/k8s.cni.cncf.io/v1/network-attachment-definitions';
const events = '/api/v1/events';

describe('the compiled node daemon', () => {
  let lab: Lab;
  let server: TestApiServer;
  let folder: string;
  let daemon: Program | undefined;
  let kubeconfig: string;

  beforeEach(async () => {
    lab = await Lab.up('ernode');
    await lab.serveOutside({ tcp: [80, 443], udp: [] });
    folder = mkdtempSync(join(tmpdir(), 'node-'));
    server = new TestApiServer([pods, definitions, events], { address: 'any' });
    kubeconfig = writeKubeconfig(folder, await inNamespace(lab.netns('node'), () => server.start()));
  });
  afterEach(async () => {
    await daemon?.end();
    lab.down();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  const digest = (config: string): string => hash('sha256', config).slice(0, 16);
  const annotations = (): Record<string, string | null> =>
    (server.get(pods, 'shop/router')?.metadata.annotations ?? {}) as Record<string, string | null>;
  const reasons = (): unknown[] => server.all(events).map(({ reason }) => reason);

  function writeConfig(destinations: readonly string[], more: object = {}): string {
    return JSON.stringify({
      ...configure([4], { destinations }, { log_file: '/var/log/egress-router/ernode' }),
      ...more,
    });
  }

  function putDefinition(config: string): void {
    server.put(definitions, { metadata: { namespace: 'shop', name: 'nad' }, spec: { config } });
  }

  async function start(...more: readonly string[]): Promise<void> {
    const options = ['--kubeconfig', kubeconfig, '--node-name', 'n1', '--listen-address', '127.0.0.1', ...more];
    const install = ['--source', executable('egress-router'), '--target', folder];
    const rights = asPrivileged('node/daemonset.yaml');
    const program = [...rights, executable('egress-router-node'), ...options, ...install];
    const command = ['netns', 'exec', lab.netns('node'), ...program];
    daemon = new Program('/sbin/ip', command, { TMPDIR: folder });
    await until(
      () => daemon?.output.includes('The node daemon runs') === true && server.watchCount === 2,
      () => daemon?.output,
      30_000,
    );
  }

  async function addRouter(config: string, variant?: Variant): Promise<void> {
    putDefinition(config);
    server.put(pods, {
      metadata: {
        namespace: 'shop',
        name: 'router',
        uid: 'pod-1',
        annotations: { 'k8s.v1.cni.cncf.io/networks': '[{"name":"nad"}]' },
      },
      spec: { nodeName: 'n1' },
    } as KubeObject);
    const args = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=router';
    const { status, stdout } = await lab.plugin('ADD', JSON.parse(config), { args, ...(variant && { variant }) });
    assert.equal(status, 0, stdout);
  }

  async function applied(config: string): Promise<void> {
    await until(
      () => annotations()['egress-router.io/applied'] === digest(config),
      () => [annotations(), daemon?.output.slice(-1500)],
      30_000,
    );
  }

  async function ask(path: string): Promise<string> {
    return lab.run('node', process.execPath, [
      '-e',
      `fetch('http://127.0.0.1:9463${path}').then(async (r) => console.log(r.status + ' ' + await r.text()))`,
    ]);
  }

  it('applies a changed redirect to a running router, reports it on the pod, and ends no other connection', async () => {
    await start();
    const first = writeConfig([`8080 TCP ${at.web[4]} 80`, `8081 TCP ${at.web[4]} 80`]);
    await addRouter(first);
    await applied(first);
    const client = await lab.agent('far');
    assert.match(await client.hold('stays', at.pod[4], 8080), / 80$/);
    assert.match(await client.hold('goes', at.pod[4], 8081), / 80$/);
    const second = writeConfig([`8080 TCP ${at.web[4]} 80`, `8082 TCP ${at.secure[4]} 443`]);
    putDefinition(second);
    await applied(second);
    assert.equal(await client.say('stays', 'still there'), 'still there');
    assert.notEqual(await client.say('goes', 'still there'), 'still there');
    assert.equal(await client.reach('tcp', at.pod[4], 8082), `${at.reserved[4]} ${at.secure[4]} 443`);
    await until(() => reasons().includes('ConfigurationApplied'), reasons);
    assert.match(await ask('/readyz'), /^200 ok/);
    assert.match(await ask('/metrics'), /egress_router_live_changes_total\{outcome="applied"\} 2/);
  });

  for (const variant of variants) {
    it(`finds the rules of a router on a node with ${variant}, regardless of the daemon's own PATH`, async () => {
      await start('--check-interval', '200ms');
      const first = writeConfig([`8080 TCP ${at.web[4]} 80`]);
      await addRouter(first, variant);
      await applied(first);
      const second = writeConfig([`8080 TCP ${at.secure[4]} 443`]);
      putDefinition(second);
      await applied(second);
      const answer = await (await lab.agent('far')).reach('tcp', at.pod[4], 8080);
      assert.equal(answer, `${at.reserved[4]} ${at.secure[4]} 443`);
      let text = '';
      for (const end = Date.now() + 3000; Date.now() < end && !/state_right\{.*\} 1/.test(text); )
        text = await ask('/metrics');
      assert.match(text, /egress_router_state_right\{.*\} 1/);
    });
  }

  it('finishes the work of a previous instance, including changes while none was running', async () => {
    const first = writeConfig([`8080 TCP ${at.web[4]} 80`]);
    await addRouter(first);
    const second = writeConfig([`8080 TCP ${at.secure[4]} 443`]);
    putDefinition(second);
    await start();
    await applied(second);
    assert.equal(await (await lab.agent('far')).reach('tcp', at.pod[4], 8080), `${at.reserved[4]} ${at.secure[4]} 443`);
    await daemon?.end();
    putDefinition(first);
    await start();
    await applied(first);
  });

  it('changes nothing if a configuration is invalid or needs another pod, and reports which', async () => {
    await start();
    const first = writeConfig([`8080 TCP ${at.web[4]} 80`]);
    await addRouter(first);
    await applied(first);
    const describePod = async (): Promise<string> => (await lab.describe('pod')).replaceAll(/ state (UP|UNKNOWN)/g, '');
    const before = await describePod();
    const refused = async (config: string, needsReplacement: boolean, words: RegExp): Promise<void> => {
      putDefinition(config);
      await until(
        () => annotations()['egress-router.io/refused']?.includes(digest(config)) === true,
        () => [annotations(), daemon?.output.slice(-1500)],
      );
      const refusal = JSON.parse(annotations()['egress-router.io/refused'] ?? '{}');
      assert.equal(refusal.needsReplacement, needsReplacement);
      assert.match(refusal.message, words);
      assert.equal(annotations()['egress-router.io/applied'], digest(first));
    };
    await refused(writeConfig(['8080 TCP nowhere']), false, /destinations\[0\]/);
    const { ip, ...rest } = JSON.parse(first);
    const moved = JSON.stringify({ ...rest, ip: { ...ip, addresses: ['192.168.12.77/24'] } });
    await refused(moved, true, /ip\.addresses is ".*" and cannot become "192\.168\.12\.77\/24"/);
    assert.equal(await describePod(), before);
    await until(
      () => ['ConfigurationNotApplied', 'ConfigurationNeedsNewPod'].every((reason) => reasons().includes(reason)),
      reasons,
    );
    putDefinition(first);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(annotations()['egress-router.io/applied'], digest(first));
  });

  it('refuses a port that another router of the pod redirects, and applies it as soon as that port is free', async () => {
    await start();
    const first = writeConfig([`8080 TCP ${at.web[4]} 80`]);
    const write = (ip: object): string =>
      JSON.stringify(
        configure(
          [4],
          { addresses: ['192.168.12.98/24'], gateway: at.gateway[4], destinations: [], ...ip },
          { log_file: '/var/log/egress-router/ernode' },
        ),
      );
    const putSecond = (config: string): void => {
      server.put(definitions, { metadata: { namespace: 'shop', name: 'nad2' }, spec: { config } });
    };
    const second = write({ destinations: [`9090 TCP ${at.secure[4]} 443`] });
    await addRouter(first);
    await applied(first);
    putSecond(second);
    const pod = server.get(pods, 'shop/router') as KubeObject;
    const networks = { 'k8s.v1.cni.cncf.io/networks': '[{"name":"nad"},{"name":"nad2"}]' };
    server.put(pods, { ...pod, metadata: { ...pod.metadata, annotations: { ...annotations(), ...networks } } });
    const args = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=router';
    const added = await lab.plugin('ADD', JSON.parse(second), { args, ifname: 'net2' });
    assert.equal(added.status, 0, added.stdout);
    const seen = () => [annotations(), daemon?.output.slice(-1500)];
    const shows = (...configs: string[]): boolean =>
      annotations()['egress-router.io/applied'] === configs.map(digest).join() &&
      (annotations()['egress-router.io/refused'] ?? null) === null;
    await until(() => shows(first, second), seen, 20_000);
    const client = await lab.agent('far');
    const both = async (): Promise<string[]> => [
      await client.reach('tcp', at.pod[4], 8080),
      await client.reach('tcp', at.pod[4], 9090),
    ];
    const [web, secure] = [`${at.reserved[4]} ${at.web[4]} 80`, `192.168.12.98 ${at.secure[4]} 443`];
    const taken = { destinations: [`9090 TCP ${at.secure[4]} 443`, `8080 TCP ${at.secure[4]} 443`] };
    for (const [ip, message] of [
      [
        { ...taken, fallbackIP: at.fallback[4] },
        /ip\.destinations: 8080\/tcp: attachment net1 of this pod redirects this port, too/,
      ],
      [{ fallbackIP: at.fallback[4] }, /ip\.fallbackIP: redirects every port, but attachment net1 of this pod/],
      [taken, /ip\.destinations: 8080\/tcp: attachment net1 of this pod redirects this port, too/],
    ] as const) {
      const config = write(ip);
      putSecond(config);
      const isRefused = (): boolean => {
        const refusal = JSON.parse(annotations()['egress-router.io/refused'] ?? '{}') as { configuration?: string };
        return refusal.configuration === `${digest(first)},${digest(config)}`;
      };
      await until(isRefused, seen, 20_000);
      const { needsReplacement, message: said } = JSON.parse(annotations()['egress-router.io/refused'] ?? '');
      assert.equal(needsReplacement, false);
      assert.match(said, message);
      await until(() => server.all(events).some((one) => message.test(String(one.message))), reasons, 20_000);
      assert.deepEqual(await both(), [web, secure]);
    }
    // The first router leaves the port, and nothing else happens.
    const third = writeConfig([`8081 TCP ${at.web[4]} 80`]);
    putDefinition(third);
    await until(() => shows(third, write(taken)), seen, 20_000);
    assert.deepEqual(await both(), [secure, secure]);
    assert.equal(await client.reach('tcp', at.pod[4], 8081), web);
    // The other way round, and the second router is removed.
    putDefinition(first);
    await until(() => annotations()['egress-router.io/refused']?.includes('attachment net2') === true, seen, 20_000);
    assert.equal(await client.reach('tcp', at.pod[4], 8080), secure);
    assert.equal((await lab.plugin('DEL', JSON.parse(write(taken)), { ifname: 'net2' })).status, 0);
    await until(() => shows(first), seen, 20_000);
    assert.equal(await client.reach('tcp', at.pod[4], 8080), web);
  }).timeout(90_000);

  it('measures routers, reports changes by others, and repairs nothing', async () => {
    await start('--check-interval', '300ms', '--count-interval', '200ms', '--conflict-interval', '400ms');
    const config = writeConfig([`8080 TCP ${at.web[4]} 80`]);
    await addRouter(config);
    await applied(config);
    const client = await lab.agent('far');
    assert.match(await client.hold('stream', at.pod[4], 8080), / 80$/);
    assert.equal(await client.say('stream', 'x'.repeat(1000)), 'x'.repeat(1000));
    const metric = async (line: RegExp): Promise<void> => {
      let text = '';
      for (const end = Date.now() + 5000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
        text = await ask('/metrics');
        if (line.test(text)) return;
      }
      assert.fail(
        `no ${line} in ${text
          .split('\n')
          .filter((one) => one.startsWith('egress_router'))
          .join('\n')}\n${daemon?.output}`,
      );
    };
    const labels = 'namespace="shop",pod="router",interface="net1"';
    await metric(new RegExp(`egress_router_connections_total\\{${labels},redirect="8080/tcp"\\} 1`));
    await metric(new RegExp(`egress_router_sent_bytes_total\\{${labels},redirect="8080/tcp"\\} 1\\d{3}`));
    await metric(new RegExp(`egress_router_gateway_reachable\\{${labels},gateway="${at.gateway[4]}"\\} 1`));
    await metric(
      new RegExp(`egress_router_source_port_use_ratio\\{${labels},destination="${at.web[4]} 80/tcp"\\} 0\\.0000`),
    );
    await metric(new RegExp(`egress_router_state_right\\{${labels}\\} 1`));
    await lab.ip('pod', 'route del default');
    await metric(new RegExp(`egress_router_state_right\\{${labels}\\} 0`));
    await until(() => reasons().includes('RouterChanged'), reasons);
    assert.doesNotMatch(await lab.run('pod', 'ip', ['route']), /default/);
    // With the router its series go.
    await lab.plugin('DEL', JSON.parse(config));
    let series: readonly string[] = ['unknown'];
    for (const end = Date.now() + 20_000; Date.now() < end && series.length > 0; ) {
      const text = await ask('/metrics');
      series = text.split('\n').filter((line) => line.includes('pod="router"'));
      // Without a pause, the daemon does nothing but answer.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.deepEqual(series, [], daemon?.output.slice(-2000) ?? '');
  }).timeout(40_000);

  it('closes a router whose address another machine has once the cluster has replaced it', async () => {
    await start('--conflict-interval', '300ms');
    const config = writeConfig([`8080 TCP ${at.web[4]} 80`]);
    await addRouter(config);
    await applied(config);
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.match(await lab.run('pod', 'ip', ['-br', 'link', 'show', 'net1']), /UP/);
    // The API server has another pod in its place, and an outside host has the address.
    server.remove(pods, 'shop/router');
    await lab.ip('outsider', `address add ${at.reserved[4]}/24 dev eth0`);
    let state = '';
    for (const end = Date.now() + 5000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
      state = await lab.run('pod', 'ip', ['-br', 'link', 'show', 'net1']);
      if (/DOWN/.test(state)) break;
    }
    assert.match(state, /DOWN/);
    assert.match(await ask('/metrics'), /egress_router_closed\{.*pod="router".*\} 1/);
  }).timeout(20_000);

  it('opens a closed router when the other machine is silent, with everything that ADD had installed', async () => {
    await start('--conflict-interval', '300ms', '--announce-interval', '1s');
    const config = JSON.stringify(
      configure(
        [4, 6],
        { destinations: [`8080 TCP ${at.web[4]} 80`, `8081 TCP ${at.web[6]} 80`] },
        { log_file: '/var/log/egress-router/ernode' },
      ),
    );
    await addRouter(config);
    await applied(config);
    const net1 = (): Promise<string> => lab.run('pod', 'ip', ['-br', 'link', 'show', 'net1']);
    const describePod = async (): Promise<string> => (await lab.describe('pod')).replaceAll(/ state (UP|UNKNOWN)/g, '');
    const awaitLink = async (state: RegExp): Promise<void> => {
      for (const end = performance.now() + 15_000; performance.now() < end && !state.test(await net1()); )
        await new Promise((resolve) => setTimeout(resolve, 100));
      assert.match(await net1(), state, daemon?.output.slice(-3000) ?? '');
    };
    const before = await describePod();
    await lab.ip('outsider', `address add ${at.reserved[4]}/24 dev eth0`);
    await awaitLink(/DOWN/);
    await until(
      () => /^net1: .* is in use by /.test(String(annotations()['egress-router.io/closed'])),
      annotations,
      5000,
    );
    // Its state outlives the daemon, which finds it closed.
    await daemon?.end();
    await start('--conflict-interval', '300ms', '--announce-interval', '1s');
    // While the other machine answers, nothing with the address leaves.
    const [, , mac] = (await net1()).split(/\s+/);
    const own = await lab.capture('outsider', 'eth0', `arp and ether src ${mac} and arp[14:4] = 0xc0a80c63`);
    await until(
      () => daemon?.output.includes('still in use') === true,
      () => daemon?.output.slice(-3000),
      10_000,
    );
    assert.deepEqual(await own.stop(), []);
    await lab.ip('outsider', `address del ${at.reserved[4]}/24 dev eth0`);
    await awaitLink(/UP/);
    await until(() => (annotations()['egress-router.io/closed'] ?? null) === null, annotations, 15_000);
    assert.equal(await describePod(), before);
    const client = await lab.agent('far');
    assert.equal(await client.reach('tcp', at.pod[4], 8080), `${at.reserved[4]} ${at.web[4]} 80`);
    assert.equal(await client.reach('tcp', at.pod[6], 8081), `${at.reserved[6]} ${at.web[6]} 80`);
    const metrics = await ask('/metrics');
    assert.match(metrics, /egress_router_closed\{.*pod="router".*\} 0/);
    assert.match(metrics, /egress_router_reopenings_total\{.*pod="router".*\} 1/);
  }).timeout(60_000);

  it('does not announce its address after a disconnection before it has probed for other owners', async () => {
    await start('--conflict-interval', '1s', '--announce-interval', '1s');
    const config = writeConfig([`8080 TCP ${at.web[4]} 80`]);
    await addRouter(config);
    await applied(config);
    const net1 = async (): Promise<string> => lab.run('pod', 'ip', ['-br', 'link', 'show', 'net1']);
    const [, , mac] = (await net1()).split(/\s+/);
    const own = await lab.capture('outsider', 'eth0', `arp and ether src ${mac} and arp[14:4] = 0xc0a80c63`);
    // A router that is well announces itself.
    await until(
      () => own.seen > 0,
      () => daemon?.output,
    );
    await own.stop();
    await lab.ip('phys', 'link set to-node down');
    server.remove(pods, 'shop/router');
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await lab.ip('outsider', `address add ${at.reserved[4]}/24 dev eth0`);
    const after = await lab.capture('outsider', 'eth0', `arp and ether src ${mac} and arp[14:4] = 0xc0a80c63`);
    await lab.ip('phys', 'link set to-node up');
    for (const end = Date.now() + 5000; Date.now() < end && !/DOWN/.test(await net1()); )
      await new Promise((resolve) => setTimeout(resolve, 50));
    assert.match(await net1(), /DOWN/);
    assert.deepEqual(await after.stop(), []);
  }).timeout(30_000);
});
