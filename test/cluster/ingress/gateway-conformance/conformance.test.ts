import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'mocha';
import { portFeatures, siteFeatures } from '../../../../src/ingress/gateway/supported-features.ts';
import type { ConformanceTest } from './expectations.ts';
import { GatewayLab } from './gateway-lab.ts';
import { ownTests } from './own-tests.ts';
import { Player } from './player.ts';

const features: ReadonlySet<string> = new Set([...portFeatures, ...siteFeatures]);

const { tests } = JSON.parse(readFileSync(new URL('./data/expectations.json', import.meta.url), 'utf8')) as {
  tests: readonly ConformanceTest[];
};

/** The tests of the public suite, 1.6.1, whose features the GatewayClass claims. */
describe('Gateway API conformance', () => {
  const lab = new GatewayLab();
  const player = new Player(lab);

  before(async function () {
    this.timeout(60_000);
    await lab.up();
    await player.prepare();
  });
  after(async function () {
    this.timeout(20_000);
    await lab.down();
  });

  it('the GatewayClass lists the features that are played here', async () => {
    const want = [...features].sort().join();
    await lab.settle(() => {
      const [gatewayClass] = lab.all('GatewayClass');
      const status = gatewayClass?.status as { readonly supportedFeatures?: readonly { name: string }[] } | undefined;
      const listed = status?.supportedFeatures?.map(({ name }) => name).join();
      return listed === want ? undefined : `listed: ${listed}`;
    });
  }).timeout(30_000);

  for (const one of [...tests, ...ownTests]) {
    if (!one.features.every((feature) => features.has(feature))) continue;
    if (one.onlyIfNotFeature !== undefined && features.has(one.onlyIfNotFeature)) continue;
    it(one.test, () => player.play(one)).timeout(60_000);
  }
});
