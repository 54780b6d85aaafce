import { afterEach, beforeEach, describe, it } from 'mocha';
import { SilentAddresses } from '../../../lab/silence.ts';
import { until } from '../../../until.ts';
import type { KubeObject } from '../../lab/api-server.ts';
import { clusterPaths as paths, ready } from '../../lab/cluster.ts';
import { ControllerLab } from '../../lab/controller-lab.ts';

const redirect = { redirectRules: [{ destinationIP: '203.0.113.26', port: 8080, protocol: 'TCP' }] };
const addresses = (...last: readonly number[]) => ({
  addresses: last.map((one) => ({ ip: `192.168.12.${one}/24`, gateway: '192.168.12.1' })),
  redirect,
});

describe('Routers of one namespace', () => {
  let lab: ControllerLab;
  let network: SilentAddresses;

  beforeEach(async () => {
    lab = new ControllerLab();
    network = new SilentAddresses();
    lab.cluster.podAddress = (pod) => hostOf(nodeOf(pod));
    await lab.up();
    for (const node of ['n1', 'n2']) lab.cluster.putNode(node);
  });
  afterEach(async () => {
    network.close();
    await lab.down();
  });

  /** Where the pods of a node are: a closed port answers there. */
  const hostOf = (node: string): string => `127.78.1.${node.slice(1)}`;
  const nodeOf = (pod: KubeObject): string => (pod.spec as { nodeName?: string }).nodeName ?? 'none';
  const nodes = (): string[] =>
    lab.server
      .all(paths.pods)
      .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      .map(nodeOf)
      .sort();

  /** From now on the server does not come to an end with such requests, as where the store of Events is another and full. */
  function lose(on: RegExp, answer: 500 | 'silence' = 'silence'): void {
    for (let count = 0; count < 200; count++) lab.server.fail({ on, answer });
  }

  async function run(count: number): Promise<void> {
    lab.start();
    await until(() => nodes().length === count, nodes);
    // The controller has knocked once at least.
    await new Promise((resolve) => setTimeout(resolve, 300));
  }

  function kill(node: string): void {
    lab.cluster.deadNodes.add(node);
    network.silence(hostOf(node));
  }

  const areOn = (...where: readonly string[]): Promise<void> =>
    until(
      () => nodes().join() === where.join(),
      () => [nodes(), lab.server.requests.slice(-6)],
      5000,
    );

  it('are all moved although no Event can be written', async () => {
    for (const [index, name] of ['one', 'two', 'three'].entries()) lab.putRouter(name, { spec: addresses(99 + index) });
    lab.cluster.podStatus = (pod) =>
      ready(
        pod,
        [99, 100, 101].map((last) => `192.168.12.${last}`),
      );
    await run(3);
    await until(
      () => ['one', 'two', 'three'].every((name) => lab.conditionsOf(name)[0]?.startsWith('Available=True')),
      () => lab.conditionsOf('three'),
    );
    lose(/POST .*\/events/);
    kill('n1');
    await areOn('n2', 'n2', 'n2');
  });

  for (const [what, put] of [
    [
      'routers',
      () => {
        for (const one of [99, 100, 101]) lab.putRouter(`r${one}`, { spec: addresses(one) });
      },
    ],
    ['a pool', () => lab.putRouter('web', { spec: addresses(99, 100, 101) })],
  ] as const) {
    it(`are moved although the API server does not answer requests about another (${what})`, async () => {
      lab.cluster.podStatus = (pod) => ready(pod, ['192.168.12.99', '192.168.12.100', '192.168.12.101']);
      put();
      await run(3);
      lab.server.fail({ on: /DELETE .*\/pods\//, answer: 'silence' });
      kill('n1');
      await areOn('n2', 'n2');
      await areOn('n2', 'n2', 'n2');
    });
  }

  it('are moved although the Events of another failing router cannot be read', async () => {
    // The first one's image cannot be pulled.
    lab.cluster.podStatus = (pod) => {
      const isFirst = (pod.metadata.labels as Record<string, string>)['egress-router-member'] === '192-168-12-99';
      return isFirst ? { ...ready(pod), status: { conditions: [{ type: 'Ready', status: 'False' }] } } : ready(pod);
    };
    lab.putRouter('web', { spec: addresses(99, 100, 101) });
    await run(3);
    lose(/GET .*\/events/);
    kill('n1');
    await areOn('n1', 'n2', 'n2');
  });

  it('are reconciled in time although one of them keeps failing', async () => {
    lab.cluster.podStatus = (pod) => ready(pod, ['192.168.12.99', '192.168.12.100']);
    lab.putRouter('web', { spec: addresses(99, 100) });
    await run(2);
    const definition = /PATCH .*\/network-attachment-definitions\/egress-router-cni-nad\?/;
    lose(definition, 500);
    lab.server.remove(paths.definitions, 'shop/egress-router-cni-nad');
    const failures = (): number => lab.server.requests.filter((line) => definition.test(line)).length;
    // Made once, and refused five times: the next pause is one of eight seconds.
    await until(() => failures() >= 6, failures, 12_000);
    for (let count = 0; count < 2; count++) lab.server.fail({ on: /GET .*\/pods\/egress-router/, answer: 500 });
    kill('n1');
    await areOn('n1', 'n2');
  });

  it('are created although one of their pool cannot be', async () => {
    lose(/PATCH .*\/network-attachment-definitions\/egress-router-cni-nad\?/, 500);
    lab.putRouter('web', { spec: addresses(99, 100) });
    await run(1);
  });
});
