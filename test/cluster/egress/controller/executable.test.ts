import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { executable } from '../../../lab/executable.ts';
import { until } from '../../../until.ts';
import { clusterPaths } from '../../lab/cluster.ts';
import { ControllerLab } from '../../lab/controller-lab.ts';

const program = executable('egress-router-controller');

describe('the controller as built', () => {
  let lab: ControllerLab;
  let child: ChildProcess | undefined;
  afterEach(async () => {
    child?.kill('SIGKILL');
    await lab.down();
  });

  it('makes a router available, reports readiness, and exits on SIGTERM', async () => {
    lab = new ControllerLab();
    const kubeconfig = await lab.up();
    lab.putRouter('web');
    const options = ['--image', 'registry.example/egress-router:1', '--kubeconfig', kubeconfig];
    const port = 20_000 + (process.pid % 10_000);
    const listen = ['--listen-address', '127.0.0.1', '--listen-port', `${port}`];
    child = spawn(program, [...options, ...listen], { stdio: 'ignore' });
    await until(
      () => lab.conditionsOf('web')[0] === 'Available=True RouterReady',
      () => lab.server.requests.slice(-5),
      20_000,
    );
    const ask = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    assert.equal(await ask('/readyz'), 'ok\n');
    assert.equal(await ask('/healthz'), 'ok\n');
    assert.match(await ask('/metrics'), /egress_router_controller_reconciles_total\{outcome="success"\} [1-9]/);
    child.kill('SIGTERM');
    assert.deepEqual((await once(child, 'exit'))[0], 0);
  }).timeout(30_000);

  it('has another identity in its Lease after a restart, also as process 1 of a container', async () => {
    lab = new ControllerLab();
    const kubeconfig = await lab.up();
    const options = ['--image', 'registry.example/egress-router:1', '--kubeconfig', kubeconfig];
    const lease = ['--lease-namespace', 'system', '--lease-name', 'own', '--lease-duration', '1s'];
    const command = ['--pid', '--fork', '--kill-child', program, ...options, ...lease, '--listen-port', '0'];
    const identity = () =>
      (lab.server.get(clusterPaths.leases, 'system/own')?.spec as { holderIdentity?: string } | undefined)
        ?.holderIdentity;
    const start = async (predecessor: string | undefined) => {
      child = spawn('unshare', command, { stdio: 'ignore' });
      const renewals = () => lab.server.requests.filter((line) => /^(POST|PUT) .*\/leases/.test(line)).length;
      const before = renewals();
      await until(
        () => renewals() > before && identity() !== undefined,
        () => lab.server.requests.slice(-5),
        20_000,
      );
      child.kill('SIGKILL');
      await once(child, 'exit');
      assert.notEqual(identity(), predecessor);
      return identity();
    };
    await start(await start(undefined));
  }).timeout(60_000);

  it('serves metrics on other hosts only to clients with a permitted token, and health checks to all', async () => {
    lab = new ControllerLab();
    const kubeconfig = await lab.up();
    lab.putRouter('web');
    lab.server.tokens.set('good', 'prometheus');
    lab.server.tokens.set('other', 'jane');
    lab.server.readers.add('prometheus /metrics');
    const port = 20_000 + (process.pid % 10_000);
    const options = ['--image', 'registry.example/egress-router:1', '--kubeconfig', kubeconfig];
    child = spawn(program, [...options, '--listen-port', `${port}`], { stdio: 'ignore' });
    const ask = async (path: string, token?: string): Promise<number> => {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      return (await fetch(`http://127.0.0.1:${port}${path}`, { headers })).status;
    };
    await until(
      () => lab.conditionsOf('web')[0] === 'Available=True RouterReady',
      () => lab.server.requests.slice(-5),
      20_000,
    );
    assert.equal(await ask('/healthz'), 200);
    assert.equal(await ask('/readyz'), 200);
    assert.equal(await ask('/metrics'), 401);
    assert.equal(await ask('/metrics', 'forged'), 401);
    assert.equal(await ask('/metrics', 'other'), 403);
    assert.equal(await ask('/metrics', 'good'), 200);
  }).timeout(30_000);
});
