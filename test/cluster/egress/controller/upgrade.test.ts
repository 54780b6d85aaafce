import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { until } from '../../../until.ts';
import type { KubeObject } from '../../lab/api-server.ts';
import { clusterPaths as paths, ready } from '../../lab/cluster.ts';
import { addresses, ControllerLab, subjects, well } from '../../lab/controller-lab.ts';
import { FailoverLab } from '../../lab/failover-lab.ts';

const [oldImage, newImage] = ['registry.example/egress-router:0.1.0', 'registry.example/egress-router:0.2.0'];
const settings = { image: newImage, clusterNetworks: [] };
const key = 'shop/egress-router-cni-deployment';

/** The objects that the controller of version 0.1.0 made of the documented EgressRouter. */
function readOldObjects(): { readonly definition: KubeObject; readonly deployment: KubeObject } {
  return JSON.parse(readFileSync(new URL('../../../testdata/upgrade/controller-0.1.0.json', import.meta.url), 'utf8'));
}

/** A Deployment as an API server keeps it: with defaults. */
function addDefaults(deployment: KubeObject): KubeObject {
  // biome-ignore lint/suspicious/noExplicitAny: an object of Kubernetes
  const copy = structuredClone(deployment) as any;
  const { template } = copy.spec;
  copy.spec.progressDeadlineSeconds = 600;
  template.metadata.creationTimestamp = null;
  Object.assign(template.spec, {
    dnsPolicy: 'ClusterFirst',
    restartPolicy: 'Always',
    schedulerName: 'default-scheduler',
  });
  for (const container of template.spec.containers) {
    container.imagePullPolicy = 'IfNotPresent';
    container.terminationMessagePath = '/dev/termination-log';
    // Of earlier versions alone.
    if (container.readinessProbe !== undefined) container.readinessProbe.successThreshold = 1;
  }
  return copy;
}

for (const subject of subjects)
  describe(`An upgrade of the controller (${subject})`, () => {
    let lab: ControllerLab;
    beforeEach(async () => {
      lab = new ControllerLab(subject);
      await lab.up();
    });
    afterEach(() => lab.down());

    async function isWell(longest = 6000): Promise<void> {
      await until(
        () => lab.conditionsOf('web').join() === well.join(),
        () => [lab.conditionsOf('web'), lab.messageOf('web', 'Degraded'), lab.server.requests.slice(-5)],
        longest,
      );
    }

    const imageOf = ({ spec }: KubeObject): string =>
      (spec as { containers: { image: string }[] }).containers[0]?.image ?? '';
    const images = (): string[] => lab.server.all(paths.pods).map(imageOf);
    const status = (): { routers: { image?: string; outdated?: boolean }[] } =>
      lab.server.get(paths.routers, 'shop/web')?.status as never;
    const isMigrated = (): boolean =>
      'egress-router.io/manifest' in ((lab.server.get(paths.deployments, key)?.metadata.annotations ?? {}) as object);

    /** A router that version 0.1.0 made, and the new controller, which has looked at it. */
    async function upgrade(): Promise<string> {
      lab.putRouter('web');
      const { definition, deployment } = readOldObjects();
      lab.server.put(paths.definitions, { ...definition, metadata: { ...definition.metadata, uid: 'd1' } });
      lab.server.put(
        paths.deployments,
        addDefaults({ ...deployment, metadata: { ...deployment.metadata, uid: 'd2' } }),
      );
      await until(
        () => lab.names('pods').length === 1,
        () => lab.names('pods'),
      );
      const [pod = ''] = lab.names('pods');
      lab.start(settings);
      await isWell();
      await until(isMigrated, () => lab.server.get(paths.deployments, key));
      return pod;
    }

    it('does not replace the pod of a router that version 0.1.0 made, and says which image it has', async () => {
      const pod = await upgrade();
      await lab.settle();
      assert.deepEqual([lab.names('pods'), images()], [[pod], [oldImage]]);
      assert.deepEqual(
        status().routers.map(({ image, outdated }) => [image, outdated]),
        [[oldImage, true]],
      );
      assert.match(lab.messageOf('web', 'Progressing'), /runs image .*:0\.1\.0; new pods get .*:0\.2\.0; to replace/);
    });

    it('does not replace it when its redirects change, and does when its address does', async () => {
      const pod = await upgrade();
      lab.putRouter('web', { spec: { redirect: { fallbackIP: '203.0.113.30' } } });
      await until(
        () => lab.generationsOf('web').join() === '2,2,2',
        () => lab.generationsOf('web'),
      );
      assert.deepEqual([lab.names('pods'), images()], [[pod], [oldImage]]);
      lab.cluster.podStatus = (made) => ready(made, ['192.168.12.77']);
      lab.putRouter('web', { spec: { addresses: [{ ip: '192.168.12.77/24', gateway: '192.168.12.1' }] } });
      await until(
        () => lab.generationsOf('web').join() === '3,3,3' && images().join() === newImage,
        () => [lab.generationsOf('web'), images()],
      );
      await isWell();
      assert.equal(status().routers[0]?.outdated, undefined);
    });

    it('replaces it once for each new value of the rollout annotation', async () => {
      const pod = await upgrade();
      lab.putRouter('web', { annotations: { 'egress-router.io/rollout': '0.2.0' } });
      await until(
        () => images().join() === newImage,
        () => images(),
      );
      await isWell();
      const [second = ''] = lab.names('pods');
      assert.notEqual(second, pod);
      // Neither the same value nor none is a request.
      lab.putRouter('web', { annotations: { 'egress-router.io/rollout': '0.2.0' }, spec: { redirect: {} } });
      lab.putRouter('web');
      await lab.settle();
      await isWell();
      assert.deepEqual(lab.names('pods'), [second]);
      lab.putRouter('web', { annotations: { 'egress-router.io/rollout': 'x'.repeat(300) } });
      await until(
        () => lab.names('pods').length === 1 && lab.names('pods')[0] !== second,
        () => lab.names('pods'),
      );
      await isWell();
      assert.deepEqual(lab.cluster.doubles, []);
    });
  });

