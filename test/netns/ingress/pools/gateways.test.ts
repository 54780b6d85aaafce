import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { executable } from '../../../lab/executable.ts';
import { Lab } from '../../../lab/lab.ts';
import { endpointSlice, type KubernetesObject, Manifests, route, service } from '../../../lab/manifests.ts';
import { addresses as at } from '../../../lab/names.ts';
import { asPrivileged } from '../../../lab/rights.ts';
import { until } from '../../../until.ts';

/** Programs and their containers. The agent runs HAProxy, so it gets the rights of all containers. */
const containers = { 'ingress-agent': undefined, 'ingress-addresses': 'addresses' } as const;
const created = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
const pool = { 4: '192.168.12.200-192.168.12.203', 6: '2001:db8:12::200-2001:db8:12::203' } as const;
const asked = ['192.168.12.200', '192.168.12.201', '192.168.12.202'] as const;
const six = '2001:db8:12::200';
const routerAddress = '192.168.12.203';

interface GatewaySketch {
  readonly name: string;
  readonly port: number;
  readonly second: number;
  readonly addresses?: readonly string[];
  readonly protocol?: 'TCP' | 'UDP';
}

function gateway({ name, port, second, addresses = [], protocol = 'TCP' }: GatewaySketch): KubernetesObject {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name, namespace: 'shop', uid: `uid-${name}`, creationTimestamp: created(second) },
    spec: {
      gatewayClassName: 'ours',
      addresses: addresses.map((value) => ({ type: 'IPAddress', value })),
      listeners: [{ name: 'main', protocol, port }],
    },
  };
}

function attach(name: string, target: string, kind: 'TCPRoute' | 'UDPRoute' = 'TCPRoute'): KubernetesObject {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind,
    metadata: {
      name: `${name}-${target}`,
      namespace: 'shop',
      uid: `uid-${name}-${target}`,
      creationTimestamp: created(0),
    },
    spec: { parentRefs: [{ name }], rules: [{ backendRefs: [{ name: target, port: 3306 }] }] },
  };
}

