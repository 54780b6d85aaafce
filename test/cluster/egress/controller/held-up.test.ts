import { afterEach, beforeEach, describe, it } from 'mocha';
import { until } from '../../../until.ts';
import { clusterPaths as paths, ready } from '../../lab/cluster.ts';
import { addresses } from '../../lab/controller-lab.ts';
import { FailoverLab } from '../../lab/failover-lab.ts';

describe('Routers of one namespace', () => {
  let lab: FailoverLab;

  beforeEach(async () => {
    lab = new FailoverLab();
    await lab.up();
    for (const node of ['n1', 'n2']) lab.cluster.putNode(node);
  });
  afterEach(() => lab.down());

  /** From now on the server does not come to an end with such requests, as where the store of Events is another and full. */
  function lose(on: RegExp, answer: 500 | 'silence' = 'silence'): void {
    for (let count = 0; count < 200; count++) lab.server.fail({ on, answer });
  }

  async function run(count: number): Promise<void> {
    lab.start();
    await until(
      () => lab.nodes.length === count,
      () => lab.nodes,
    );
    await lab.probed(2 * count);
  }

  it('are all moved although no Event can be written', async () => {
    for (const [index, name] of ['one', 'two', 'three'].entries()) lab.putRouter(name, { spec: addresses(99 + index) });
    await run(3);
    await until(
      () => ['one', 'two', 'three'].every((name) => lab.conditionsOf(name)[0]?.startsWith('Available=True')),
      () => lab.conditionsOf('three'),
    );
    lose(/POST .*\/events/);
    lab.kill('n1');
    await lab.areOn('n2', 'n2', 'n2');
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
      put();
      await run(3);
      lab.server.fail({ on: /DELETE .*\/pods\//, answer: 'silence' });
      lab.kill('n1');
      await lab.areOn('n2', 'n2');
      await lab.areOn('n2', 'n2', 'n2');
    });
  }

  it('are moved although the Events of another failing router cannot be read', async () => {
    // The first one's image cannot be pulled.
    lab.cluster.podStatus = (pod) => {
      const isFirst = lab.addressOf(pod) === '192.168.12.99';
      const made = ready(pod, [lab.addressOf(pod)]);
      return isFirst ? { ...made, status: { conditions: [{ type: 'Ready', status: 'False' }] } } : made;
    };
    lab.putRouter('web', { spec: addresses(99, 100, 101) });
    await run(3);
    lose(/GET .*\/events/);
    lab.kill('n1');
    await lab.areOn('n1', 'n2', 'n2');
  });

  it('are reconciled in time although one of them keeps failing', async () => {
    lab.putRouter('web', { spec: addresses(99, 100) });
    await run(2);
    const definition = /PATCH .*\/network-attachment-definitions\/egress-router-cni-nad\?/;
    lose(definition, 500);
    lab.server.remove(paths.definitions, 'shop/egress-router-cni-nad');
    const failures = (): number => lab.server.requests.filter((line) => definition.test(line)).length;
    // Made once, and refused five times: the next pause is one of eight seconds.
    await until(() => failures() >= 6, failures, 12_000);
    for (let count = 0; count < 2; count++) lab.server.fail({ on: /GET .*\/pods\/egress-router/, answer: 500 });
    lab.kill('n1');
    await lab.areOn('n1', 'n2');
  });

  it('are created although one of their pool cannot be', async () => {
    lose(/PATCH .*\/network-attachment-definitions\/egress-router-cni-nad\?/, 500);
    lab.putRouter('web', { spec: addresses(99, 100) });
    await run(1);
  });
});
