import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { until } from '../../../until.ts';
import { ControllerLab } from '../../lab/controller-lab.ts';

const well = ['Available=True RouterReady', 'Progressing=False AsExpected', 'Degraded=False AsExpected'];
const two = ['99', '100'].map((last) => ({ ip: `192.168.12.${last}/24`, gateway: '192.168.12.1' }));

describe('A router with rejected objects', () => {
  let lab: ControllerLab;

  beforeEach(async () => {
    lab = new ControllerLab();
    await lab.up();
  });
  afterEach(() => lab.down());

  function refuse(on: RegExp, answer: number, message: string): void {
    for (let count = 0; count < 200; count++) lab.server.fail({ on, answer, message });
  }

  const isTold = (words: string): Promise<void> =>
    until(
      () =>
        lab.conditionsOf('web')[2] === 'Degraded=True ApplyFailed' && lab.messageOf('web', 'Degraded').includes(words),
      () => [lab.conditionsOf('web'), lab.messageOf('web', 'Degraded')],
    );

  for (const [answer, message] of [
    [
      500,
      'Internal error occurred: failed calling webhook "policy.example": no endpoints available for service "policy"',
    ],
    [500, 'etcdserver: mvcc: database space exceeded'],
    [500, 'admission webhook "policy.example" denied the request: its own store is down'],
    [413, 'Request entity too large: limit is 3145728'],
    [406, 'admission webhook "policy.example" denied the request: no'],
  ] as const) {
    it(`reports it if its Deployment is answered by ${answer}`, async () => {
      refuse(/PATCH .*\/deployments\//, answer, message);
      lab.putRouter('web');
      lab.start();
      await isTold(message);
    });
  }

  it('retries soon if the API server itself failed', async () => {
    refuse(/PATCH .*\/deployments\//, 500, 'etcdserver: no leader');
    lab.putRouter('web');
    lab.start();
    await isTold('no leader');
    lab.server.clearFaults();
    await until(
      () => lab.conditionsOf('web').join() === well.join(),
      () => lab.conditionsOf('web'),
      5000,
    );
  });

  it('reports it if the rest of an address may not be deleted', async () => {
    lab.putRouter('web', { spec: { addresses: two } });
    lab.cluster.podStatus = () => ({ status: { conditions: [{ type: 'Ready', status: 'True' }] }, annotations: {} });
    lab.start();
    await until(
      () => lab.names('pods').length === 2,
      () => lab.names('pods'),
    );
    refuse(/DELETE .*\/deployments\//, 403, 'deployments.apps is forbidden: nothing is deleted here');
    lab.putRouter('web', { spec: { addresses: two.slice(0, 1) } });
    await isTold('nothing is deleted here');
    assert.equal(lab.names('pods').length, 2);
    lab.server.clearFaults();
  });

  it('does not treat a rejecting API server as an outage', async () => {
    lab.putRouter('web');
    refuse(/PATCH .*\/deployments\//, 503, 'the server is currently unable to handle the request');
    lab.start();
    await until(
      () => lab.server.requests.filter((line) => /PATCH .*deployments/.test(line)).length >= 2,
      () => lab.server.requests,
    );
    assert.ok(!lab.conditionsOf('web').includes('Degraded=True ApplyFailed'));
    lab.server.clearFaults();
    await until(
      () => lab.conditionsOf('web').join() === well.join(),
      () => lab.conditionsOf('web'),
      5000,
    );
  });
});
