import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { namesAnnotation } from '../../../../src/egress/model/live-change.ts';
import { TestDns } from '../../../lab/dns-server.ts';
import { executable } from '../../../lab/executable.ts';
import { Lab } from '../../../lab/lab.ts';
import { addresses as at } from '../../../lab/names.ts';
import { asPrivileged } from '../../../lab/rights.ts';
import { inNamespace } from '../../../netns/base/linux/wire.ts';
import { until } from '../../../until.ts';
import { type KubeObject, TestApiServer } from '../../lab/api-server.ts';
import { Cluster, clusterPaths as paths } from '../../lab/cluster.ts';
import { writeKubeconfig } from '../../lab/kubeconfig.ts';
import { Program } from '../../lab/program.ts';

const dnsPort = 5300;
const name = 'api.partner.example';
const gone = 'gone.partner.example';
const prefix = 'ernames';

interface ShownName {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly expires?: string;
  readonly changed?: string;
  readonly error?: string;
}

interface Shown {
  readonly names?: string;
  readonly routers?: readonly { readonly names?: readonly ShownName[]; readonly namesOmitted?: number }[];
}

describe('the status of names, on the compiled controller, plugin and node daemon', function () {
  this.timeout(300_000);
  let lab: Lab;
  let server: TestApiServer;
  let dns: TestDns;
  let folder: string;
  let kubeconfig: string;
  let programs: Program[] = [];

  beforeEach(async () => {
    rmSync('/run/egress-router/names', { recursive: true, force: true });
    lab = await Lab.up(prefix);
    folder = mkdtempSync(join(tmpdir(), 'names-'));
    server = new TestApiServer(Object.values(paths), { address: 'any' });
    const cluster = new Cluster(server);
    cluster.hasNodeDaemon = false;
    kubeconfig = writeKubeconfig(folder, await inNamespace(lab.netns('node'), () => server.start()));
    dns = new TestDns();
    await inNamespace(lab.netns('node'), () => dns.start(dnsPort));
  });
  afterEach(async () => {
    for (const program of programs) await program.end();
    programs = [];
    lab.down();
    dns.stop();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  function run(words: readonly string[]): Program {
    const program = new Program('/sbin/ip', ['netns', 'exec', lab.netns('node'), ...words]);
    programs.push(program);
    return program;
  }

  async function startDaemon(): Promise<Program> {
    const options = ['--kubeconfig', kubeconfig, '--node-name', 'node-1', '--resolver', `127.0.0.1:${dnsPort}`];
    const install = ['--source', executable('egress-router'), '--target', folder];
    const words = [...asPrivileged('node/daemonset.yaml'), executable('egress-router-node')];
    const daemon = run([...words, ...options, '--min-ttl', '300ms', '--stale-time', '1h', ...install]);
    await until(
      () => daemon.output.includes('The node daemon runs'),
      () => daemon.output,
      60_000,
    );
    return daemon;
  }

  function startController(): void {
    const options = ['--kubeconfig', kubeconfig, '--image', 'registry.example/egress-router:1'];
    run([executable('egress-router-controller'), ...options, '--listen-port', '0']);
  }

  function putRouter(generation: number, destinations: readonly string[]): void {
    server.put(paths.routers, {
      apiVersion: 'network.operator.openshift.io/v1',
      kind: 'EgressRouter',
      metadata: {
        namespace: 'shop',
        name: 'web',
        uid: 'uid-web',
        generation,
        creationTimestamp: '2026-01-01T00:00:00Z',
      },
      spec: {
        addresses: [{ ip: `${at.reserved[4]}/24`, gateway: at.gateway[4] }],
        mode: 'Redirect',
        networkInterface: { macvlan: { mode: 'Bridge' } },
        redirect: {
          redirectRules: destinations.map((destinationName, index) => ({
            destinationName,
            port: 8443 + index,
            targetPort: 443,
            protocol: 'TCP',
          })),
        },
      },
      ...(generation > 1 && { status: server.get(paths.routers, 'shop/web')?.status }),
    } as unknown as KubeObject);
  }

  const pod = (): KubeObject | undefined => server.all(paths.pods)[0];
  const shown = (): Shown => (server.get(paths.routers, 'shop/web')?.status ?? {}) as Shown;
  const namesShown = (): readonly ShownName[] => shown().routers?.[0]?.names ?? [];
  const annotation = (): unknown =>
    (pod()?.metadata.annotations as Record<string, unknown> | undefined)?.[namesAnnotation];
  const seen = () => [shown(), annotation(), programs.map(({ output }) => output.slice(-1500))];
  const podWrites = (): number => server.requests.filter((line) => /^PATCH .*\/pods\/[^/]*$/.test(line)).length;

  async function addRouter(): Promise<void> {
    await until(() => pod() !== undefined && server.all(paths.definitions).length === 1, seen, 30_000);
    const { config = '' } = (server.all(paths.definitions)[0]?.spec ?? {}) as { config?: string };
    const args = `IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${pod()?.metadata.name}`;
    const call = () => lab.plugin('ADD', JSON.parse(config), { args, variant: 'nftables' });
    let added = await call();
    // A daemon that is too busy to answer: the runtime tries again.
    for (let again = 0; again < 5 && added.json?.code === 11; again++) added = await call();
    assert.equal(added.status, 0, added.stdout);
  }

  it('shows addresses, expiry, last change and error of each name, and writes only when they change', async () => {
    dns.names.set(name, { a: [at.web[4]], ttl: 1 });
    await startDaemon();
    startController();
    putRouter(1, [name, gone]);
    await addRouter();
    await until(() => namesShown().length === 2 && shown().names === '1 of 2 resolved', seen, 40_000);
    const [known, unknown] = namesShown();
    assert.deepEqual([known?.name, known?.addresses, known?.error], [name, [at.web[4]], undefined]);
    assert.deepEqual(unknown, { name: gone, addresses: [], error: 'the name does not exist' });
    const age = (time: string | undefined): number => Date.now() - Date.parse(time ?? '');
    assert.ok(age(known?.changed) < 60_000 && age(known?.expires) < 60_000, JSON.stringify(known));
    // Refreshed several times since, without a write.
    const [writes, asked] = [podWrites(), dns.count(name)];
    await until(() => dns.count(name) >= asked + 4, seen, 40_000);
    assert.equal(podWrites(), writes);
    // The addresses change, and then no server answers: the last ones stay, with the reason.
    dns.names.set(name, { a: [at.secure[4], at.web[4]], ttl: 1 });
    await until(() => namesShown()[0]?.addresses.join() === [at.web[4], at.secure[4]].sort().join(), seen, 40_000);
    dns.names.set(name, { code: 2 });
    await until(() => namesShown()[0]?.error?.includes('SERVFAIL') === true, seen, 40_000);
    assert.equal(namesShown()[0]?.addresses.length, 2);
    // A name that was removed from the specification is removed from the status.
    putRouter(2, [gone]);
    await until(() => namesShown().length === 1 && shown().names === '0 of 1 resolved', seen, 40_000);
  });

  it('takes from a forged annotation only what it can check, and the daemon writes its own again', async () => {
    dns.names.set(name, { a: [at.web[4]], ttl: 60 });
    const daemon = await startDaemon();
    startController();
    putRouter(1, [name]);
    await addRouter();
    await until(() => shown().names === '1 of 1 resolved', seen, 40_000);
    await daemon.end('SIGTERM');
    const forge = (text: string): void => {
      const known = pod() as KubeObject;
      const annotations = { ...(known.metadata.annotations as object), [namesAnnotation]: text };
      server.put(paths.pods, { ...known, metadata: { ...known.metadata, annotations } });
    };
    const lie = { addresses: ['198.51.100.7', 'x', 7], expires: 'tomorrow', changed: 7, error: 'a\u001b[31m\u202eb' };
    const extra = { name, ...lie, more: { evil: true } };
    forge(JSON.stringify({ net1: [extra, { name: 'evil.example', ...lie }, { name: 'A B', ...lie }], net2: [extra] }));
    await until(() => namesShown()[0]?.addresses.join() === '198.51.100.7', seen, 40_000);
    assert.deepEqual(namesShown(), [{ name, addresses: ['198.51.100.7'], error: 'a\\u001b[31m\\u202eb' }]);
    forge('['.repeat(100_000));
    await until(() => shown().names === '0 of 1 resolved' && shown().routers?.[0]?.namesOmitted === 1, seen, 40_000);
    await startDaemon();
    await until(() => namesShown()[0]?.addresses.join() === at.web[4], seen, 40_000);
    forge('{}');
    await until(() => annotation() !== '{}' && namesShown()[0]?.addresses.join() === at.web[4], seen, 40_000);
  });
});