describe('A router that an older controller made', () => {
  let lab: FailoverLab;
  beforeEach(async () => {
    lab = new FailoverLab();
    await lab.up();
  });
  afterEach(() => lab.down());

  const imageOf = (pod: KubeObject): string =>
    (pod.spec as { containers: { image: string }[] }).containers[0]?.image ?? '';
  const images = (): string[] => lab.pods.map(imageOf).sort();

  async function isWell(): Promise<void> {
    await until(
      () => lab.conditionsOf('web').join() === well.join(),
      () => [lab.conditionsOf('web'), lab.messageOf('web', 'Degraded'), images()],
      6000,
    );
  }

  /** One controller makes the router, and another of a newer image follows it. */
  async function upgrade(spec: object = {}, changes: object = {}): Promise<void> {
    lab.putRouter('web', { spec });
    const old = lab.start({ ...settings, image: oldImage });
    await isWell();
    old.stop();
    const next = lab.start({ ...settings, ...changes });
    await until(
      () => next.isLeading,
      () => 'no leader',
    );
  }

  it('keeps its image on another node when its node dies', async () => {
    for (const node of ['n1', 'n2']) lab.cluster.putNode(node);
    await upgrade();
    // It answers to the new controller.
    await lab.probed();
    lab.kill('n1');
    await lab.areOn('n2');
    await isWell();
    assert.deepEqual(images(), [oldImage]);
  });

  it('gets the new image when its own cannot be pulled', async () => {
    let isGone = false;
    lab.cluster.podStatus = (pod) => {
      if (!isGone || imageOf(pod) === newImage) return ready(pod);
      const waiting = { reason: 'ImagePullBackOff', message: 'Back-off pulling image' };
      return { status: { containerStatuses: [{ state: { waiting } }] }, annotations: {} };
    };
    await upgrade();
    isGone = true;
    lab.server.end?.(paths.pods, `shop/${lab.names('pods')[0]}`, 1);
    await until(
      () => images().join() === newImage,
      () => images(),
    );
    await isWell();
  });

  it('is replaced when the controller has another node selector or another time for failed nodes', async () => {
    await upgrade({}, { nodeFailureSeconds: 40 });
    await until(
      () => images().join() === newImage,
      () => images(),
    );
    await isWell();
  });

  it('takes turns with the others of its pool in a rollout', async () => {
    await upgrade(addresses(99, 100, 101));
    let fewest = 3;
    lab.server.onChange(() => {
      fewest = Math.min(fewest, lab.pods.filter((pod) => JSON.stringify(pod.status).includes('"True"')).length);
    });
    lab.putRouter('web', { spec: addresses(99, 100, 101), annotations: { 'egress-router.io/rollout': '1' } });
    await until(
      () => images().join() === [newImage, newImage, newImage].join(),
      () => [images(), lab.messageOf('web', 'Progressing')],
      6000,
    );
    await isWell();
    assert.equal(fewest, 2);
  });

  it('waits in a rollout while another router of its pool is not ready', async () => {
    lab.cluster.podStatus = (pod) =>
      lab.addressOf(pod).endsWith('.100') && imageOf(pod) === newImage
        ? { status: { conditions: [] }, annotations: {} }
        : ready(pod, [lab.addressOf(pod)]);
    await upgrade(addresses(100, 99));
    lab.putRouter('web', { spec: addresses(100, 99), annotations: { 'egress-router.io/rollout': '1' } });
    await until(
      () => images().join() === [oldImage, newImage].join(),
      () => images(),
    );
    await lab.settle();
    assert.deepEqual(images(), [oldImage, newImage]);
    assert.ok(lab.conditionsOf('web')[0]?.startsWith('Available=True PoolPartlyReady'));
  });

  it('ignores a template in its annotation that another client wrote', async () => {
    await upgrade();
    const deployment = lab.server.get(paths.deployments, key);
    assert.ok(deployment !== undefined);
    const annotations = deployment.metadata.annotations as Record<string, string>;
    const forged = annotations['egress-router.io/manifest']?.replace(oldImage, 'evil.example/image');
    assert.ok(forged?.includes('evil.example'));
    lab.server.put(paths.deployments, {
      ...deployment,
      metadata: { ...deployment.metadata, annotations: { ...annotations, 'egress-router.io/manifest': forged } },
    });
    await until(
      () => !JSON.stringify(lab.server.all(paths.deployments)).includes('evil.example'),
      () => lab.server.all(paths.deployments),
    );
    assert.ok(!images().includes('evil.example/image'));
  });

  it('keeps the fields and the digests by which versions know each other’s objects', async () => {
    await upgrade();
    const { deployment, definition } = readOldObjects();
    const template = ({ spec }: KubeObject) =>
      (spec as { template: { metadata: { annotations: object } } }).template.metadata.annotations;
    const [made] = lab.server.all(paths.deployments);
    assert.deepEqual(made && template(made), template(deployment));
    assert.deepEqual(lab.server.get(paths.definitions, 'shop/egress-router-cni-nad')?.spec, definition.spec);
  });
});
