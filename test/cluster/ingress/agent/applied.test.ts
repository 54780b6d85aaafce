import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { findTool } from '../../../../src/base/linux/rule-tools.ts';
import { executable } from '../../../lab/executable.ts';
import { Lab } from '../../../lab/lab.ts';
import { endpointSlice, type KubernetesObject, Manifests, route, service } from '../../../lab/manifests.ts';
import { addresses as at } from '../../../lab/names.ts';
import { until } from '../../../until.ts';

const created = '2026-01-01T00:00:00Z';

describe('statuses of the compiled ingress agent when the kernel rejects its rules', () => {
  let lab: Lab;
  let folder: string;
  let manifests: Manifests;
  let agent: ChildProcess | undefined;

  beforeEach(async () => {
    lab = await Lab.up('erva');
    folder = mkdtempSync(join(tmpdir(), 'erva-'));
    manifests = new Manifests(folder);
    await (await lab.agent('pod')).serve('tcp', at.pod[4], 3306);
    const places = [{ address: at.pod[4], node: 'node' }];
    manifests.write('web', service('web', 3306), endpointSlice('web', 3306, places), writeRoute(18_080));
    manifests.write('gateway', writeGateway('gw', 15_432), writeL4Route('l4', 'gw'));
  });

  afterEach(() => {
    agent?.kill('SIGKILL');
    lab.down();
    rmSync(folder, { recursive: true, force: true });
  });

  function writeRoute(port: number): KubernetesObject {
    return route({ name: 'web', port, service: 'web', created });
  }

  function writeGateway(name: string, port: number): KubernetesObject {
    return {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name, namespace: 'shop', uid: name, creationTimestamp: created },
      spec: { gatewayClassName: 'ours', listeners: [{ name: 'sql', protocol: 'TCP', port }] },
    };
  }

  function writeL4Route(name: string, parent: string): KubernetesObject {
    return {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'TCPRoute',
      metadata: { name, namespace: 'shop', uid: name, creationTimestamp: created },
      spec: { parentRefs: [{ name: parent }], rules: [{ backendRefs: [{ name: 'web', port: 3306 }] }] },
    };
  }

  /** Starts an agent in the namespace of the node; `wrapper` runs it. */
  function start(wrapper: readonly string[], path = process.env.PATH): void {
    const options = ['--manifests', manifests.directory, '--node-name', 'node', '--gateway-class', 'ours'];
    const rest = ['--stats-port', '0', '--check-interval', '0'];
    const words = ['netns', 'exec', lab.netns('node'), ...wrapper, executable('ingress-agent'), ...options, ...rest];
    agent = spawn('ip', words, { stdio: 'ignore', env: { ...process.env, PATH: path } });
  }

  /** `Gateway gw Programmed False Pending` and so on: the condition of each object that says whether it works. */
  function statuses(): readonly string[] {
    let document: StatusDocument = { routes: [] };
    try {
      document = JSON.parse(readFileSync(`${manifests.directory}.status.json`, 'utf8')) as StatusDocument;
    } catch {
      // The agent has not written it yet.
    }
    const say = (kind: string, name: string, conditions: readonly Condition[], type: string): string[] =>
      conditions
        .filter((one) => one.type === type)
        .map(({ status, reason }) => `${kind} ${name} ${type} ${status} ${reason ?? ''}`.trim());
    return [
      ...document.routes
        .filter(({ kind }) => kind === 'Route')
        .flatMap(({ name, status }) => say('Route', name, status.ingress[0]?.conditions ?? [], 'Admitted')),
      ...(document.gateways ?? []).flatMap(({ kind, name, status }) => [
        ...say(kind, name, status.conditions ?? [], 'Programmed'),
        ...(status.listeners ?? []).flatMap((one) => say('listener', one.name, one.conditions, 'Programmed')),
        ...(status.parents ?? []).flatMap(({ conditions }) => say(kind, name, conditions, 'Accepted')),
      ]),
    ];
  }

  async function reach(port: number): Promise<string> {
    return (await lab.agent('outsider')).reach('tcp', at.node[4], port, { timeout: 400 });
  }

  const refused = [
    'Route web Admitted False NotApplied',
    'Gateway gw Programmed False Pending',
    'listener sql Programmed False Pending',
    'TCPRoute l4 Accepted False Pending',
  ];
  const served = [
    'Route web Admitted True',
    'Gateway gw Programmed True Programmed',
    'listener sql Programmed True Programmed',
    'TCPRoute l4 Accepted True Accepted',
  ];

  it('report that nothing is applied without CAP_NET_ADMIN', async () => {
    start(['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs']);
    await until(() => statuses().length === refused.length, statuses, 15_000);
    assert.deepEqual(statuses(), refused);
    assert.deepEqual([await reach(18_080), await reach(15_432)], ['ECONNREFUSED', 'ECONNREFUSED']);
  });

  it('distinguish what is applied while nft fails, and are corrected afterwards', async () => {
    const bin = join(folder, 'bin');
    const broken = join(folder, 'broken');
    mkdirSync(bin);
    writeFileSync(join(bin, 'nft'), `#!/bin/sh\n[ -e ${broken} ] && exit 1\nexec ${findTool('nft')} "$@"\n`);
    chmodSync(join(bin, 'nft'), 0o755);
    writeFileSync(broken, '');
    start([], `${bin}:${process.env.PATH}`);
    await until(() => statuses().length === refused.length, statuses, 15_000);
    assert.deepEqual(statuses(), refused);
    rmSync(broken);
    await until(() => statuses().join() === served.join(), statuses, 20_000);
    assert.match(await reach(18_080), new RegExp(at.pod[4]));
    assert.match(await reach(15_432), new RegExp(at.pod[4]));
    // Turns need a chain of their own, which only nft makes.
    writeFileSync(broken, '');
    const places = [at.pod[4], at.near[4]].map((address) => ({ address, node: 'node' }));
    const two = route({ name: 'two', port: 18_081, service: 'two', created });
    const balanced = { ...two.metadata.annotations, 'haproxy.router.openshift.io/balance': 'roundrobin' };
    const metadata = { ...two.metadata, annotations: balanced };
    manifests.write('two', service('two', 3306), endpointSlice('two', 3306, places), { ...two, metadata });
    await until(() => statuses().includes('Route two Admitted False NotApplied'), statuses, 15_000);
    assert.deepEqual(
      statuses().filter((line) => !line.startsWith('Route two')),
      served,
    );
    assert.match(await reach(18_080), new RegExp(at.pod[4]));
    assert.equal(await reach(18_081), 'ECONNREFUSED');
  }).timeout(90_000);
});

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
}

interface StatusDocument {
  readonly routes: readonly {
    readonly kind: string;
    readonly name: string;
    readonly status: { readonly ingress: readonly { readonly conditions: readonly Condition[] }[] };
  }[];
  readonly gateways?: readonly {
    readonly kind: string;
    readonly name: string;
    readonly status: {
      readonly conditions?: readonly Condition[];
      readonly listeners?: readonly { readonly name: string; readonly conditions: readonly Condition[] }[];
      readonly parents?: readonly { readonly conditions: readonly Condition[] }[];
    };
  }[];
}