describe('ports of Gateways with virtual addresses', () => {
  let lab: Lab;
  let folder: string;
  let manifests: Manifests;
  const programs: ChildProcess[] = [];
  let log = '';
  before(async () => {
    lab = await Lab.up('erpool');
    folder = mkdtempSync(join(tmpdir(), 'erpool-'));
    manifests = new Manifests(folder);
    for (const host of ['pod', 'near', 'far'] as const) {
      const server = await lab.agent(host);
      await server.serve('tcp', at[host][4], 3306);
      await server.serve('udp', at[host][4], 3306);
    }
    await (await lab.agent('pod')).serve('tcp', at.pod[6], 3306);
    // Programs of the node that listen on all addresses, like sshd and HAProxy.
    const node = await lab.agent('node');
    for (const port of [22, 80]) await node.serve('tcp', '0.0.0.0', port);
    manifests.write('services', ...(['pod', 'near', 'far'] as const).flatMap((host) => writeService(host)));
    start();
  });
  after(() => {
    for (const program of programs) program.kill('SIGKILL');
    lab.down();
    rmSync(folder, { recursive: true, force: true });
  });

  function writeService(host: 'pod' | 'near' | 'far'): KubernetesObject[] {
    const node = host === 'far' ? 'node2' : 'node';
    const slices = [endpointSlice(host, 3306, [{ address: at[host][4], node }])];
    const both = {
      ...service(host, 3306),
      spec: {
        ports: (['TCP', 'UDP'] as const).map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: 3306 })),
      },
    };
    const named = slices.map((slice) => ({
      ...slice,
      ports: [
        { name: 'tcp', protocol: 'TCP', port: 3306 },
        { name: 'udp', protocol: 'UDP', port: 3306 },
      ],
    }));
    if (host !== 'pod') return [both, ...named];
    const v6 = named.map((slice) => ({
      ...slice,
      metadata: { ...slice.metadata, name: 'pod-6' },
      addressType: 'IPv6',
      endpoints: [{ addresses: [at.pod[6]], nodeName: 'node', conditions: { ready: true } }],
    }));
    return [both, ...named, ...v6];
  }

  function start(): void {
    const options = [
      '--manifests',
      manifests.directory,
      '--node-name',
      'node',
      '--stats-port',
      '0',
      '--check-interval',
      '0',
      '--gateway-class',
      'ours',
      '--address-pool',
      `lan=${pool[4]},${pool[6]};interface=eth1`,
      '--router-addresses',
      routerAddress,
      '--addresses-directory',
      join(folder, 'addresses'),
      '--haproxy-directory',
      join(folder, 'haproxy'),
      '--http-port=8081',
      '--https-port=8444',
      '--listener-ports=61000-61003',
    ];
    run('ingress-agent', ...options);
    run('ingress-addresses', '--directory', join(folder, 'addresses'));
  }

  /** Runs a program with the rights of its container. */
  function run(program: keyof typeof containers, ...options: readonly string[]): void {
    const command = [...asPrivileged('ingress/daemonset.yaml', containers[program]), executable(program)];
    const child = spawn('ip', ['netns', 'exec', lab.netns('node'), ...command, ...options], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (log += data.toString()));
    programs.push(child);
  }

  async function reach(host: string, port: number, protocol: 'tcp' | 'udp' = 'tcp'): Promise<string> {
    return (await lab.agent('outsider')).reach(protocol, host, port, { timeout: 400 });
  }

  async function expectReply(host: string, port: number, expected: RegExp, protocol: 'tcp' | 'udp' = 'tcp') {
    let reply = '';
    const isSo = async () => {
      reply = await reach(host, port, protocol);
      return expected.test(reply);
    };
    await until(isSo, () => ({ host, port, reply, log }), 20_000);
  }

  interface WrittenStatus {
    readonly gateways?: readonly {
      readonly kind: string;
      readonly name: string;
      readonly status: {
        readonly addresses?: readonly { readonly value: string }[];
        readonly conditions: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
      };
    }[];
  }

  function statusOf(name: string): string {
    let read: WrittenStatus = {};
    try {
      read = JSON.parse(readFileSync(`${manifests.directory}.status.json`, 'utf8')) as WrittenStatus;
    } catch {
      // There is none before the agent has decided.
    }
    const found = read.gateways?.find((one) => one.kind === 'Gateway' && one.name === name);
    const programmed = found?.status.conditions.find(({ type }) => type === 'Programmed');
    return `${programmed?.status} ${programmed?.reason} ${found?.status.addresses?.map(({ value }) => value).join()}`;
  }

  function expectStatus(name: string, expected: string): Promise<void> {
    return until(
      () => statusOf(name) === expected,
      () => ({ name, status: statusOf(name), log }),
      20_000,
    );
  }

  it('serve one port at two addresses for two Gateways, though a program of the node has it', async () => {
    manifests.write(
      'one',
      gateway({ name: 'one', port: 80, second: 1, addresses: [asked[0], six] }),
      attach('one', 'pod'),
    );
    manifests.write('two', gateway({ name: 'two', port: 80, second: 2, addresses: [asked[1]] }), attach('two', 'near'));
    await expectReply(asked[0], 80, new RegExp(` ${at.pod[4]} 3306$`));
    await expectReply(asked[1], 80, new RegExp(` ${at.near[4]} 3306$`));
    await expectReply(six, 80, new RegExp(` ${at.pod[6]} 3306$`));
    // The node's own program still answers at the node's address.
    assert.match(await reach(at.node[4], 80), new RegExp(` ${at.node[4]} 80$`));
    await expectStatus('one', `True Programmed ${asked[0]},${six}`);
    await expectStatus('two', `True Programmed ${asked[1]}`);
  });

  it('follow a change of one Gateway without touching the other', async () => {
    const outsider = await lab.agent('outsider');
    assert.match(await outsider.hold('two', asked[1], 80), / 3306$/);
    manifests.write('one', gateway({ name: 'one', port: 80, second: 1, addresses: [asked[0]] }), attach('one', 'far'));
    await expectReply(asked[0], 80, new RegExp(` ${at.far[4]} 3306$`));
    assert.equal(await outsider.say('two', 'still here'), 'still here');
    assert.match(await reach(asked[1], 80), new RegExp(` ${at.near[4]} 3306$`));
  });

  it('do not open ports of Gateways at the node, nor ports of Routes at their addresses', async () => {
    manifests.write('route', route({ name: 'db', port: 13306, service: 'near', created: created(3) }));
    await expectReply(at.node[4], 13306, new RegExp(` ${at.near[4]} 3306$`));
    assert.equal(await reach(asked[0], 13306), 'ECONNREFUSED');
    assert.equal(await reach(asked[0], 22), 'ECONNREFUSED');
    manifests.write(
      'three',
      gateway({ name: 'three', port: 13307, second: 4, addresses: [asked[2]] }),
      attach('three', 'pod'),
    );
    await expectReply(asked[2], 13307, new RegExp(` ${at.pod[4]} 3306$`));
    assert.equal(await reach(at.node[4], 13307), 'ECONNREFUSED');
    assert.equal(await reach(asked[0], 13307), 'ECONNREFUSED');
  });

  it('open ports of Routes at the address of the router', async () => {
    await expectReply(routerAddress, 13306, new RegExp(` ${at.near[4]} 3306$`));
  });

  it('serve UDP by address, too', async () => {
    const dns = (name: string, address: string, second: number) =>
      gateway({ name, port: 53, second, addresses: [address], protocol: 'UDP' });
    manifests.write('dns1', dns('dns1', asked[0], 5), attach('dns1', 'pod', 'UDPRoute'));
    manifests.write('dns2', dns('dns2', asked[1], 6), attach('dns2', 'far', 'UDPRoute'));
    // The addresses belong to older Gateways.
    await expectStatus('dns1', 'False AddressNotAssigned ');
    manifests.remove('one');
    manifests.remove('two');
    await expectReply(asked[0], 53, new RegExp(` ${at.pod[4]} 3306$`), 'udp');
    await expectReply(asked[1], 53, new RegExp(` ${at.far[4]} 3306$`), 'udp');
    assert.equal(await reach(asked[0], 53), 'ECONNREFUSED');
  });

  it('serve listeners for hosts with HAProxy at an address', async () => {
    manifests.remove('three');
    const web = asked[2];
    const { spec, ...rest } = gateway({ name: 'web', port: 80, second: 7, addresses: [web] });
    manifests.write('web', { ...rest, spec: { ...spec, listeners: [{ name: 'main', protocol: 'HTTP', port: 80 }] } });
    const script = `fetch('http://${web}/').then(({ status }) => console.log(status), ({ cause }) => console.log(cause.code))`;
    const ask = () =>
      execFileSync('ip', ['netns', 'exec', lab.netns('outsider'), process.execPath, '-e', script])
        .toString()
        .trim();
    let answer = '';
    // Without a route, a listener answers 404. Anything else is not the listener.
    const isServed = () => {
      answer = ask();
      return answer === '404';
    };
    await until(isServed, () => ({ answer, log: log.slice(-3000) }), 20_000);
    assert.equal(await reach(web, 8081), 'ECONNREFUSED');
    assert.equal(await reach(web, 61_000), 'ECONNREFUSED');
  });

  it("reject an address outside the pools, also if it is the node's", async () => {
    manifests.write('far', gateway({ name: 'far', port: 80, second: 8, addresses: [at.node[4]] }));
    await expectStatus('far', 'False AddressNotUsable ');
  });
});
