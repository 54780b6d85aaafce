import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { listFlows } from '../../../../src/base/linux/netlink/flow.ts';
import { NetlinkSocket, netlinkFamily } from '../../../../src/base/linux/netlink/socket.ts';
import type { Flow } from '../../../../src/base/model/observed.ts';
import { runErctlOn } from '../../../lab/erctl.ts';
import { Lab } from '../../../lab/lab.ts';
import { endpointSlice, type KubernetesObject, Manifests, service } from '../../../lab/manifests.ts';
import { addresses as at } from '../../../lab/names.ts';
import { asShipped } from '../../../lab/rights.ts';
import { until } from '../../../until.ts';
import { inNamespace } from '../../base/linux/wire.ts';

const created = '2026-01-01T00:00:00Z';
const prefix = 'haproxy.router.openshift.io';
/** An address of the pods' network that no pod has. */
const unused = '10.128.10.77';

describe('ports of the compiled agent', function () {
  this.timeout(240_000);
  let lab: Lab;
  let folder: string;
  let manifests: Manifests;
  let agent: ChildProcess;
  beforeEach(async () => {
    lab = await Lab.up('eragp');
    folder = mkdtempSync(join(tmpdir(), 'eragp-'));
    manifests = new Manifests(folder);
    const options = ['--manifests', manifests.directory, '--node-name', 'node', '--stats-port', '1936'];
    const words = ['netns', 'exec', lab.netns('node'), ...asShipped('ingress-agent'), ...options];
    agent = spawn('ip', [...words, '--check-interval', '0'], { stdio: 'ignore' });
  });
  afterEach(() => {
    agent.kill('SIGKILL');
    lab.down();
    rmSync(folder, { recursive: true, force: true });
  });

  function claim(
    protocol: 'tcp' | 'udp',
    port: number,
    endpoint: string,
    annotations: Readonly<Record<string, string>> = {},
    creationTimestamp = created,
  ): void {
    const name = `${protocol}-${port}`;
    const withProtocol = (object: KubernetesObject): KubernetesObject =>
      JSON.parse(JSON.stringify(object).replaceAll('"TCP"', `"${protocol.toUpperCase()}"`)) as KubernetesObject;
    const route: KubernetesObject = {
      apiVersion: 'route.openshift.io/v1',
      kind: 'Route',
      metadata: {
        name,
        namespace: 'shop',
        uid: `uid-${name}`,
        creationTimestamp,
        annotations: { [`${prefix}/external-${protocol}-port`]: `${port}`, ...annotations },
      },
      spec: { to: { kind: 'Service', name } },
    };
    const slice = endpointSlice(name, 7000, [{ address: endpoint, node: 'node' }]);
    manifests.write(name, route, withProtocol(service(name, 7000)), withProtocol(slice));
  }

  /** Tracked flows of the node to one of its ports. */
  function flowsTo(port: number): readonly Flow[] {
    return inNamespace(lab.netns('node'), () => {
      const socket = new NetlinkSocket(netlinkFamily.netfilter);
      try {
        return listFlows(socket).filter(({ protocol, destinationPort }) => protocol === 17 && destinationPort === port);
      } finally {
        socket.close();
      }
    });
  }

  it('give UDP flows the timeout of their Route, before and after the first answer, and follow its changes', async () => {
    await (await lab.agent('pod')).serve('udp', at.pod[4], 7000);
    const timeout = { [`${prefix}/timeout`]: '9s' };
    claim('udp', 15353, at.pod[4], timeout);
    claim('udp', 15354, unused, timeout);
    claim('udp', 15355, at.pod[4]);
    claim('udp', 15356, unused, { [`${prefix}/timeout`]: '100s', [`${prefix}/timeout-tunnel`]: '9s' });
    const client = await lab.agent('outsider');
    const ask = (port: number, localPort: number): Promise<string> =>
      client.reach('udp', at.node[4], port, { timeout: 300, localPort });
    await until(
      async () => (await ask(15355, 40_001)).endsWith(' 7000'),
      () => manifests.reasonOf('udp-15355'),
      40_000,
    );
    const timeoutsOf = (port: number, localPort: number): readonly (readonly [boolean, number])[] =>
      flowsTo(port).flatMap((flow) => (flow.sourcePort === localPort ? [[flow.answered, flow.timeout] as const] : []));
    // The kernel's own timeouts are 30 s, and 120 s for streams.
    const isAbout = (value: number, wanted: number): boolean => value <= wanted && value > (wanted > 30 ? 30 : 0);
    for (const port of [15354, 15356]) {
      await ask(port, 40_002);
      const [[isAnswered, seconds] = [true, 0]] = timeoutsOf(port, 40_002);
      assert.deepEqual([isAnswered, isAbout(seconds, 9)], [false, true], `${port}: ${seconds}`);
    }
    assert.match(await ask(15353, 40_003), / 7000$/);
    const [[isAnswered, seconds] = [false, 0]] = timeoutsOf(15353, 40_003);
    assert.deepEqual([isAnswered, isAbout(seconds, 9)], [true, true], `${seconds}`);
    // A flow that lasts becomes a stream, for which the kernel has another timeout.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    for (let count = 0; count < 3; count++) assert.match(await ask(15353, 40_003), / 7000$/);
    const [[, stream] = [false, 0]] = timeoutsOf(15353, 40_003);
    assert.ok(isAbout(stream, 9), `${stream}`);
    // A Route without a timeout keeps those of the kernel.
    assert.ok((timeoutsOf(15355, 40_001)[0]?.[1] ?? 0) > 9, JSON.stringify(timeoutsOf(15355, 40_001)));
    claim('udp', 15353, at.pod[4], { [`${prefix}/timeout`]: '60s' });
    let port = 41_000;
    await until(
      async () => {
        await ask(15353, ++port);
        return isAbout(timeoutsOf(15353, port)[0]?.[1] ?? 0, 60);
      },
      () => timeoutsOf(15353, port),
      40_000,
    );
  });

  it('of two Gateways at different addresses of the node are open there only, as statuses and erctl say', async () => {
    const [second, third] = ['192.168.12.7', '192.168.12.8'];
    await lab.ip('node', `address add ${second}/24 dev eth1`, `address add ${third}/24 dev eth1`);
    const gateway = (kind: string, name: string, spec: Record<string, unknown>): KubernetesObject => ({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind,
      metadata: { name, namespace: 'shop', uid: `uid-${kind}-${name}`, creationTimestamp: created, generation: 1 },
      spec,
    });
    const serve = (name: string, address: string, endpoint: string): void =>
      manifests.write(
        name,
        gateway('Gateway', name, {
          gatewayClassName: 'ours',
          addresses: [{ type: 'IPAddress', value: address }],
          listeners: [
            { name: 'tcp', protocol: 'TCP', port: 13306 },
            { name: 'udp', protocol: 'UDP', port: 13306 },
          ],
        }),
        ...(['TCPRoute', 'UDPRoute'] as const).map((kind) =>
          gateway(kind, name, {
            parentRefs: [{ name }],
            rules: [{ backendRefs: [{ name: `${name}-${kind === 'TCPRoute' ? 'tcp' : 'udp'}`, port: 7000 }] }],
          }),
        ),
        ...(['tcp', 'udp'] as const).flatMap((protocol) => {
          const objects = [
            service(`${name}-${protocol}`, 7000),
            endpointSlice(`${name}-${protocol}`, 7000, [{ address: endpoint, node: 'node' }]),
          ];
          return JSON.parse(JSON.stringify(objects).replaceAll('"TCP"', `"${protocol.toUpperCase()}"`));
        }),
      );
    manifests.write('class', gateway('GatewayClass', 'ours', { controllerName: 'egress-router.io/ingress-agent' }));
    for (const host of ['pod', 'near'] as const)
      for (const protocol of ['tcp', 'udp'] as const) await (await lab.agent(host)).serve(protocol, at[host][4], 7000);
    serve('first', at.node[4], at.pod[4]);
    serve('second', second, at.near[4]);
    claim('tcp', 18080, at.near[4]);
    // Younger than the Gateways, and at all addresses.
    claim('tcp', 13306, at.near[4], {}, '2026-01-01T00:00:01Z');
    const client = await lab.agent('outsider');
    const reach = (protocol: 'tcp' | 'udp', to: string, port = 13306): Promise<string> =>
      client.reach(protocol, to, port, { timeout: 500 });
    for (const protocol of ['tcp', 'udp'] as const) {
      for (const [to, host] of [
        [at.node[4], 'pod'],
        [second, 'near'],
      ] as const)
        await until(
          async () => (await reach(protocol, to)).endsWith(`${at[host][4]} 7000`),
          () => manifests.reasonOf('first'),
          40_000,
        );
    }
    assert.equal(await reach('tcp', third), 'ECONNREFUSED');
    await until(
      async () => (await reach('tcp', third, 18080)).endsWith(' 7000'),
      () => manifests.reasonOf('tcp-18080'),
      20_000,
    );
    const statusOf = (name: string) => {
      const { gateways = [] } = JSON.parse(readFileSync(`${manifests.directory}.status.json`, 'utf8'));
      const found = gateways.find((one: { kind: string; name: string }) => one.kind === 'Gateway' && one.name === name);
      const { addresses = [], conditions = [] } = found?.status ?? {};
      const programmed = conditions.find(({ type }: { type: string }) => type === 'Programmed');
      return [...addresses.map(({ value }: { value: string }) => value), programmed?.status];
    };
    for (const [name, address] of [
      ['first', at.node[4]],
      ['second', second],
    ] as const)
      await until(
        () => statusOf(name).join() === `${address},True`,
        () => statusOf(name).join(),
        20_000,
      );
    await until(
      () => manifests.reasonOf('tcp-13306') === 'PortAlreadyClaimed',
      () => manifests.reasonOf('tcp-13306'),
      20_000,
    );
    const { stdout } = await runErctlOn(lab, ['routes']);
    for (const [name, address] of [
      ['first', at.node[4]],
      ['second', second],
    ] as const)
      assert.match(stdout, new RegExp(`${address} 13306/tcp .*${name}`), stdout);
    // The address of the first one becomes free, and the other stays.
    manifests.remove('first');
    await until(
      async () => (await reach('tcp', at.node[4])) === 'ECONNREFUSED',
      () => 'still open',
      20_000,
    );
    assert.match(await reach('tcp', second), new RegExp(`${at.near[4]} 7000$`));
  });

  it('stay with a program that has just started to listen, and go to one that starts later', async () => {
    for (const protocol of ['tcp', 'udp'] as const) await (await lab.agent('pod')).serve(protocol, at.pod[4], 7000);
    const [client, node] = [await lab.agent('outsider'), await lab.agent('node')];
    const reach = (protocol: 'tcp' | 'udp', port: number): Promise<string> =>
      client.reach(protocol, at.node[4], port, { timeout: 400 });
    claim('tcp', 13306, at.pod[4]);
    claim('udp', 13306, at.pod[4]);
    for (const protocol of ['tcp', 'udp'] as const)
      await until(
        async () => (await reach(protocol, 13306)).endsWith(' 7000'),
        () => protocol,
        40_000,
      );
    const ports = Array.from({ length: 4 }, (_, index) => 18_000 + index);
    const seen = new Set<string>();
    for (const port of ports) {
      for (const protocol of ['tcp', 'udp'] as const) {
        await node.serve(protocol, at.node[4], port);
        claim(protocol, port, at.pod[4]);
        await until(
          async () => {
            seen.add(`${protocol} ${await reach(protocol, port)}`);
            return manifests.reasonOf(`${protocol}-${port}`) !== 'nothing yet';
          },
          () => `${protocol} ${port} has no status`,
          40_000,
        );
        assert.equal(manifests.reasonOf(`${protocol}-${port}`), 'PortInUseOnNode');
      }
    }
    for (const port of ports) seen.add(`tcp ${await reach('tcp', port)}`);
    assert.deepEqual(
      [...seen].filter((answer) => answer.endsWith(' 7000')),
      [],
    );
    // The Route was first, but a program of the node needs its port.
    await node.serve('tcp', at.node[4], 13_306);
    await until(
      async () => (await reach('tcp', 13306)).endsWith(' 13306'),
      () => manifests.reasonOf('tcp-13306'),
      40_000,
    );
    await until(
      () => manifests.reasonOf('tcp-13306') === 'PortInUseOnNode',
      () => manifests.reasonOf('tcp-13306'),
      40_000,
    );
  });
});
